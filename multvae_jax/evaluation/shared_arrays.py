"""A tuple of pytrees whose shared arrays are passed to a compiled program once."""

from __future__ import annotations

from typing import Any

import jax


@jax.tree_util.register_pytree_node_class
class Together(tuple[Any, ...]):
    """A tuple of pytrees; an array that several of them have is a single leaf.

    A compiled program cannot tell that two arguments are the same array, and would compute what
    depends on them twice.

    Example:
        >>> array = jax.numpy.zeros(3)
        >>> len(jax.tree.leaves((array, [array]))), len(jax.tree.leaves(Together((array, [array]))))
        (2, 1)
    """

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        """Return the different leaves, and how to put them together again."""
        leaves, form = jax.tree.flatten(tuple(self))
        different = {id(leaf): leaf for leaf in leaves}
        number = {key: number for number, key in enumerate(different)}
        return tuple(different.values()), (form, tuple(number[id(leaf)] for leaf in leaves))

    @classmethod
    def tree_unflatten(cls, how: Any, different: Any) -> Together:
        """Return the tuple of some leaves."""
        form, numbers = how
        return cls(form.unflatten([different[number] for number in numbers]))

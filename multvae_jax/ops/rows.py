"""Some rows of a matrix whose other rows are zero, or are not read.

A batch reads few rows of the first kernel of an encoder: those of its own items. `embedding_bag`
takes `Rows` instead of that kernel, so that the gradient has as many rows, and an optimizer
that takes such a gradient need not read the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from multvae_jax.batching import Batch


# Not a pytree: a function that would change the indices too, or take the rows for the whole matrix,
# fails rather than return a wrong result.
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Some rows of a matrix.

    As a gradient or an update, the others are zero: a matrix plus rows is the matrix with these
    rows added, so that `optax.apply_updates` takes them. Rows may be scaled by a number.

    Attributes:
        values: the rows.
        items: index of each row in the matrix, ascending and each once. Indices that the matrix
            does not have pad them; these rows are not read, and their gradient is zero.
        n_items: number of rows of the matrix.
    """

    values: Float[Array, "rows features"]
    items: Int[Array, " rows"]
    n_items: int

    # A NumPy number times rows calls `__rmul__`.
    __array_ufunc__ = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the matrix."""
        return (self.n_items, *self.values.shape[1:])

    @property
    def ndim(self) -> int:
        """The number of axes of the matrix."""
        return self.values.ndim

    @property
    def dtype(self) -> Any:
        """The type of the entries."""
        return self.values.dtype

    def __mul__(self, factor: ArrayLike) -> Rows:
        """The rows times a number."""
        if jnp.ndim(factor):
            return NotImplemented
        return self.with_values(self.values * factor)

    __rmul__ = __mul__

    def __radd__(self, matrix: Any) -> Array:
        """The matrix with the rows added to its own."""
        if jnp.shape(matrix) != self.shape:
            return NotImplemented
        added = self.values.astype(matrix.dtype)
        return jnp.asarray(matrix).at[self.items].add(added, mode="drop", **_ORDERED)

    def with_values(self, values: Array) -> Rows:
        """The same rows of another matrix, given their values."""
        return dataclasses.replace(self, values=values)

    def whole(self) -> Array:
        """The whole matrix, with zeros in the other rows."""
        return jnp.zeros(self.shape, self.dtype) + self

    def gather(self, matrix: Float[Array, "items features"]) -> Array:
        """The same rows of another matrix."""
        return rows_at(matrix, self.items)

    def scatter(self, matrix: Float[Array, "items features"], values: Array) -> Array:
        """Another matrix with new values in the same rows."""
        return matrix.at[self.items].set(values.astype(matrix.dtype), mode="drop", **_ORDERED)

    def places(self, batch: Batch) -> tuple[Array, Array]:
        """The place among the rows of the item of each interaction, and the values.

        The value of an interaction with an item that has no row is NaN: a missing row would
        otherwise be taken for zero.
        """
        last = self.items.shape[0] - 1
        at = jnp.minimum(jnp.searchsorted(self.items, batch.items).astype(jnp.int32), last)
        is_known = (self.items[at] == batch.items) | (batch.values == 0)
        return at, jnp.where(is_known, batch.values, jnp.nan)


_ORDERED: dict[str, Any] = {"indices_are_sorted": True, "unique_indices": True}


def rows_at(matrix: Float[Array, "items features"], items: Int[Array, " rows"]) -> Array:
    """The rows of a matrix at ascending indices; its last row for indices beyond it."""
    # This bounds each index once; the mode "clip" would do so for each entry of a row.
    within = jnp.minimum(items, matrix.shape[0] - 1)
    return matrix.at[within].get(mode="promise_in_bounds", indices_are_sorted=True)


def items_of(batch: Batch) -> Int[Array, " rows"]:
    """The items that users of a batch have, each once and in ascending order.

    The array has room for as many as there could be; it is padded with ascending indices from the
    number of items on.
    """
    own = jnp.where(batch.values != 0, batch.items, batch.n_items).ravel()
    own = jnp.sort(own)
    # Two sorts of the indices take a third of the time of `jnp.unique`.
    left = batch.n_items + jax.lax.iota(own.dtype, own.size)
    is_new = jnp.diff(own, prepend=-1) != 0
    items = jnp.sort(jnp.where(is_new & (own < batch.n_items), own, left))
    return items[: min(own.size, batch.n_items)]


def map_rows(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply a function to the `Rows` of a pytree; the other leaves are those of the last tree."""

    def of_leaf(*leaves: Any) -> Any:
        return function(*leaves) if isinstance(leaves[0], Rows) else leaves[-1]

    return jax.tree.map(of_leaf, tree, *others)


def values_of(tree: Any) -> Any:
    """The pytree with the values of rows in their place."""
    return map_rows(lambda rows: rows.values, tree)


def with_rows_of(tree: Any, values: Any) -> Any:
    """The pytree of values with rows where another pytree has them: the inverse of `values_of`."""
    return map_rows(Rows.with_values, tree, values)


def whole(tree: Any) -> Any:
    """The pytree with whole matrices instead of rows."""
    return map_rows(Rows.whole, tree)


def over_rows(
    transformation: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """Let a transformation that ignores the parameters, such as clipping by the norm, take rows.

    It sees the values of the rows only, and so must leave zeros zero.
    """

    def update(gradients: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        arrays, state = transformation.update(values_of(gradients), state)
        return with_rows_of(gradients, arrays), state

    return optax.GradientTransformation(transformation.init, update)

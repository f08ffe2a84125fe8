"""Types shared by many modules, checks of scorers, and small functions of pytrees."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, PRNGKeyArray

from multvae_jax.batching import Batch
from multvae_jax.by_value import by_value
from multvae_jax.checks.bounds import is_function
from multvae_jax.checks.signatures import cannot_take
from multvae_jax.errors import InputError, names_like

Params = Any
"""Nested dicts of arrays."""

Theta = Mapping[str, Any]
"""Constants and trained parameters of a likelihood or a prior, by name."""

Hyper = Mapping[str, Any]
"""Numbers that a compiled step takes as arguments, so that a new value does not recompile it:

`dropout` (rate from 0 to below 1), `weight_penalty` (lambda; without it the term is not computed),
`beta` (a schedule that is a pytree), and the constants of the `likelihood`, the `prior` and, if it
is an `Objective`, the `objective`.
"""

Scorer = Callable[[Batch], Array]
"""`batch -> users x items`, higher is better. A `jax.tree_util.Partial`, so that its arrays are
arguments of the program that calls it rather than constants in it."""


def as_scorer(scorer: Any) -> Scorer:
    """A scorer as an argument of a compiled program.

    That of a run is its own. A plain function becomes a `Partial`, with the arrays that it closes
    over as constants. Its function is compared by value: the scorer of a model that is made anew
    has the same programs.

    Raises:
        InputError: if it cannot be called with a batch.
    """
    # A run.
    scorer = getattr(scorer, "scorer", scorer)
    if not is_function(scorer):
        name = getattr(scorer, "__name__", type(scorer).__name__)
        raise InputError(
            f"scorer: {name} is not a scorer, that is a function of a batch; a "
            "run's own is run.scorer"
        )
    if cannot_take(scorer, 1):
        name = getattr(scorer, "__name__", type(scorer).__name__)
        raise InputError(
            f"scorer: {name} must take one argument, a batch; a run's own is run.scorer, and "
            "Partial(model.score, params) that of a model with parameters"
        )
    if isinstance(scorer, Partial):
        return Partial(by_value(scorer.func), *scorer.args, **scorer.keywords)
    is_leaf = jax.tree_util.all_leaves([scorer])
    return Partial(by_value(scorer)) if is_leaf else scorer


def scores_of(scorer: Scorer, batch: Batch) -> Array:
    """The scores of a batch, whose shape is checked when the program is traced.

    Raises:
        InputError: if there is not one score for each user and item, as with a scorer and a
            catalogue of two runs.
    """
    of_one_run = f"the scorer and the {batch.n_items} items must be of one run"
    try:
        scores = scorer(batch)
    except Exception as error:
        # flax compares the parameters with those that a network for these items would have.
        if type(error).__name__ != "ScopeParamShapeError":
            raise
        raise InputError(f"scorer: its parameters are for other items; {of_one_run}") from error
    expected = batch.users.shape[0], batch.n_items
    if jnp.shape(scores) != expected:
        raise InputError(
            f"scorer: gives the shape {jnp.shape(scores)}, and not {expected}; {of_one_run}"
        )
    return scores


def reads_user_features(function: Callable[[Batch], Any], batch: Batch) -> bool:
    """Return whether a function needs features of users in a batch; nothing is computed."""
    try:
        jax.eval_shape(function, dataclasses.replace(batch, per_user=None))
    except InputError as error:
        return str(error).startswith("user_features:")
    # Whatever else is wrong is for the use of the function to say.
    except Exception:
        return True
    return False


def n_bytes(tree: Any) -> int:
    """Bytes of all arrays of a pytree, or of arrays of its shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def shapes_of(tree: Any) -> tuple[Any, list[tuple[int, ...]]]:
    """The structure of a pytree, and the shapes of its arrays."""
    return jax.tree.structure(tree), [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]


def no_parameters(key: PRNGKeyArray, n_items: int) -> dict[str, Any]:
    """The `init` of a part without parameters."""
    del key, n_items
    return {}


@contextlib.contextmanager
def missing_named(theta: Theta) -> Iterator[None]:
    """Say what theta contains where a likelihood or a prior reads something else from it.

    Raises:
        InputError: the block looks up a name that is not there.
    """
    try:
        yield
    except KeyError as error:
        name = error.args[0] if error.args else None
        if name in theta:
            raise
        listed = names_like(str(name), theta) or "; it is empty"
        raise InputError(f"theta has no '{name}'{listed}") from error

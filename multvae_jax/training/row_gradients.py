"""Gradients with rows instead of matrices that a model reads by `embedding_bag`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import Any

import jax
from jaxtyping import Array, PRNGKeyArray

from multvae_jax.batching import Batch
from multvae_jax.errors import InputError, first_line
from multvae_jax.objectives import Loss
from multvae_jax.ops.rows import Rows, items_of, rows_at
from multvae_jax.types import Hyper, Params


def row_gradients(
    loss: Loss, params: Params, hyper: Hyper, batch: Batch, key: PRNGKeyArray, step: Array
) -> tuple[Params, dict[str, Array]]:
    """The gradient and the terms of a loss, computed from the rows that the batch touches.

    They are those of `jax.grad(loss, has_aux=True)`, except that the gradient of a parameter that
    the loss reads by `embedding_bag` alone is `Rows`, one for each item of the batch.

    Args:
        loss: the loss.
        params: its parameters.
        hyper: numbers of the objective.
        batch: the users.
        key: random key of the update.
        step: number of the update.

    Raises:
        InputError: the loss reads no parameter in this way, or the batch is divided over several
            devices.

    Example:
        >>> hyper = {**model.hyper, "beta": mv.schedules.constant(0.2)}
        >>> arguments = (run.params, hyper, batch, key, jnp.int32(0))
        >>> gradient, terms = row_gradients(model.loss, *arguments)
        >>> kernel = gradient["network"]["encoder"]["layers_0"]["kernel"]
        >>> isinstance(kernel, Rows)
        True
    """
    if batch.mesh is not None and batch.mesh.size > 1:
        raise InputError("lazy_adam: trains on one device; with a mesh, use adam")
    leaves, structure = jax.tree.flatten(params)
    items = items_of(batch)

    def with_rows(held: list[Any], places: Collection[int]) -> Params:
        """The tree of arrays of which some are rows."""
        own = [Rows(a, items, batch.n_items) if i in places else a for i, a in enumerate(held)]
        return jax.tree.unflatten(structure, own)

    def gradients_of(places: Collection[int]) -> tuple[list[Array], dict[str, Array]]:
        def of_held(held: list[Array]) -> tuple[Array, dict[str, Array]]:
            return loss(with_rows(held, places), hyper, batch, key, step)

        taken = [rows_at(a, items) if i in places else a for i, a in enumerate(leaves)]
        return jax.grad(of_held, has_aux=True)(taken)

    def problem(place: int) -> str | None:
        """Return why the loss cannot be computed from rows of an array; None if it can."""
        try:
            jax.eval_shape(lambda: gradients_of({place}))
        # A loss that reads all rows may raise any exception.
        except Exception as error:
            return first_line(error, with_type=True)
        return None

    could = [i for i, leaf in enumerate(leaves) if leaf.ndim == 2 and len(leaf) == batch.n_items]
    problems = {place: problem(place) for place in could}
    places = {place for place in could if problems[place] is None}
    if not places:
        said = [text for text in problems.values() if text]
        if "weight_penalty" in hyper:
            said = ["the weight penalty reads them all"]
        raise InputError(
            "lazy_adam: no parameter of the model is read by embedding_bag alone, row by row"
            f"{''.join(f' ({text})' for text in said[:1])}; use adam"
        )
    gradients, terms = gradients_of(places)
    return with_rows(gradients, places), terms


@contextlib.contextmanager
def refused_rows(gradients: Params) -> Iterator[None]:
    """Explain the error of an optimizer that cannot take rows.

    Args:
        gradients: what it is given; without rows among them, its errors are left as they are.

    Raises:
        InputError: raised instead of the optimizer's error.
    """
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        if not any(isinstance(leaf, Rows) for leaf in jax.tree.leaves(gradients)):
            raise
        raise InputError(
            "lazy_adam: an optimizer around it, or the model's own way to update its parameters, "
            f"needs the gradient of every row; use adam ({first_line(error, with_type=True)})"
        ) from error

"""A recommender as a `jax.export` artifact, which jax runs without this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import map_arrays
from multvae_jax.evaluation.ranking import rank
from multvae_jax.export.program import COUNTS, flat_params
from multvae_jax.export.subject import Subject
from multvae_jax.host.optional import import_optional

PLATFORMS = ("cpu", "cuda", "tpu")


def artifact(subject: Subject, weights: Mapping[str, np.ndarray], k: int) -> bytes:
    """Export `(weights, history) -> (items, scores)` for any number of users and any lengths.

    `weights` are those given here. `history` are the columns of each user's items, each item once,
    `users x length`, padded with -1 on any side. `items` are the columns of the best items that the
    user does not have yet, `users x k`, -1 after the last one. A user without an item gets the most
    popular ones. If the model reads features of users, they are a third argument.

    Args:
        subject: the recommender.
        weights: its parameters by path, and more arrays, which are ignored.
        k: number of items per user; at most the number of items.

    Raises:
        InputError: the package flatbuffers is missing.
    """
    import_optional("flatbuffers", "export", "the jax.export artifact")
    from jax import export

    users, length = export.symbolic_shape("users, length")
    like = jax.tree.map(jnp.asarray, (dict(weights), subject.features))
    specs = [
        jax.tree.map(_spec, like[0]),
        jax.ShapeDtypeStruct((users, length), jnp.int32),
    ]
    if subject.features is not None:
        specs.append(map_arrays(lambda leaf: _spec(leaf, users), like[1]))
    function = jax.jit(_recommender(subject, k))
    return bytes(export.export(function, platforms=PLATFORMS)(*specs).serialize())


def _spec(array: Any, first: Any = None) -> jax.ShapeDtypeStruct:
    shape = array.shape if first is None else (first, *array.shape[1:])
    return jax.ShapeDtypeStruct(shape, array.dtype)


def _recommender(subject: Subject, k: int) -> Any:
    n_items, shapes = subject.n_items, flat_params(subject.params)
    structure = jax.tree.structure(subject.params)

    def recommend(
        weights: Mapping[str, Array], history: Int32[Array, "users length"], *features: Any
    ) -> tuple[Int32[Array, "users k"], Float[Array, "users k"]]:
        # Those that the score does not read are not given.
        arrays = [
            weights[name].reshape(array.shape).astype(array.dtype)
            if name in weights
            else jnp.zeros(array.shape, array.dtype)
            for name, array in shapes.items()
        ]
        batch = _batch_of(history, n_items, features)
        scores = subject.score(jax.tree.unflatten(structure, arrays), batch)
        if not features:
            is_known = (history >= 0).any(axis=1, keepdims=True)
            scores = jnp.where(is_known, scores, weights[COUNTS][None])
        best, items = rank(scores, batch, k)
        return jnp.where(best > -jnp.inf, items, -1), best

    return recommend


def _batch_of(history: Array, n_items: int, features: tuple[Any, ...]) -> Batch:
    """A batch of chunks with one item each."""
    users = jnp.arange(history.shape[0], dtype=jnp.int32)
    owner = jnp.broadcast_to(users[:, None], history.shape).reshape(-1)
    is_item = (history >= 0) & (history < n_items)
    return Batch(
        items=jnp.where(is_item, history, 0).reshape(-1, 1),
        values=is_item.astype(jnp.float32).reshape(-1, 1),
        owner=owner,
        part=jnp.zeros_like(owner),
        users=users,
        n_items=n_items,
        per_user=features[0] if features else None,
    )

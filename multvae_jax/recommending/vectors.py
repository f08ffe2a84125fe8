"""Vectors of users and items whose inner products are the scores of a model."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Array, Float, Float32

from multvae_jax.batching import Histories, empty_batch, take
from multvae_jax.checks.bounds import map_arrays, take_rows
from multvae_jax.sizes import request_of, users_at_once
from multvae_jax.types import Params, as_scorer

CLOSE = 1e-2
"""Relative difference up to which inner products and scores are the same, in bfloat16 too."""


def vectors_of_items(
    model: Any, params: Params, n_items: int, user_features: Any = None
) -> Float32[np.ndarray, "items features"] | None:
    """A vector of each item: its weights in the last layer, and then its bias.

    Args:
        model: a model, a baseline or a blend.
        params: its parameters.
        n_items: size of the catalogue.
        user_features: features of any user, of the shapes that the score reads, with one row.

    Returns:
        The vectors; None if the scores are not inner products with them, as those of EASE.
    """
    if getattr(model, "head", None) is None:
        return None
    batch = dataclasses.replace(
        empty_batch(n_items), per_user=map_arrays(_on_device, user_features)
    )
    head, scores = model.head(params, batch), np.asarray(model.score(params, batch))
    # An affine layer at the origin and at each unit vector: its biases and its weights.
    width = head.h.shape[1]
    biases = np.asarray(head.logits(jnp.zeros((1, width)), head.columns), np.float32)
    weights = np.asarray(head.logits(jnp.eye(width), head.columns), np.float32) - biases
    expected = np.asarray(head.h, np.float32) @ weights + biases
    if not np.allclose(scores, expected, rtol=CLOSE, atol=CLOSE * (1 + np.abs(scores).max())):
        return None
    return np.ascontiguousarray(np.concatenate([weights, biases]).T)


def _on_device(array: Any) -> Any:
    return None if array is None else jnp.asarray(array)


def directions(
    vectors: Float32[np.ndarray, "items features"],
) -> Float32[np.ndarray, "items features-1"]:
    """Vectors of items without their biases, less their mean, scaled to length 1.

    What all items have in common changes no rank, and no multinomial likelihood. The inner product
    of two directions is the similarity of the items.

    Args:
        vectors: those of `vectors_of_items`.
    """
    weights = vectors[:, :-1]
    weights = weights - weights.mean(axis=0)
    lengths = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / np.where(lengths > 0, lengths, 1)


def vectors_of_users(
    model: Any,
    params: Params,
    histories: sp.csr_array,
    batch_size: int = 500,
    user_features: Any = None,
) -> Float32[np.ndarray, "users features"]:
    """A vector of each user: the input of the last layer, and then 1.

    Args:
        model: a model with a `head`.
        params: its parameters.
        histories: users x items, of at least one user.
        batch_size: users encoded at once.
        user_features: data about the users, if the model reads any, with a row per user.
    """
    n_users, n_items = histories.shape
    head, at_once = as_scorer(Partial(model.head, params)), users_at_once(batch_size, n_items)
    parts = []
    for start in range(0, n_users, at_once):
        rows = histories[start : start + at_once]
        features = take_rows(user_features, slice(start, start + at_once))
        request, capacity = request_of(rows, at_once, features)
        parts.append(np.asarray(_last_hidden(head, request, capacity=capacity))[: rows.shape[0]])
    h = np.concatenate(parts)
    return np.concatenate([h, np.ones((n_users, 1))], axis=1).astype(np.float32)


@partial(jax.jit, static_argnames="capacity")
def _last_hidden(head: Any, histories: Histories, capacity: int) -> Float[Array, "users features"]:
    users = jnp.arange(histories.n_users, dtype=jnp.int32)
    return head(take(histories, users, capacity)).h

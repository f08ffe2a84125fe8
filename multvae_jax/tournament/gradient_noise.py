"""Noise of the gradient: how far that of a batch is from its mean."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from multvae_jax.batching import Histories, take
from multvae_jax.objectives import Loss, checked_loss
from multvae_jax.types import Hyper, Params


class GradientNoise(NamedTuple):
    """Noise of the gradient of a batch at some parameters.

    Attributes:
        relative: standard deviation of the gradient over batches and keys (the root of the trace of
            its covariance), divided by the norm of its mean; None if the mean is lost in the noise.
        of_keys: share of the variance that is left if the batch stays and only the key changes:
            the noise of dropout, of the sample z, and of whatever else a loss draws.
    """

    relative: float | None
    of_keys: float


def gradient_noise(
    loss: Loss,
    params: Params,
    hyper: Hyper,
    step: int,
    histories: Histories,
    order: Int[Any, "batches users"],
    capacity: int,
    key: PRNGKeyArray,
) -> GradientNoise:
    """Estimate the noise of the gradient without bias, from two keys for each batch.

    Half of the mean squared distance of two gradients is the variance: of one batch with two keys,
    that of the keys; of two batches, that of both. The squared norm of the mean gradient has the
    variance of the mean subtracted.

    Args:
        loss: the objective.
        params: parameters at which the gradient is taken.
        hyper: numbers of the objective, with beta.
        step: number of the update, at which beta is taken.
        histories: histories of the training users.
        order: two batches or more.
        capacity: number of chunks in a batch.
        key: root key of the draws.
    """
    of_keys, of_both, norm = jax.jit(_moments, static_argnums=(0, 6))(
        loss, params, hyper, jnp.int32(step), histories, jnp.asarray(order), capacity, key
    )
    keys, both, squared = float(of_keys), float(of_both), float(norm)
    relative = math.sqrt(both / squared) if squared > 0 else None
    return GradientNoise(relative, min(1.0, keys / both) if both > 0 else 0.0)


def _moments(
    loss: Loss,
    params: Params,
    hyper: Hyper,
    step: Array,
    histories: Histories,
    order: Int[Array, "batches users"],
    capacity: int,
    key: PRNGKeyArray,
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """The variance over keys, that over batches and keys, and the squared norm of the mean."""
    n = order.shape[0]
    gradient_of = jax.grad(checked_loss(loss), has_aux=True)

    def gradient(users: Int[Array, " users"], key: PRNGKeyArray) -> Params:
        found: Params = gradient_of(params, hyper, take(histories, users, capacity), key, step)[0]
        return found

    def add(carry: Any, drawn: Any) -> tuple[Any, tuple[Array, Array]]:
        total, before = carry
        users, keys = drawn
        one, other = gradient(users, keys[0]), gradient(users, keys[1])
        total = jax.tree.map(lambda sum_, a, b: sum_ + (a + b) / 2, total, one, other)
        distances = _squared_distance(one, other), _squared_distance(one, before)
        return (total, other), distances

    keys = jax.random.split(key, (n + 1, 2))
    first = gradient(order[-1], keys[-1, 0])
    nothing = jax.tree.map(jnp.zeros_like, params)
    (total, _), (of_keys, of_both) = jax.lax.scan(add, (nothing, first), (order, keys[:-1]))
    keys_, both = of_keys.mean() / 2, of_both.mean() / 2
    # A mean over n batches with two keys each.
    of_mean = (both - keys_ / 2) / n
    zero = jax.tree.map(jnp.zeros_like, params)
    mean = jax.tree.map(lambda sum_: sum_ / n, total)
    return keys_, both, _squared_distance(mean, zero) - of_mean


def _squared_distance(one: Params, other: Params) -> Float[Array, ""]:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return sum((jnp.sum((a - b) ** 2) for a, b in pairs), jnp.float32(0))

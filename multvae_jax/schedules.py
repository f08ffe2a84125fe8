"""Schedules of beta, the weight of the KL term: functions from update to value, as in optax."""

from __future__ import annotations

import jax.numpy as jnp
from jax.tree_util import Partial
from jax.typing import ArrayLike
from jaxtyping import Array


def _linear(cap: Array, updates: Array, step: ArrayLike) -> Array:
    return jnp.minimum(cap, cap * jnp.float32(step) / updates)


def linear_annealing(cap: float, updates: float) -> Partial:
    """Beta rises from 0 to `cap` over the first `updates` updates and stays there.

    The schedule is a pytree with the leaves `cap` and `updates`, so that a compiled step
    takes them as arguments and a sweep may vary them (section 2.2.2).

    Args:
        cap: the largest beta.
        updates: number of updates until the cap is reached, positive.

    Example:
        The paper's min(0.2, step / 200,000):

        >>> beta = linear_annealing(0.2, 0.2 * 200_000)
    """
    return Partial(_linear, jnp.float32(cap), jnp.float32(updates))


def _constant(value: Array, step: ArrayLike) -> Array:
    del step
    return value


def constant(value: float) -> Partial:
    """Beta is `value` in every update; with 1 the objective is the ELBO itself."""
    return Partial(_constant, jnp.float32(value))

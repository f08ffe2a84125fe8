"""Beta, the weight of the KL term, as an optax schedule: update -> value."""

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
    takes them as arguments and a sweep may vary them. The paper's min(0.2, step / 200,000)
    is `linear_annealing(0.2, 0.2 * 200_000)` (section 2.2.2).

    Args:
        cap: the largest beta.
        updates: updates until it is reached; positive.
    """
    return Partial(_linear, jnp.float32(cap), jnp.float32(updates))


def _constant(value: Array, step: ArrayLike) -> Array:
    del step
    return value


def constant(value: float) -> Partial:
    """Beta is `value` from the first update on (1 is the ELBO itself)."""
    return Partial(_constant, jnp.float32(value))

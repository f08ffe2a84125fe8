"""The log of a sum of exponentials, with a gradient that keeps no second array."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def logsumexp(f: Float[Array, " items"]) -> Float[Array, ""]:
    """The log of sum_i exp(f_i); for its gradient it keeps no second array as long as f."""
    return _logsumexp_forward(f)[0]


def _logsumexp_forward(f: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    largest = f.max()
    rest = jnp.log(jnp.exp(f - largest).sum())
    return largest + rest, (f, largest, rest)


def _logsumexp_backward(
    saved: tuple[Array, Array, Array], gradient: Array
) -> tuple[Float[Array, " items"]]:
    # The barrier keeps XLA from finding the exponential in the forward pass and storing it.
    f, largest, rest = jax.lax.optimization_barrier(saved)
    # Two differences: of logits near 10,000 their sum's logarithm has lost three digits.
    return (gradient * jnp.exp(f - largest - rest),)


logsumexp.defvjp(_logsumexp_forward, _logsumexp_backward)

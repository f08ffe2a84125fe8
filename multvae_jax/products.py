"""The product of a batch of activations and a kernel, with a gradient that suits the backend."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array, Float


@jax.custom_vjp
def product(
    h: Float[Array, "users features"], kernel: Float[Array, "features outputs"]
) -> Float[Array, "users outputs"]:
    """The matrix product h kernel."""
    return h @ kernel


def _forward(h: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return h @ kernel, (h, kernel)


def _transposed_first(h: Array, gradient: Array) -> Array:
    # XLA folds a transpose into the product, and on a CPU has no fast form of the result,
    # which contracts the users of both. The barrier keeps the transposed copy, a small array.
    return jax.lax.optimization_barrier(h.T) @ gradient


def _transposed_within(h: Array, gradient: Array) -> Array:
    return h.T @ gradient


def _backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    h, kernel = saved
    of_kernel = jax.lax.platform_dependent(
        h, gradient, cpu=_transposed_first, default=_transposed_within
    )
    return gradient @ kernel.T, of_kernel


product.defvjp(_forward, _backward)


def dot_general(h: Array, kernel: Array, dimensions: Any, precision: Any = None) -> Array:
    """`product` with the signature that flax's layers call."""
    del dimensions, precision
    return product(h, kernel)

"""Matrix product and bias of a dense layer, with gradients in a fast form for each backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, Float

from multvae_jax.errors import InputError
from multvae_jax.host.processor import multiplies_bfloat16

Matmul = Callable[[Array, Array], Array]
"""`(h, kernel) -> h kernel`, with shapes `users x features` and `features x outputs`."""

Affine = Callable[[Array, Array, Array], Array]
"""`(h, kernel, bias) -> h kernel + bias`, with shapes as those of `Matmul` and ` outputs`."""


def _times(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _rounded_in_float32(dtype: Any, number: Array) -> Array:
    number = number.astype(jnp.float32)
    if dtype == jnp.float32:
        return number
    # For a processor without instructions for bfloat16, XLA converts to it one number at a time,
    # and back to multiply in float32. This rounds to the same values with vector instructions.
    precision = jnp.finfo(dtype)
    return jax.lax.reduce_precision(number, precision.nexp, precision.nmant)


class _Forms(NamedTuple):
    """A matrix product and its gradients with respect to both arguments."""

    value: Callable[[Array, Array], Array]
    of_h: Callable[[Array, Array], Array]
    of_kernel: Callable[[Array, Array], Array]


def _forms(
    rounded: Callable[[Array], Array], transposed: Callable[[Array], Array] = jnp.transpose
) -> _Forms:
    def value(h: Array, kernel: Array) -> Array:
        return _times(rounded(h), rounded(kernel))

    def of_h(gradient: Array, kernel: Array) -> Array:
        return _times(rounded(gradient), rounded(kernel).T)

    def of_kernel(h: Array, gradient: Array) -> Array:
        return _times(transposed(rounded(h)), rounded(gradient))

    return _Forms(value, of_h, of_kernel)


def _transposed_first(h: Array) -> Array:
    # XLA folds a transpose into the product, and on a CPU has no fast form of the result,
    # which contracts the users of both. The barrier keeps a transposed copy, a small array.
    return jax.lax.optimization_barrier(h.T)


def _contract(a: Array, b: Array, axis_of_a: int, axis_of_b: int) -> Array:
    dimensions = (((axis_of_a,), (axis_of_b,)), ((), ()))
    return jax.lax.dot_general(a, b, dimensions, preferred_element_type=jnp.float32)


def _by_instructions(dtype: Any) -> _Forms:
    """Products by the processor's instructions for a type, where XLA on a CPU uses them.

    It does so if neither operand is an expression of a transpose: the axes that are contracted are
    named instead, and a transpose that is needed is stored first.
    """

    def rounded(number: Array) -> Array:
        return number.astype(dtype)

    def stored_transpose(h: Array) -> Array:
        return with_layout_constraint(h.T, Layout((0, 1)))

    return _Forms(
        value=lambda h, kernel: _contract(rounded(h), rounded(kernel), 1, 0),
        of_h=lambda gradient, kernel: _contract(rounded(gradient), rounded(kernel), 1, 1),
        of_kernel=lambda h, gradient: _contract(
            stored_transpose(rounded(h)), rounded(gradient), 1, 0
        ),
    )


def _forms_of(dtype: Any, native: bool = False) -> tuple[_Forms, _Forms]:
    """Return the forms for a CPU, with or without instructions, and for all other backends."""
    if native and dtype == jnp.bfloat16:
        on_cpu = _by_instructions(dtype)
    else:
        on_cpu = _forms(partial(_rounded_in_float32, dtype), _transposed_first)
    return on_cpu, _forms(lambda number: number.astype(dtype))


def matmul_in(dtype: Any, native: bool | None = None) -> Matmul:
    """Return a matrix product that rounds its inputs to a type, also in both gradients.

    Sums are float32. Results and gradients have the type of the arguments, usually float32. Every
    number is rounded once: the gradients are computed from the same rounded inputs as the value.

    Args:
        dtype: float32 or bfloat16.
        native: whether a CPU multiplies bfloat16 by instructions of its own; if not, the rounded
            numbers are multiplied in float32, with equal products and other roundings of the sums.
            By default, whether this machine has them.

    Raises:
        InputError: the type is another one.

    Example:
        >>> product = matmul_in(jnp.bfloat16)
        >>> product(jnp.array([[1.001]]), jnp.array([[1.0]])).tolist()
        [[1.0]]
    """
    kinds = {"float32": jnp.dtype("float32"), "bfloat16": jnp.dtype("bfloat16")}
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype))
    if name not in kinds:
        raise InputError(f"dtype: {name}; give float32 or bfloat16")
    return _matmul_in(kinds[name], multiplies_bfloat16() if native is None else native)


# One function per type, however the type is written, so that equal networks share programs.
@cache
def _matmul_in(dtype: Any, native: bool) -> Matmul:
    on_cpu, elsewhere = _forms_of(dtype, native)

    @jax.custom_vjp
    def matmul(
        h: Float[Array, "users features"], kernel: Float[Array, "features outputs"]
    ) -> Float[Array, "users outputs"]:
        """Return the matrix product h kernel."""
        return forward(h, kernel)[0]

    def forward(h: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
        value = jax.lax.platform_dependent(h, kernel, cpu=on_cpu.value, default=elsewhere.value)
        return value.astype(h.dtype), (h, kernel)

    def backward(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
        h, kernel = saved
        of_h = jax.lax.platform_dependent(gradient, kernel, cpu=on_cpu.of_h, default=elsewhere.of_h)
        of_kernel = jax.lax.platform_dependent(
            h, gradient, cpu=on_cpu.of_kernel, default=elsewhere.of_kernel
        )
        return of_h.astype(gradient.dtype), of_kernel.astype(gradient.dtype)

    matmul.defvjp(forward, backward)
    return matmul


matmul = matmul_in(jnp.float32)
"""The matrix product in float32."""


def with_bias(matmul: Matmul) -> Affine:
    """Return the function `(h, kernel, bias) -> h kernel + bias` for a matrix product.

    For a product in bfloat16 by instructions of the processor, the gradient of the function is
    computed with the bias as further rows of the kernel, which saves a pass over the outputs: the
    kernel is copied to bfloat16 in any case. The bias counts with all of its digits.

    Args:
        matmul: a product, of `matmul_in` or another one.
    """
    if matmul is matmul_in(jnp.bfloat16, native=True):
        return _affine_by_instructions(jnp.dtype("bfloat16"))
    return partial(_product_and_bias, matmul)


def _product_and_bias(matmul: Matmul, h: Array, kernel: Array, bias: Array) -> Array:
    return add_bias(matmul(h, kernel), bias)


BIAS_ROWS = 8
"""Rows that a bias takes in a kernel: three for its 24 bits, and zeros for a size that is fast."""


def _with_bias_rows(dtype: Any, kernel: Array, bias: Array) -> Array:
    """The kernel in bfloat16 and, below it, numbers whose sum is the bias in float32."""
    rows, rest = [], bias
    for _ in range(3):
        rows.append(rest.astype(dtype))
        rest = rest - rows[-1].astype(rest.dtype)
    nothing = jnp.zeros((BIAS_ROWS - len(rows), kernel.shape[1]), dtype)
    return jnp.concatenate([kernel.astype(dtype), jnp.stack(rows), nothing])


@cache
def _affine_by_instructions(dtype: Any) -> Affine:
    forms, matmul = _by_instructions(dtype), matmul_in(dtype, native=True)

    @jax.custom_vjp
    def affine(
        h: Float[Array, "users features"],
        kernel: Float[Array, "features outputs"],
        bias: Float[Array, " outputs"],
    ) -> Float[Array, "users outputs"]:
        """Return h kernel + bias."""
        return _product_and_bias(matmul, h, kernel, bias)

    def value(h: Array, kernel: Array, bias: Array) -> Array:
        ones = jnp.ones((h.shape[0], BIAS_ROWS), dtype)
        rows = jnp.concatenate([h.astype(dtype), ones], axis=1)
        return forms.value(rows, _with_bias_rows(dtype, kernel, bias))

    def of_h(gradient: Array, kernel: Array, bias: Array) -> Array:
        # The same array as in the value, so that the kernel is copied only once.
        return forms.of_h(gradient, _with_bias_rows(dtype, kernel, bias))[:, : kernel.shape[0]]

    def forward(h: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        outputs = jax.lax.platform_dependent(
            h, kernel, bias, cpu=value, default=partial(_product_and_bias, matmul)
        )
        return outputs, (h, kernel, bias)

    def backward(saved: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
        h, kernel, bias = saved

        def on_cpu(gradient: Array) -> tuple[Array, Array, Array]:
            return of_h(gradient, kernel, bias), forms.of_kernel(h, gradient), _ones_times(gradient)

        def elsewhere(gradient: Array) -> tuple[Array, Array, Array]:
            _, back = jax.vjp(partial(_product_and_bias, matmul), h, kernel, bias)
            of_all: tuple[Array, Array, Array] = back(gradient)
            return of_all

        return jax.lax.platform_dependent(gradient, cpu=on_cpu, default=elsewhere)

    affine.defvjp(forward, backward)
    return affine


def _sum_over_users(gradient: Array) -> Array:
    return gradient.sum(axis=0)


def _ones_times(gradient: Array) -> Array:
    # XLA on a CPU sums columns in a scalar loop, which takes six times as long.
    return (jnp.ones((1, gradient.shape[0]), gradient.dtype) @ gradient)[0]


@jax.custom_vjp
def add_bias(
    outputs: Float[Array, "users outputs"], bias: Float[Array, " outputs"]
) -> Float[Array, "users outputs"]:
    """Add the bias to the outputs of each user."""
    return outputs + bias[None]


def _add_bias_forward(outputs: Array, bias: Array) -> tuple[Array, None]:
    return add_bias(outputs, bias), None


def _add_bias_backward(saved: None, gradient: Array) -> tuple[Array, Array]:
    del saved
    of_bias = jax.lax.platform_dependent(gradient, cpu=_ones_times, default=_sum_over_users)
    return gradient, of_bias


add_bias.defvjp(_add_bias_forward, _add_bias_backward)


def dot_general(matmul: Matmul) -> Callable[..., Array]:
    """Wrap a product in the signature of `jax.lax.dot_general`, which flax's layers call."""

    def general(h: Array, kernel: Array, dimensions: Any, precision: Any = None) -> Array:
        del dimensions, precision
        return matmul(h, kernel)

    return general

"""Matrix products and biases with hand-written gradients, in every precision."""

import itertools
import re

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.test_util import check_grads

from multvae_jax.host.processor import multiplies_bfloat16
from multvae_jax.ops.matmul import (
    _forms_of,
    _rounded_in_float32,
    _sum_over_users,
    add_bias,
    matmul,
    matmul_in,
    with_bias,
)

# The precision, and whether a CPU has instructions for it. Where it does not, XLA computes the last
# form in another way, with the same results.
each_form = pytest.mark.parametrize(
    ("dtype", "native"), [("float32", False), ("bfloat16", False), ("bfloat16", True)]
)


def arrays(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def rounded(array, dtype):
    """The array in float64, after numpy has rounded it to the type."""
    return np.asarray(array).astype(getattr(ml_dtypes, dtype, dtype)).astype(np.float64)


@each_form
@pytest.mark.parametrize(("users", "features", "outputs"), [(1, 1, 1), (5, 3, 7), (8, 16, 2)])
def test_value_and_gradients_against_numpy(users, features, outputs, dtype, native):
    h, kernel = arrays(users, features), arrays(features, outputs, seed=1)
    weights = arrays(users, outputs, seed=2)
    value, back = jax.vjp(matmul_in(jnp.dtype(dtype), native), h, kernel)
    of_h, of_kernel = back(weights)
    h64, kernel64, weights64 = (rounded(array, dtype) for array in (h, kernel, weights))
    np.testing.assert_allclose(value, h64 @ kernel64, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_h, weights64 @ kernel64.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_kernel, h64.T @ weights64, rtol=1e-5, atol=1e-6)
    assert {array.dtype for array in (value, of_h, of_kernel)} == {jnp.dtype("float32")}


def test_gradients_against_finite_differences():
    check_grads(jax.jit(matmul), (arrays(4, 3), arrays(3, 5)), order=1, modes=["rev"])


@each_form
def test_both_forms_agree(dtype, native):
    """The forms for accelerators are used nowhere else in this suite."""
    h, kernel, gradient = arrays(6, 4), arrays(4, 9, seed=1), arrays(6, 9, seed=2)
    on_cpu, elsewhere = _forms_of(jnp.dtype(dtype), native)
    for operands, *forms in zip(
        ((h, kernel), (gradient, kernel), (h, gradient)), on_cpu, elsewhere, strict=True
    ):
        one, other = (jax.jit(form)(*operands) for form in forms)
        assert one.dtype == other.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_the_forms_of_a_processor_are_chosen_by_its_instructions():
    of_this = matmul_in(jnp.bfloat16)
    assert of_this is matmul_in("bfloat16", multiplies_bfloat16())
    assert of_this is not matmul_in("bfloat16", not multiplies_bfloat16())


@pytest.mark.skipif(not multiplies_bfloat16(), reason="no instructions for bfloat16")
def test_products_by_instructions_have_operands_of_bfloat16():
    """A gain of speed: XLA converts the operands of a form that it has no kernel for."""
    h, kernel, gradient = arrays(64, 32), arrays(32, 96), arrays(64, 96)
    forms, _ = _forms_of(jnp.dtype("bfloat16"), native=True)
    for form, operands in zip(forms, [(h, kernel), (gradient, kernel), (h, gradient)], strict=True):
        compiled = jax.jit(form).lower(*operands).compile().as_text()
        dot = next(line for line in compiled.splitlines() if " dot(" in line)
        names = re.search(r"dot\(([^)]*)\)", dot)[1].split(", ")
        for name in names:
            assert re.search(rf"{re.escape(name.split()[-1])} = bf16", compiled), dot


def test_rounding_in_float32_equals_conversion_to_the_type():
    """Random numbers, ties, and numbers that round up to the next power of two."""
    ties = np.float32(1) + np.arange(1, 257, 2, dtype=np.float32) / 256
    numbers = np.concatenate([arrays(4096), 1e30 * ties, -ties, np.nextafter(ties, 0), [0, 3e38]])
    found = _rounded_in_float32(jnp.bfloat16, jnp.asarray(numbers, jnp.float32))
    np.testing.assert_array_equal(found, numbers.astype(ml_dtypes.bfloat16).astype(np.float32))


@each_form
def test_vmap_over_kernels_equals_a_loop(dtype, native):
    h, kernels = arrays(4, 3), arrays(2, 3, 5)

    def loss(kernel):
        return jnp.sum(jnp.sin(matmul_in(jnp.dtype(dtype), native)(h, kernel)))

    together = jax.vmap(jax.grad(loss))(kernels)
    np.testing.assert_allclose(together, [jax.grad(loss)(k) for k in kernels], rtol=1e-5)


@pytest.mark.parametrize("users", [1, 7, 64])
def test_a_bias_is_added_to_each_user_and_its_gradient_is_the_sum_over_users(users):
    outputs, bias, weights = arrays(users, 5), arrays(5, seed=1), arrays(users, 5, seed=2)
    value, back = jax.vjp(add_bias, outputs, bias)
    of_outputs, of_bias = back(weights)
    np.testing.assert_array_equal(value, np.asarray(outputs) + np.asarray(bias))
    np.testing.assert_array_equal(of_outputs, weights)
    sums = np.asarray(weights, np.float64).sum(axis=0)
    np.testing.assert_allclose(of_bias, sums, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(_sum_over_users(weights), sums, rtol=1e-5, atol=1e-6)


@each_form
@pytest.mark.parametrize("members", [None, 2])
def test_a_product_with_its_bias_against_numpy(members, dtype, native):
    """The bias has more digits than bfloat16 holds."""
    first = () if members is None else (members,)
    h, kernel, weights = (arrays(*first, *s, seed=s[0]) for s in [(5, 3), (3, 7), (5, 7)])
    bias = 1000 + arrays(*first, 7, seed=9)

    def value_and_gradients(h, kernel, bias, weights):
        value, back = jax.vjp(with_bias(matmul_in(jnp.dtype(dtype), native)), h, kernel, bias)
        return value, *back(weights)

    mapped = value_and_gradients if members is None else jax.vmap(value_and_gradients)
    found = jax.jit(mapped)(h, kernel, bias, weights)
    h64, kernel64, weights64 = (rounded(array, dtype) for array in (h, kernel, weights))
    expected = (
        h64 @ kernel64 + np.asarray(bias, np.float64)[..., None, :],
        weights64 @ kernel64.swapaxes(-1, -2),
        h64.swapaxes(-1, -2) @ weights64,
        np.asarray(weights, np.float64).sum(axis=-2),
    )
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=3e-7, atol=3e-6)


def test_vmap_over_biases_equals_a_loop():
    outputs, biases, weights = arrays(4, 5), arrays(3, 5, seed=1), arrays(4, 5, seed=2)

    def loss(bias):
        return jnp.sum(weights * add_bias(outputs, bias) ** 2)

    together = jax.vmap(jax.grad(loss))(biases)
    np.testing.assert_allclose(together, [jax.grad(loss)(b) for b in biases], rtol=1e-5)


# XLA on a CPU does not implement some products of bfloat16 arrays, and fails only at run time.
MAPPED = [*itertools.product((None, 0), repeat=3)]
SIZES = [(1, 16, 5), (7, 16, 5), (64, 1, 1), (64, 16, 130)]


@pytest.mark.parametrize(
    ("axes", "sizes", "native"),
    [
        *((axes, sizes, False) for axes in MAPPED for sizes in SIZES),
        *((axes, sizes, True) for axes in (MAPPED[0], MAPPED[-1]) for sizes in SIZES[1:]),
    ],
    ids=str,
)
def test_every_product_of_bfloat16_runs(axes, sizes, native):
    users, features, outputs = sizes
    shapes = ((users, features), (features, outputs), (users, outputs))
    operands = [
        arrays(*(() if axis is None else (3,)), *shape, seed=seed)
        for seed, (axis, shape) in enumerate(zip(axes, shapes, strict=True))
    ]

    def value_and_gradients(h, kernel, weights):
        value, back = jax.vjp(matmul_in(jnp.bfloat16, native), h, kernel)
        return value, *back(weights)

    mapped = value_and_gradients
    if any(axis is not None for axis in axes):
        mapped = jax.vmap(value_and_gradients, axes)
    found = jax.jit(mapped)(*operands)
    h, kernel, weights = (rounded(array, "bfloat16") for array in operands)
    expected = (h @ kernel, weights @ kernel.swapaxes(-1, -2), h.swapaxes(-1, -2) @ weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            one, np.broadcast_to(other, one.shape), rtol=1e-5, atol=1e-5 * np.abs(other).max()
        )

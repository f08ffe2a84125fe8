"""The product with its own gradient is the product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from multvae_jax import products
from multvae_jax.products import product


def arrays(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@pytest.mark.parametrize(("users", "features", "outputs"), [(1, 1, 1), (5, 3, 7), (8, 16, 2)])
def test_value_and_gradients_against_numpy(users, features, outputs):
    h, kernel = arrays(users, features), arrays(features, outputs, seed=1)
    weights = arrays(users, outputs, seed=2)
    value, back = jax.vjp(product, h, kernel)
    of_h, of_kernel = back(weights)
    h64, kernel64, weights64 = map(np.float64, (h, kernel, weights))
    np.testing.assert_allclose(value, h64 @ kernel64, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_h, weights64 @ kernel64.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(of_kernel, h64.T @ weights64, rtol=1e-5, atol=1e-6)


def test_gradients_against_finite_differences():
    check_grads(jax.jit(product), (arrays(4, 3), arrays(3, 5)), order=1, modes=["rev"])


def test_both_forms_agree():
    """The form for accelerators runs nowhere else in this suite."""
    h, gradient = arrays(6, 4), arrays(6, 9, seed=1)
    forms = (products._transposed_first, products._transposed_within)
    np.testing.assert_allclose(*(jax.jit(form)(h, gradient) for form in forms), rtol=1e-6)


def test_many_kernels_are_a_vmap():
    h, kernels = arrays(4, 3), arrays(2, 3, 5)

    def loss(kernel):
        return jnp.sum(jnp.sin(product(h, kernel)))

    together = jax.vmap(jax.grad(loss))(kernels)
    np.testing.assert_allclose(together, [jax.grad(loss)(k) for k in kernels], rtol=1e-5)

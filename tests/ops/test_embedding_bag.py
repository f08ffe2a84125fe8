"""Values and gradients of the embedding bag, in the form of every backend."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from multvae_jax.ops.embedding_bag import (
    _gather,
    _gather_by_addition,
    _scatter,
    _scatter_by_column,
    embedding_bag,
    reference_embedding_bag,
)
from tests.builders import batch_of, counts

FEATURES = 5


def kernel_for(x, seed=0):
    shape = (x.shape[1], FEATURES)
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("n_users", "n_items", "width", "extra"),
    [
        (2, 1, 1, 0),
        (2, 1, 18, 3),
        (3, 40, 1, 2),
        (4, 12, 5, 0),
        (5, 23, 7, 1),
        (6, 18, 18, 3),
        (7, 40, 16, 1),
        (7, 9, 17, 0),
    ],
)
def test_values_and_gradients_are_those_of_the_dense_product(n_users, n_items, width, extra, seed):
    """The chunks are narrower than a history, or wider; some shapes have chunks of padding."""
    x = counts(seed, n_users, n_items)
    batch, kernel = batch_of(x, width=width, extra=extra), kernel_for(x, seed)
    weights = np.random.default_rng(seed + 1).normal(size=(n_users, FEATURES))
    found = value_and_gradient(kernel, batch, jnp.asarray(weights, jnp.float32))
    np.testing.assert_allclose(found[0], x @ np.float64(kernel), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(found[1], x.T @ weights, rtol=1e-5, atol=1e-4)


@jax.jit
def value_and_gradient(kernel, batch, weights):
    """The product of batch and kernel, and the gradient of its inner product with weights."""
    value, back = jax.vjp(lambda kernel: embedding_bag(kernel, batch), kernel)
    return value, *back(weights)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_gradient_with_respect_to_the_values(compiled):
    """As if item weights were trained, which scale the values; padding gets no gradient."""
    x = counts(3, 6, 11)
    batch, kernel = batch_of(x, extra=2), kernel_for(x)

    def loss(weights, embedding_bag):
        weighted = batch.values * weights[batch.items]
        reweighted = dataclasses.replace(batch, values=weighted)
        return jnp.sum(jnp.sin(embedding_bag(kernel, reweighted)))

    weights = jnp.linspace(0.5, 1.5, 11)
    slope = jax.grad(loss)
    found = (jax.jit(slope, static_argnums=1) if compiled else slope)(weights, embedding_bag)
    np.testing.assert_allclose(found, slope(weights, reference_embedding_bag), rtol=1e-5, atol=1e-5)


def test_gradients_against_finite_differences():
    x = counts(4, 5, 7)
    batch = batch_of(x)

    # Jitted, since check_grads passes numpy arrays, and the suite requires those of jax.
    product = jax.jit(lambda kernel: embedding_bag(kernel, batch))
    check_grads(product, (kernel_for(x),), order=1, modes=["rev"])


def test_both_forms_of_the_gather_and_of_the_scatter_agree():
    """The form for accelerators is used nowhere else in this suite."""
    x = counts(5, 9, 30)
    batch, kernel = batch_of(x, width=4, extra=3), kernel_for(x)
    parts = (batch.items, batch.values, batch.owner)
    np.testing.assert_allclose(
        _gather(kernel, *parts, 9),
        _gather_by_addition(kernel, *parts, 9),
        rtol=1e-5,
    )
    gradient = jnp.asarray(np.random.default_rng(1).normal(size=(len(batch.owner), 3)), jnp.float32)
    scattered = [
        scatter(gradient, batch.items, batch.values, 30)
        for scatter in (_scatter, _scatter_by_column)
    ]
    np.testing.assert_allclose(*scattered, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_value_and_gradient_lower_for_every_backend(platform):
    x = counts(6, 4, 9)
    batch, kernel = batch_of(x), kernel_for(x)
    step = jax.jit(jax.grad(lambda kernel: embedding_bag(kernel, batch).sum()))
    exported = jax.export.export(step, platforms=[platform])(kernel)
    assert exported.platforms == (platform,)
    # Only the accelerators' form gathers whole chunks at once.
    loops = exported.mlir_module().count("stablehlo.while")
    assert (loops > 0) == (platform == "cpu")


def test_vmap_over_kernels_equals_a_loop():
    x = counts(7, 5, 8)
    batch = batch_of(x)
    kernels = jnp.stack([kernel_for(x, seed) for seed in range(3)])
    together = jax.vmap(embedding_bag, (0, None))(kernels, batch)
    apart = [embedding_bag(kernel, batch) for kernel in kernels]
    np.testing.assert_allclose(together, np.stack(apart), rtol=1e-6)


@pytest.mark.parametrize("width", [1, 3, 32])
def test_bag_is_the_dense_product(width):
    x = counts(5, 6, 11)
    users = np.array([4, 0, 0, -1, 2, 5])
    dense = np.where(users[:, None] < 0, 0, x[users])
    rng = np.random.default_rng(2)
    kernel, slope = rng.normal(size=(11, 4)), rng.normal(size=(len(users), 4))
    batch = batch_of(x, users, width, extra=2)

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def gradient_and_value(kernel):
        value = embedding_bag(kernel, batch)
        return jnp.sum(value * jnp.asarray(slope, jnp.float32)), value

    gradient, value = gradient_and_value(jnp.asarray(kernel, jnp.float32))
    assert value.shape == slope.shape
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, dense @ kernel, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, dense.T @ slope, rtol=1e-5, atol=1e-5)


def test_bag_is_mapped_over_kernels():
    x = counts(5, 6, 11)
    kernels = np.random.default_rng(2).normal(size=(3, 11, 4))
    batch = batch_of(x)

    def loss(kernel):
        return jnp.sum(embedding_bag(kernel, batch) ** 2)

    gradients = jax.jit(jax.vmap(jax.grad(loss)))(jnp.asarray(kernels, jnp.float32))
    np.testing.assert_allclose(gradients, 2 * x.T @ (x @ kernels), rtol=1e-5, atol=1e-4)

"""`blockwise` against the same function of all columns at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.ops.blockwise import blockwise
from tests.builders import assert_close

N, FEATURES = 7, 3
RANDOM = np.random.default_rng(0)
KERNEL = jnp.asarray(RANDOM.normal(size=(FEATURES, N)), jnp.float32)
BIAS = jnp.asarray(RANDOM.normal(size=N), jnp.float32)
H = jnp.asarray(RANDOM.normal(size=(4, FEATURES)), jnp.float32)
CHOSEN = jnp.array([0, 3, 3, 6])
sizes = pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 20])


def of_block(start, columns, shared):
    """Sums over the block, and the value of each row at its chosen column."""
    (kernel, bias), (h, chosen) = columns, shared
    values = jnp.sin(h @ kernel + bias[None])
    here = jnp.arange(values.shape[1])[None] + start == chosen[:, None]
    return {"sum": values.sum(axis=1), "chosen": jnp.where(here, values, 0.0).sum(axis=1)}


def total(kernel, bias, h, size):
    """A nonlinear function of all outputs, which do not enter it alike."""
    outputs = blockwise(of_block, size, (kernel, bias), (h, CHOSEN))
    summed = jax.tree.map(lambda leaf: leaf.sum(axis=0), outputs)
    return jnp.sum(summed["sum"] ** 2) + jnp.sum(jnp.exp(summed["chosen"]))


def total_at_once(kernel, bias, h):
    values = jnp.sin(h @ kernel + bias[None])
    chosen = jnp.exp(values[jnp.arange(4), CHOSEN])
    return jnp.sum(values.sum(axis=1) ** 2) + jnp.sum(chosen)


@sizes
def test_values_and_gradients(size):
    def function(*arguments):
        return total(*arguments, size)

    found = jax.jit(jax.value_and_grad(function, (0, 1, 2)))(KERNEL, BIAS, H)
    assert_close(found, jax.value_and_grad(total_at_once, (0, 1, 2))(KERNEL, BIAS, H))


@sizes
def test_the_outputs_have_one_row_per_block(size):
    outputs = jax.jit(lambda: blockwise(of_block, size, (KERNEL, BIAS), (H, CHOSEN)))()
    values = np.sin(np.asarray(H) @ np.asarray(KERNEL) + np.asarray(BIAS))
    cuts = [values[:, start : start + size].sum(axis=1) for start in range(0, N, size)]
    np.testing.assert_allclose(outputs["sum"], cuts, rtol=1e-5, atol=1e-6)


def test_vmap_equals_a_loop():
    kernels = jnp.stack([KERNEL, 2 * KERNEL])
    gradient = jax.grad(total, (0, 2))
    together = jax.jit(jax.vmap(lambda kernel, h: gradient(kernel, BIAS, h, 3), (0, None)))(
        kernels, H
    )
    for n, kernel in enumerate(kernels):
        alone = jax.grad(total_at_once, (0, 2))(kernel, BIAS, H)
        assert_close(jax.tree.map(lambda leaf, n=n: leaf[n], together), alone)

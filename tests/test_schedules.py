"""Schedules of beta: values, optax as a reference, and numbers that are traced."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from multvae_jax.schedules import constant, linear_annealing
from tests.builders import counted

STEPS = [0, 1, 10, 500, 20_000, 39_999, 40_000, 40_001, 200_000, 10_000_000]


def test_the_papers_annealing():
    beta = jax.jit(linear_annealing(0.2, 0.2 * 200_000))
    values = [beta(jnp.int32(step)) for step in STEPS]
    assert values[0] == 0
    np.testing.assert_allclose(values, [min(0.2, step / 200_000) for step in STEPS], rtol=1e-6)
    assert values[STEPS.index(39_999)] < values[STEPS.index(40_000)]


def test_annealing_against_optax():
    beta, other = linear_annealing(0.7, 30.0), optax.linear_schedule(0.0, 0.7, 30)
    with jax.numpy_dtype_promotion("standard"):  # what optax needs
        expected = [other(jnp.int32(step)) for step in range(40)]
    values = jax.jit(jax.vmap(beta))(jnp.arange(40, dtype=jnp.int32))
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-7)


def test_a_constant_beta():
    beta = jax.jit(constant(0.3))
    for step in (0, 1, 100_000):
        assert beta(jnp.int32(step)) == np.float32(0.3)


def test_a_schedules_numbers_are_arguments_of_the_program():
    function, calls = counted(lambda beta, step: beta(step))
    compiled = jax.jit(function)
    values = [
        compiled(linear_annealing(cap, updates), jnp.int32(5))
        for cap, updates in ((0.2, 40.0), (1.0, 10.0), (0.1, 5.0))
    ]
    np.testing.assert_allclose(values, [0.025, 0.5, 0.1], rtol=1e-6)
    assert len(calls) == 1
    values = [compiled(constant(value), jnp.int32(5)) for value in (0.5, 1.0)]
    np.testing.assert_array_equal(values, [0.5, 1.0])
    assert len(calls) == 2


def test_a_sweep_over_caps_is_a_vmap():
    schedules = [linear_annealing(cap, 10.0) for cap in (0.1, 0.2, 1.0)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *schedules)
    betas = jax.vmap(lambda beta: beta(jnp.int32(5)))(stacked)
    np.testing.assert_allclose(betas, [0.05, 0.1, 0.5], rtol=1e-6)

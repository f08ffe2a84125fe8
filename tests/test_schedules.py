"""Schedules of beta and the learning rate: values, optax as a reference, numbers traced."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax.schedules import (
    constant,
    constant_rate,
    cosine_decay,
    linear_annealing,
    linear_decay,
    scheduled,
    step_decay,
    with_rate,
)
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


# --- learning rates -----------------------------------------------------------------------------

N = 40
DECAYS = {
    "constant": (constant_rate, lambda n: optax.constant_schedule(0.3)),
    "linear": (linear_decay, lambda n: optax.linear_schedule(0.3, 0.0, n)),
    "cosine": (cosine_decay, lambda n: optax.cosine_decay_schedule(0.3, n)),
}


def values_of(schedule) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(schedule))(jnp.arange(N + 5, dtype=jnp.int32)))


@pytest.mark.parametrize("warmup", [0.0, 0.25])
@pytest.mark.parametrize("name", DECAYS)
def test_decays_against_optax(name, warmup):
    decay, reference = DECAYS[name]
    rise = round(warmup * N)
    with jax.numpy_dtype_promotion("standard"):  # what optax needs
        rising = optax.linear_schedule(0.0, 0.3, max(rise, 1))
        expected = optax.join_schedules([rising, reference(N - rise)], [rise])
        expected = [expected(step) for step in range(N + 5)]
    np.testing.assert_allclose(values_of(decay(0.3, N, warmup)), expected, rtol=1e-5, atol=1e-7)


def test_steps_at_half_and_at_three_quarters():
    expected = np.repeat([0.3, 0.03, 0.003], [20, 10, 15])
    np.testing.assert_allclose(values_of(step_decay(0.3, N)), expected, rtol=1e-6)
    expected[:10] *= np.arange(10) / 10
    np.testing.assert_allclose(values_of(step_decay(0.3, N, 0.25)), expected, rtol=1e-6)


def test_a_rate_is_an_argument_of_the_program():
    function, calls = counted(lambda schedule, step: schedule(step))
    compiled = jax.jit(function)
    for rate, updates, warmup in ((0.2, 40, 0.1), (1.0, 10, 0.0), (0.1, 5, 0.5)):
        assert compiled(cosine_decay(rate, updates, warmup), jnp.int32(updates)) < 1e-6
    assert len(calls) == 1


@pytest.mark.updates
@pytest.mark.parametrize("factory", [optax.sgd, optax.rprop, optax.fromage])
def test_any_optimizer_follows_the_rate(factory):
    """Also those of optax that take a number only: each update is that of the rate at its time."""
    params = jnp.array([1.0, -2.0])
    gradient = jnp.array([0.5, 0.25])
    optimizer = scheduled(factory, lambda rate: linear_decay(rate, 4))(0.1)
    state, fixed = optimizer.init(params), factory(0.1)
    own = fixed.init(params)
    for step in range(4):
        now = factory(0.1 * (1 - step / 4))
        expected, own = now.update(gradient, own, params)
        update, state = optimizer.update(gradient, state, params)
        np.testing.assert_allclose(update, expected, rtol=1e-5)


@pytest.mark.updates
def test_the_state_has_the_rate_and_nothing_else_is_traced():
    state = with_rate(optax.adam, 0.1).init(jnp.zeros(2))
    assert set(state.hyperparams) == {"learning_rate"}

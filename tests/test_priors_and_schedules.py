import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.integrate
import scipy.stats

from multvae_jax.priors import kl_from_standard_normal, standard_normal
from multvae_jax.schedules import constant, linear_annealing
from tests.builders import counted, quick_jit

RNG = np.random.default_rng(0)
MU, LOGVAR = RNG.normal(size=(2, 5, 8))


def kl_of_users(mu, logvar):
    mu, logvar = jnp.asarray(mu, jnp.float32), jnp.asarray(logvar, jnp.float32)
    return quick_jit(jax.vmap(kl_from_standard_normal))(mu, logvar)


def test_kl_against_the_formula_in_float64():
    variance = np.exp(LOGVAR)
    expected = 0.5 * (variance + MU**2 - 1 - LOGVAR).sum(axis=1)
    np.testing.assert_allclose(kl_of_users(MU, LOGVAR), expected, rtol=1e-5)
    assert (expected > 1).all()


@pytest.mark.parametrize(("mu", "logvar"), [(0.0, 0.0), (1.5, -2.0), (-0.3, 1.0), (0.0, 2.0)])
def test_kl_against_numerical_integration(mu, logvar):
    q, p = scipy.stats.norm(mu, np.exp(logvar / 2)), scipy.stats.norm()
    expected, _ = scipy.integrate.quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -25, 25, points=[mu]
    )
    (value,) = kl_of_users([[mu]], [[logvar]])
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-7)


def test_kl_against_a_monte_carlo_estimate():
    # Five standard errors: a right value fails for one seed in a million.
    sigma = np.exp(LOGVAR[0] / 2)
    z = MU[0] + sigma * RNG.normal(size=(200_000, 8))
    ratio = scipy.stats.norm.logpdf(z, MU[0], sigma) - scipy.stats.norm.logpdf(z)
    draws = ratio.sum(axis=1)
    error = draws.std() / np.sqrt(len(draws))
    assert error < 0.02
    assert abs(kl_of_users(MU[:1], LOGVAR[:1])[0] - draws.mean()) < 5 * error


def test_kl_gradients():
    total = lambda mu, logvar: kl_from_standard_normal(mu, logvar)  # noqa: E731
    slopes = jax.grad(total, (0, 1))(*jnp.asarray([MU[0], LOGVAR[0]], jnp.float32))
    np.testing.assert_allclose(slopes[0], MU[0], rtol=1e-5)
    np.testing.assert_allclose(slopes[1], 0.5 * (np.exp(LOGVAR[0]) - 1), rtol=1e-5, atol=1e-6)


def test_the_standard_normal_prior_is_exact_whatever_the_sample():
    prior = standard_normal()
    assert prior.constants == {}
    assert prior.init(jax.random.key(0), 3) == {}
    mu, logvar = jnp.asarray(MU, jnp.float32), jnp.asarray(LOGVAR, jnp.float32)
    divergence = quick_jit(jax.vmap(prior.divergence, (0, 0, 0, None)))
    for z in (mu, 100 * mu):
        np.testing.assert_allclose(divergence(mu, logvar, z, {}), kl_of_users(MU, LOGVAR))


STEPS = [0, 1, 10, 500, 20_000, 39_999, 40_000, 40_001, 200_000, 10_000_000]


def test_the_papers_annealing():
    beta = quick_jit(linear_annealing(0.2, 0.2 * 200_000))
    values = [beta(jnp.int32(step)) for step in STEPS]
    assert values[0] == 0
    np.testing.assert_allclose(values, [min(0.2, step / 200_000) for step in STEPS], rtol=1e-6)
    assert values[STEPS.index(39_999)] < values[STEPS.index(40_000)]


def test_annealing_against_optax():
    beta, other = linear_annealing(0.7, 30.0), optax.linear_schedule(0.0, 0.7, 30)
    with jax.numpy_dtype_promotion("standard"):  # what optax needs
        expected = [other(jnp.int32(step)) for step in range(40)]
    values = quick_jit(jax.vmap(beta))(jnp.arange(40, dtype=jnp.int32))
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-7)


def test_a_constant_beta():
    beta = quick_jit(constant(0.3))
    for step in (0, 1, 100_000):
        assert beta(jnp.int32(step)) == np.float32(0.3)


def test_a_schedules_numbers_are_arguments_of_the_program():
    function, calls = counted(lambda beta, step: beta(step))
    compiled = quick_jit(function)
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

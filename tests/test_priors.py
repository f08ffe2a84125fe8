"""The divergence from the prior: formula, integral, samples and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from multvae_jax.priors import kl_from_standard_normal, standard_normal

RNG = np.random.default_rng(0)
MU, LOGVAR = RNG.normal(size=(2, 5, 8))


def kl_of_users(mu, logvar):
    mu, logvar = jnp.asarray(mu, jnp.float32), jnp.asarray(logvar, jnp.float32)
    return jax.jit(jax.vmap(kl_from_standard_normal))(mu, logvar)


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
    divergence = jax.jit(jax.vmap(prior.divergence, (0, 0, 0, None)))
    for z in (mu, 100 * mu):
        np.testing.assert_allclose(divergence(mu, logvar, z, {}), kl_of_users(MU, LOGVAR))

"""The power spherical posterior, the ladder, IWAE and the contrastive term against references."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import multvae_jax as mv
from experiments.extensions.contrastive import info_nce
from experiments.extensions.iwae import importance_weighted, sampled_standard_normal
from experiments.extensions.ladder import Ladder, ladder_prior
from experiments.extensions.power_spherical import PowerSpherical, uniform_on_sphere, unit
from tests.builders import batch_of, counts, normal64

pytestmark = pytest.mark.updates

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("latent", "kappa"), [(3, 0.5), (3, 20.0), (8, 4.0)])
def test_the_divergence_from_the_uniform_by_integration_over_the_angle(latent, kappa):
    def weight(t):
        return (1 - t**2) ** ((latent - 3) / 2)

    def mean(function):
        area, _ = scipy.integrate.quad(weight, -1, 1)
        return scipy.integrate.quad(lambda t: function(t) * weight(t), -1, 1)[0] / area

    constant = mean(lambda t: (1 + t) ** kappa)

    def density(t):
        return (1 + t) ** kappa / constant

    expected = mean(lambda t: density(t) * np.log(max(density(t), 1e-300)))
    mu = jnp.eye(1, latent)[0]
    value = uniform_on_sphere().divergence(mu, jnp.float32(kappa), mu, {})
    np.testing.assert_allclose(value, expected, rtol=1e-4)


@pytest.mark.parametrize("first", [False, True])
def test_samples_are_around_mu_on_the_sphere(first):
    """The mean of mu . z is (a - b) / (a + b); 5 standard errors, a right one fails in 1e6."""
    mu = jnp.eye(1, 5)[0] if first else unit(jnp.asarray(RNG.normal(size=5), jnp.float32))
    kappa, n = 6.0, 4000
    one = PowerSpherical(mu, jnp.float32(kappa))
    z = np.asarray(jax.jit(jax.vmap(one.sample))(jax.random.split(jax.random.key(0), n)))
    np.testing.assert_allclose((z**2).sum(axis=1), 1.0, rtol=1e-4)
    t = z @ np.asarray(mu)
    assert abs(t.mean() - kappa / (kappa + 4)) < 5 * t.std() / np.sqrt(n)
    across = z - t[:, None] * np.asarray(mu)
    assert np.abs(across.mean(axis=0)).max() < 5 / np.sqrt(n)


def test_the_divergence_of_the_ladder_is_that_of_its_two_normals():
    mu2, logvar2, mu1, logvar1 = (RNG.normal(size=n) for n in (2, 2, 3, 3))
    weights = {"kernel": RNG.normal(size=(2, 6)), "bias": RNG.normal(size=6)}
    fields = jax.tree.map(jnp.float32, (mu2, logvar2, mu1, logvar1, weights))
    one = Ladder(*fields)
    z2, z1 = RNG.normal(size=2), RNG.normal(size=3)
    above = z2 @ weights["kernel"] + weights["bias"]
    p_mu, p_logvar = above[:3], above[3:]
    # The product of two normal densities is a normal in z1, up to a constant.
    q = one.given(jnp.float32(z2))
    log_ratio = normal64(z1, mu1, logvar1) + normal64(z1, p_mu, p_logvar)
    other = normal64(z1 + 1, mu1, logvar1) + normal64(z1 + 1, p_mu, p_logvar)
    change = normal64(z1 + 1, np.asarray(q.mu), np.asarray(q.logvar)) - normal64(
        z1, np.asarray(q.mu), np.asarray(q.logvar)
    )
    np.testing.assert_allclose(change, other - log_ratio, rtol=1e-4, atol=1e-5)
    draws = np.asarray(q.mu) + np.exp(np.asarray(q.logvar) / 2) * RNG.normal(size=(200_000, 3))
    ratios = normal64(draws, np.asarray(q.mu), np.asarray(q.logvar)) - normal64(
        draws, p_mu, p_logvar
    )
    of_z1, error = ratios.sum(axis=1).mean(), ratios.sum(axis=1).std() / np.sqrt(200_000)
    of_z2 = 0.5 * (np.exp(logvar2) + mu2**2 - 1 - logvar2).sum()
    value = ladder_prior().divergence(*fields, (jnp.float32(z2), jnp.float32(z1)), {})
    assert abs(value - of_z1 - of_z2) < 5 * error + 1e-4


def test_the_importance_weighted_bound_of_one_sample_is_the_elbo_and_of_more_is_higher():
    x = counts(3, 6, 9)
    model = mv.mult_vae((5,), 3, prior=sampled_standard_normal(), dropout=0.0)
    params = model.init(jax.random.key(0), 9)
    hyper = jax.tree.map(jnp.float32, {**model.hyper, "beta": mv.schedules.constant(1.0)})

    def bounds(samples):
        network = mv.mlp.variational_mlp((5,), 3)
        parts = network, mv.likelihoods.multinomial(), sampled_standard_normal()
        loss = jax.jit(
            jax.vmap(importance_weighted(*parts, samples=samples), (None, None, None, 0, None))
        )
        keys = jax.random.split(jax.random.key(1), 200)
        return loss(params, hyper, batch_of(x), keys, jnp.int32(0))

    value, terms = bounds(1)
    elbo = terms["log_likelihood"] - terms["kl"]
    np.testing.assert_allclose(value, -elbo, rtol=1e-5)
    more, _ = bounds(20)
    spread = np.sqrt(np.var(value) / 200 + np.var(more) / 200)
    assert more.mean() < value.mean() - 5 * spread


def test_info_nce_by_hand_without_padding():
    one, two = RNG.normal(size=(2, 5, 3))
    real = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    found = info_nce(jnp.float32(one), jnp.float32(two), jnp.float32(real), 0.5)
    users = np.flatnonzero(real)
    for user in users:
        cosines = [
            one[user] @ two[other] / np.linalg.norm(one[user]) / np.linalg.norm(two[other])
            for other in users
        ]
        own = list(users).index(user)
        weights = np.exp(np.array(cosines) / 0.5)
        np.testing.assert_allclose(found[user], -np.log(weights[own] / weights.sum()), rtol=1e-4)
    assert np.isfinite(found).all()

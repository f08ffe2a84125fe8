"""Parameters of each item in a likelihood that decomposes, with all logits and in blocks."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from experiments.extensions.dispersion import negative_binomial
from multvae_jax.likelihoods import log_likelihood
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import blockwise_logits, full_logits
from multvae_jax.testing import check_likelihood
from tests.builders import assert_close, batch_of, counts, randomized

X = counts(2, 6, 11)
F = np.random.default_rng(3).normal(size=X.shape)
LOG_R = np.random.default_rng(4).normal(size=X.shape[1])


def reference(f, log_r, x):
    r, mean = np.exp(log_r), np.exp(f)
    return scipy.stats.nbinom.logpmf(x, r, r / (r + mean)).sum(axis=1)


def test_a_dispersion_per_item_is_the_negative_binomial_of_scipy():
    likelihood, places = negative_binomial(), np.array([4, 0, -1, 2, 5])
    batch = batch_of(X, places, extra=2)
    real = np.where(places[:, None] >= 0, X[places], 0)

    def total(f, theta):
        per_user = log_likelihood(likelihood, theta, f, batch)
        return per_user.sum(), per_user

    f, theta = F[places], {"log_r": jnp.float32(LOG_R)}
    (slopes, of_theta), per_user = jax.jit(jax.grad(total, (0, 1), has_aux=True))(
        jnp.float32(f), theta
    )
    np.testing.assert_allclose(per_user, reference(f, LOG_R, real), rtol=1e-5, atol=1e-5)
    for item in range(X.shape[1]):
        step = 1e-5 * (np.arange(X.shape[1]) == item)
        by_item = reference(f, LOG_R + step, real) - reference(f, LOG_R - step, real)
        np.testing.assert_allclose(
            of_theta["log_r"][item], by_item.sum() / 2e-5, rtol=1e-3, atol=1e-3
        )
        by_logit = reference(f + step, LOG_R, real) - reference(f - step, LOG_R, real)
        np.testing.assert_allclose(slopes[:, item], by_logit / 2e-5, rtol=1e-3, atol=1e-3)


def test_in_blocks_an_item_is_found_by_its_place_in_the_catalogue():
    likelihood, network = negative_binomial(), variational_mlp((4,), 3)
    params = randomized(network.init, X.shape[1])
    z = jnp.asarray(np.random.default_rng(0).normal(size=(len(X), 3)), jnp.float32)
    theta, batch = {"log_r": jnp.float32(LOG_R)}, batch_of(X)

    def gradients(reconstruction):
        log_p = reconstruction(network, likelihood)
        return jax.jit(
            jax.value_and_grad(lambda params, theta: log_p(params, theta, z, batch).sum(), (0, 1))
        )(params, theta)

    assert_close(gradients(blockwise_logits(4)), gradients(full_logits), 2e-5)


def test_it_passes_the_checks():
    check_likelihood(negative_binomial(0.7))

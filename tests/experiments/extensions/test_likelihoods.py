"""The focal multinomial and LambdaNDCG against float64 and the metric."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.extensions.focal import focal
from experiments.extensions.ranking import lambda_ndcg
from multvae_jax.evaluation.metrics import ndcg as ndcg_of
from multvae_jax.likelihoods import dense_log_likelihood
from tests.builders import (
    gradient_by_differences,
)

pytestmark = pytest.mark.updates


def focal64(f, x, gamma):
    log_p = f - np.log(np.exp(f).sum())
    return (x * (1 - np.exp(log_p)) ** gamma * log_p).sum()


@pytest.mark.parametrize("gamma", [0.0, 2.0, 7.5])
def test_the_focal_multinomial_and_its_gradient(gamma):
    rng = np.random.default_rng(6)
    f, x = rng.normal(0, 2, 9), rng.integers(0, 3, 9).astype(float)
    likelihood = focal(gamma)

    def log_p(f):
        return dense_log_likelihood(likelihood, likelihood.constants, f, jnp.float32(x))

    value, gradient = jax.jit(jax.value_and_grad(log_p))(jnp.float32(f))
    np.testing.assert_allclose(value, focal64(f, x, gamma), rtol=1e-5)
    expected = gradient_by_differences(lambda f: focal64(f, x, gamma), f)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def lambda64(f, x, cutoff):
    """Pair by pair: how much NDCG the two would change by trading places."""
    order = np.argsort(-f)
    place = np.empty(f.size, int)
    place[order] = np.arange(f.size)

    def discount(rank):
        return 1 / np.log2(rank + 2) if rank < cutoff else 0.0

    ideal = sum(discount(rank) for rank in range(int((x > 0).sum())))
    return sum(
        abs(discount(place[i]) - discount(place[j])) / ideal * -np.log1p(np.exp(f[j] - f[i]))
        for i in np.flatnonzero(x > 0)
        for j in np.flatnonzero(x == 0)
        if place[j] < cutoff
    )


@pytest.mark.parametrize("cutoff", [3, 6, 100])
def test_lambda_ndcg_pair_by_pair(cutoff):
    rng = np.random.default_rng(7)
    f, x = rng.normal(0, 2, 12), (rng.random(12) < 0.4).astype(float)
    likelihood = lambda_ndcg(weight=0.5, multinomial=0.25, cutoff=cutoff)

    def log_p(f):
        return dense_log_likelihood(likelihood, likelihood.constants, f, jnp.float32(x))

    def expected(f):
        return 0.5 * lambda64(f, x, cutoff) + 0.25 * focal64(f, x, 0.0)

    value, gradient = jax.jit(jax.value_and_grad(log_p))(jnp.float32(f))
    np.testing.assert_allclose(value, expected(f), rtol=1e-5)
    np.testing.assert_allclose(gradient, gradient_by_differences(expected, f), rtol=1e-4, atol=1e-5)


def test_the_weights_of_lambda_ndcg_are_what_the_metric_would_change_by():
    """Against the package's NDCG, which knows nothing of pairs: trade two items, measure again."""
    rng = np.random.default_rng(8)
    f, x = rng.normal(0, 2, 12), rng.random(12) < 0.4
    order = np.argsort(-f)

    def ndcg(order):
        return float(ndcg_of(jnp.asarray(x[order]), jnp.int32(x.sum()), 5))

    total = 0.0
    for i, j in itertools.product(np.flatnonzero(x), np.flatnonzero(~x)):
        if list(order).index(j) < 5:
            traded = np.where(order == i, j, np.where(order == j, i, order))
            total += abs(ndcg(traded) - ndcg(order)) * -np.log1p(np.exp(f[j] - f[i]))
    np.testing.assert_allclose(lambda64(f, x.astype(float), 5), total, rtol=1e-5)


@pytest.mark.parametrize("name", ["focal", "lambda_ndcg"])
def test_a_user_without_interactions_and_extreme_logits_give_numbers(name):
    likelihood = {"focal": focal, "lambda_ndcg": lambda_ndcg}[name]()

    def log_p(f, x):
        return dense_log_likelihood(likelihood, likelihood.constants, f, x)

    for f in (jnp.zeros(6), jnp.array([1e4, -1e4, 0.0, 0.0, 1e4, 3.0])):
        for x in (jnp.zeros(6), jnp.array([0.0, 1.0, 0.0, 2.0, 1.0, 0.0])):
            value, gradient = jax.jit(jax.value_and_grad(log_p))(f, x)
            assert bool(jnp.isfinite(value) & jnp.isfinite(gradient).all())
            if not x.any():
                assert value == 0
                assert not gradient.any()

"""Calibration of probabilities that are known, and which likelihoods have any."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from jax.tree_util import Partial

import multvae_jax as mv
from multvae_jax.evaluation import prepare_users
from multvae_jax.likelihoods import dense, gaussian, logistic, multinomial, poisson
from multvae_jax.tournament.calibration import EDGES, calibration, problem_of_probabilities

USERS, ITEMS, CLICKS = 400, 30, 6
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 1.0, ITEMS)
SEEN = RNG.random((USERS, ITEMS)) < 0.2


def probabilities(sharpness):
    weights = np.where(SEEN, 0.0, np.exp(sharpness * LOGITS))
    return weights / weights.sum(axis=1, keepdims=True)


P = probabilities(1.0)
DRAWN = np.stack([RNG.multinomial(CLICKS, row) for row in P]) > 0
TEST = mv.HeldOut(
    sp.csr_array(SEEN.astype(np.float32)), sp.csr_array(DRAWN.astype(np.float32)), np.arange(USERS)
)


def score(logits, batch):
    return jnp.tile(logits, (len(batch.users), 1))


def calibration_at(sharpness):
    logits = jnp.asarray(sharpness * LOGITS, jnp.float32)
    return calibration(Partial(score, logits), multinomial(), {}, prepare_users(TEST))


@pytest.mark.parametrize("sharpness", [1.0, 2.5])
def test_bins_hold_the_clicks_that_are_predicted_and_observed(sharpness):
    found = calibration_at(sharpness)
    p = probabilities(sharpness)
    bins = np.searchsorted(EDGES, p)
    expected = DRAWN.sum(axis=1, keepdims=True) * p
    for weights, of_bins in ((expected, found.predicted), (DRAWN, found.observed)):
        wanted = [weights[bins == bin].sum() for bin in range(len(EDGES) + 1)]
        np.testing.assert_allclose(of_bins, wanted, rtol=1e-3, atol=1e-3)


def test_the_error_is_that_of_chance_for_the_true_probabilities_and_larger_for_sharper_ones():
    true, sharper = calibration_at(1.0), calibration_at(2.5)
    # A likely item is clicked once where the multinomial would draw it twice.
    assert true.error < 0.12
    assert sharper.error > 0.3
    assert 0 < true.by_chance < 0.1


def tempered():
    """Half of the multinomial, whose exp(log p) sums to more than 1."""
    return multinomial()._replace(
        click=lambda f, x, theta: 0.5 * x * f,
        normalizer=lambda f, total, theta: 0.5 * total * jax.nn.logsumexp(f),
    )


def bound_to_a_catalogue():
    return multinomial()._replace(
        normalizer=lambda f, total, theta: total * jax.nn.logsumexp(f + jnp.zeros(100))
    )


def with_biases():
    """A multinomial with a trained bias per item, which the click looks up."""

    def click(f, x, theta, item):
        return x * (f + theta["bias"][item])

    def normalizer(f, total, theta):
        return total * jax.nn.logsumexp(f + theta["bias"])

    return mv.Likelihood(
        click, normalizer, init=lambda key, n: {"bias": jnp.arange(n, dtype=jnp.float32)}
    )


def sampled():
    return multinomial()._replace(draw=mv.likelihoods.draws(2), click=lambda f, x, theta, drawn: f)


@pytest.mark.parametrize(
    ("likelihood", "problem"),
    [
        (multinomial(), None),
        (with_biases(), None),
        (sampled(), "the likelihood draws random numbers"),
        (logistic(), None),
        (gaussian(), "exp(log p) does not sum to 1"),
        (poisson(), "exp(log p) does not sum to 1"),
        (tempered(), "exp(log p) does not sum to 1"),
        (
            dense(lambda f, x, theta: jnp.sum(x * jax.nn.log_softmax(f))),
            "the normalizer depends on the items",
        ),
        (bound_to_a_catalogue(), "the likelihood cannot be tried on three items"),
        (None, "the likelihood is not known"),
    ],
    ids=[
        "multinomial",
        "biases",
        "sampled",
        "logistic",
        "gaussian",
        "poisson",
        "tempered",
        "dense",
        "bound",
        "none",
    ],
)
def test_which_likelihoods_give_probabilities(likelihood, problem):
    assert problem_of_probabilities(likelihood) == problem

"""RP3beta against walks that are counted step by step."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.baselines import rp3beta
from multvae_jax.errors import InputError
from tests.baselines.builders import clicks
from tests.builders import assert_close, batch_of, counts


def walks(x, alpha, beta):
    """The weight of each pair of items, one walk i -> user -> j after the other."""
    n_users, n_items = x.shape
    weights = np.zeros((n_items, n_items))
    for i in range(n_items):
        for user in range(n_users):
            for j in range(n_items):
                if i != j and x[user, i] and x[user, j]:
                    there, on = x[user, i] / x[:, i].sum(), x[user, j] / x[user].sum()
                    weights[i, j] += (there * on) ** alpha / np.count_nonzero(x[:, j]) ** beta
    return weights


def largest(weights, number):
    lowest = np.sort(weights, axis=1)[:, -number][:, None]
    return np.where(weights >= lowest, weights, 0.0)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.6, 0.4), (1.7, 1.0)])
@pytest.mark.parametrize("neighbors", [2, 11, 500])
def test_scores_are_sums_of_the_largest_weights(alpha, beta, neighbors, monkeypatch):
    monkeypatch.setattr(sys.modules["multvae_jax.baselines.rp3beta"], "BLOCK", 5)
    # Values without ties, so that the largest weights are unique.
    x = clicks(13, 30, 12) * np.random.default_rng(13).uniform(0.5, 2.0, (30, 12))
    unseen = counts(14, 9, 12)
    scores = rp3beta(sp.csr_array(x), alpha, beta, neighbors)(batch_of(unseen))
    expected = unseen @ largest(walks(x, alpha, beta), min(neighbors, 11))
    assert_close(np.asarray(scores), expected, 1e-5)


def test_without_exponents_the_weights_are_the_probabilities_of_a_walk():
    """All walks from an item end somewhere: the weights and that of the item itself sum to 1."""
    x = counts(3, 20, 8)
    weights = np.asarray(rp3beta(sp.csr_array(x), 1.0, 0.0)(batch_of(np.eye(8))))
    to_itself = (x / x.sum(axis=0) * x / np.maximum(x.sum(axis=1), 1)[:, None]).sum(axis=0)
    np.testing.assert_allclose(weights.sum(axis=1), 1 - to_itself, rtol=1e-5)


def test_an_item_without_users_has_no_neighbors():
    x = clicks(16, 30, 8)
    x[:, 2] = 0.0
    scores = np.asarray(rp3beta(sp.csr_array(x))(batch_of(np.eye(8))))
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores[2], 0.0)
    np.testing.assert_array_equal(scores[:, 2], 0.0)


@pytest.mark.parametrize("numbers", [(0.0, 0.5, 10), (1.0, -0.5, 10), (1.0, 0.5, 0)])
def test_numbers_out_of_bounds_are_errors(numbers):
    with pytest.raises(InputError, match=r"RP3beta: alpha .* at least 1 neighbor is needed"):
        rp3beta(sp.csr_array(clicks(0)), *numbers)

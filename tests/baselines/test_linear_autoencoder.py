"""The linear autoencoder against the solution of its least-squares problem."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.baselines import linear_autoencoder
from multvae_jax.errors import InputError
from tests.baselines.builders import clicks
from tests.builders import assert_close, batch_of, counts


def ridge(x, regularization):
    """The B of full rank that minimizes |X - X B|^2 + lambda |B|^2, by its normal equations."""
    gram = x.T @ x
    return np.linalg.solve(gram + regularization * np.eye(len(gram)), gram)


def low_rank(x, rank, regularization):
    """Of the ridge solution, the projection on the leading directions of its predictions."""
    stacked = np.concatenate([x, np.sqrt(regularization) * np.eye(x.shape[1])])
    predicted = stacked @ ridge(x, regularization)
    _, _, directions = np.linalg.svd(predicted)
    return ridge(x, regularization) @ directions[:rank].T @ directions[:rank]


@pytest.mark.parametrize("n_users", [8, 40])
@pytest.mark.parametrize("rank", [1, 3, 7])
def test_scores_are_those_of_the_reduced_rank_regression(n_users, rank):
    x = counts(n_users, n_users, 12)
    scorer = linear_autoencoder(sp.csr_array(x), rank, 5.0)
    unseen = counts(99, 9, 12)
    assert_close(np.asarray(scorer(batch_of(unseen))), unseen @ low_rank(x, rank, 5.0), 1e-4)


def test_a_rank_beyond_the_data_is_ridge_regression():
    x = counts(2, 40, 12)
    scorer = linear_autoencoder(sp.csr_array(x), 500, 2.0)
    assert_close(np.asarray(scorer(batch_of(x))), x @ ridge(x, 2.0), 1e-4)


@pytest.mark.parametrize("n_users", [30, 60])
def test_lanczos_method_finds_the_leading_vectors_of_large_data(n_users, monkeypatch):
    monkeypatch.setattr(sys.modules["multvae_jax.baselines.linear_autoencoder"], "DENSE", 0)
    x = counts(n_users, n_users, 40)
    scores = linear_autoencoder(sp.csr_array(x), 5, 50.0)(batch_of(x))
    assert_close(np.asarray(scores), x @ low_rank(x, 5, 50.0), 1e-4)


def test_data_of_low_rank_and_no_regularization_give_finite_scores():
    x = np.tile(counts(3, 4, 12), (3, 1))
    scores = np.asarray(linear_autoencoder(sp.csr_array(x), 12, 0.0)(batch_of(x)))
    assert_close(scores, x, 1e-4)


@pytest.mark.parametrize(("rank", "regularization"), [(0, 1.0), (3, -1.0), (3, np.inf)])
def test_numbers_out_of_bounds_are_errors(rank, regularization):
    with pytest.raises(InputError, match="the rank must be at least 1, and the regularization not"):
        linear_autoencoder(sp.csr_array(clicks(0)), rank, regularization)

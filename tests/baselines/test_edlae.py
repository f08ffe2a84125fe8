"""EDLAE against its definition: the mean over all ways to drop parts of the input."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.baselines.ease import item_weights as ease_weights
from multvae_jax.baselines.edlae import edlae, item_weights
from multvae_jax.errors import InputError
from tests.baselines.builders import clicks
from tests.builders import assert_close, batch_of, counts


def denoising_least_squares(x, dropout, regularization):
    """Least squares over every way to drop entries of a row, each weighted by its probability."""
    n_items = x.shape[1]
    ways = np.array(list(itertools.product([0.0, 1.0], repeat=n_items)))
    share = np.prod(np.where(ways == 1, 1 - dropout, dropout), axis=1)
    inputs = np.concatenate([row * ways / (1 - dropout) for row in x])
    targets = np.repeat(x, len(ways), axis=0)
    weight = np.sqrt(np.tile(share, len(x)))[:, None]
    weights = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = np.arange(n_items) != j
        below = np.sqrt(regularization) * np.eye(n_items - 1)
        left = np.concatenate([(weight * inputs)[:, others], below])
        right = np.concatenate([(weight * targets)[:, j], np.zeros(n_items - 1)])
        weights[others, j] = np.linalg.lstsq(left, right)[0]
    return weights


@pytest.mark.parametrize(("dropout", "regularization"), [(0.5, 1.0), (0.2, 0.05), (0.8, 10.0)])
@pytest.mark.parametrize("n_users", [4, 15])
def test_item_weights_minimize_the_mean_error_over_dropped_inputs(dropout, regularization, n_users):
    """With fewer users than items, and with more: each case has a solver of its own."""
    x = counts(n_users, n_users, 6)
    found = item_weights(sp.csr_array(x), dropout, regularization)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.diagonal(), 0.0)
    assert_close(found, denoising_least_squares(x, dropout, regularization), 1e-5)


@pytest.mark.parametrize("n_users", [10, 40])
def test_without_dropout_it_is_ease(n_users):
    train = sp.csr_array(clicks(2, n_users))
    assert_close(item_weights(train, 0.0, 3.0), ease_weights(train, 3.0), 1e-6)


def test_scores_are_the_product_of_history_and_item_weights():
    x = counts(5, 30, 6)
    scores = edlae(sp.csr_array(x), 0.4, 2.0)(batch_of(x))
    assert_close(np.asarray(scores), x @ denoising_least_squares(x, 0.4, 2.0), 1e-5)


@pytest.mark.parametrize(
    ("dropout", "regularization", "message"),
    [
        (1.0, 1.0, "the dropout rate 1.0 is not from 0 to below 1"),
        (-0.1, 1.0, "the dropout rate -0.1 is not"),
        (0.5, 0.0, "the regularization 0.0 is not a positive number"),
    ],
)
def test_numbers_out_of_bounds_are_errors(dropout, regularization, message):
    with pytest.raises(InputError, match=f"EDLAE: {message}"):
        edlae(sp.csr_array(clicks(0)), dropout, regularization)


def test_too_little_memory_is_an_error_that_names_the_bytes():
    with pytest.raises(InputError, match="EDLAE: 300 items and 300 users need 1,080,000 bytes"):
        edlae(sp.csr_array((300, 300), dtype=np.float32), max_memory=1_079_999)

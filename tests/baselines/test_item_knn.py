"""Item kNN against dense cosine similarities."""

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.baselines.item_knn import item_knn
from multvae_jax.errors import InputError
from tests.baselines.builders import clicks, needs_implicit
from tests.builders import assert_close, batch_of, counts


def cosine_neighbors(x, neighbors):
    """Dense cosine similarities; all but the largest of each row, and the diagonal, are 0."""
    unit = x / np.maximum(np.linalg.norm(x, axis=0), 1e-30)
    similar = unit.T @ unit
    np.fill_diagonal(similar, 0.0)
    lowest = np.sort(similar, axis=1)[:, -neighbors][:, None]
    return np.where(similar >= lowest, similar, 0.0)


@needs_implicit
@pytest.mark.parametrize("neighbors", [1, 4, 11])
def test_scores_are_sums_of_similarities_to_nearest_neighbors(neighbors):
    # Values without ties, so that the neighbors are unique.
    x = clicks(13, 50, 12) * np.random.default_rng(13).uniform(0.5, 2.0, (50, 12))
    unseen = counts(14, 9, 12)
    scores = item_knn(sp.csr_array(x), neighbors)(batch_of(unseen))
    assert_close(np.asarray(scores), unseen @ cosine_neighbors(x, neighbors), 1e-5)


@needs_implicit
def test_more_neighbors_than_items_means_all_other_items():
    x = clicks(15, 30, 8)
    batch = batch_of(x)
    np.testing.assert_allclose(
        item_knn(sp.csr_array(x), 500)(batch), item_knn(sp.csr_array(x), 7)(batch), rtol=1e-6
    )


@needs_implicit
def test_an_item_is_not_its_own_neighbor_even_if_others_are_equally_similar():
    """Four items with the same users: each has three possible neighbors, all of similarity 1."""
    x = np.zeros((10, 6))
    x[:6, :4] = 1.0
    x[5:, 4:] = 1.0
    scores = np.asarray(item_knn(sp.csr_array(x), 2)(batch_of(np.eye(6))))
    np.testing.assert_array_equal(scores.diagonal(), 0.0)
    np.testing.assert_allclose(scores[:4].sum(axis=1), 2.0, rtol=1e-6)


@needs_implicit
def test_an_item_without_users_has_no_neighbors():
    x = clicks(16, 30, 8)
    x[:, 2] = 0.0
    scores = np.asarray(item_knn(sp.csr_array(x), 5)(batch_of(np.eye(8))))
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores[2], 0.0)
    np.testing.assert_array_equal(scores[:, 2], 0.0)


def test_no_neighbor_is_an_error():
    with pytest.raises(InputError, match="0 neighbors, but at least 1 is needed"):
        item_knn(sp.csr_array(clicks(0)), 0)

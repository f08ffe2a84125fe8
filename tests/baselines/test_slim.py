"""SLIM against least squares with weights that are not negative."""

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.sparse as sp

from multvae_jax.baselines.slim import item_weights, slim
from multvae_jax.errors import InputError
from tests.baselines.builders import clicks, needs_scikit_learn
from tests.builders import assert_close, batch_of, counts


def nonnegative_least_squares(x, l1, l2):
    """With R'R = X'X + l2 I, the objective of a column is |R w - R^-T (X'x - l1)|^2 / 2 + c."""
    n_items = x.shape[1]
    weights = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = np.arange(n_items) != j
        rest = x[:, others]
        root = scipy.linalg.cholesky(rest.T @ rest + l2 * np.eye(n_items - 1))
        right = scipy.linalg.solve_triangular(root, rest.T @ x[:, j] - l1, trans="T")
        weights[others, j] = scipy.optimize.nnls(root, right)[0]
    return weights


@needs_scikit_learn
@pytest.mark.parametrize(("l1", "l2"), [(0.5, 1.0), (3.0, 0.1), (4.0, 20.0)])
@pytest.mark.parametrize("build", [clicks, counts])
def test_item_weights_solve_the_problem_of_each_item(l1, l2, build):
    x = build(4, 50, 12)
    found = item_weights(sp.csr_array(x), l1, l2, tolerance=1e-10)
    assert found.dtype == np.float32
    expected = nonnegative_least_squares(x, l1, l2)
    assert 0 < np.count_nonzero(expected) < expected.size - 12
    assert_close(found, expected, 1e-4)


@needs_scikit_learn
def test_scores_are_the_product_of_history_and_item_weights():
    x = clicks(5, 60, 12)
    scores = slim(sp.csr_array(x), 1.0, 2.0)(batch_of(x))
    assert_close(np.asarray(scores), x @ nonnegative_least_squares(x, 1.0, 2.0), 0.02)


@needs_scikit_learn
def test_a_penalty_beyond_all_common_users_leaves_no_weight():
    x = clicks(6, 40, 12)
    largest = (x.T @ x)[~np.eye(12, dtype=bool)].max()
    assert not item_weights(sp.csr_array(x), float(largest), 1.0).any()


@pytest.mark.parametrize(
    ("train", "numbers", "message"),
    [
        (clicks(0), (0.0, 1.0), "l1 must be positive"),
        (clicks(0), (1.0, -1.0), "l2 must not be negative"),
        (clicks(0), (1.0, 1.0, 100), "15 items and 40 users need 900 bytes"),
        pytest.param(-clicks(0), (1.0, 1.0), "negative values", marks=needs_scikit_learn),
    ],
)
def test_what_cannot_be_fitted_is_an_error(train, numbers, message):
    with pytest.raises(InputError, match=f"SLIM: .*{message}"):
        slim(sp.csr_array(train), *numbers)

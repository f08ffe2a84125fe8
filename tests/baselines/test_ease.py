"""EASE against its definition, a least-squares problem per item."""

import jax
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.baselines import linear
from multvae_jax.baselines.ease import ease, fit_each, item_weights
from multvae_jax.errors import InputError
from tests.baselines.builders import clicks
from tests.builders import assert_close, batch_of, counts


def constrained_least_squares(x, regularization):
    """Column j of B minimizes |x_j - X b|^2 + lambda |b|^2 subject to b_j = 0.

    Each column is solved by least squares on the other columns, with sqrt(lambda) I below them.
    """
    n_items = x.shape[1]
    weights = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = np.arange(n_items) != j
        below = np.sqrt(regularization) * np.eye(n_items - 1)
        left = np.concatenate([x[:, others], below])
        right = np.concatenate([x[:, j], np.zeros(n_items - 1)])
        weights[others, j] = np.linalg.lstsq(left, right)[0]
    return weights


@given(
    seed=st.integers(0, 1000),
    regularization=st.sampled_from([0.01, 1.0, 30.0]),
    n_users=st.sampled_from([7, 11, 25]),
)
def test_item_weights_solve_the_least_squares_problem_of_each_item(seed, regularization, n_users):
    """With fewer users than items, and with more: each case has a solver of its own."""
    x = counts(seed, n_users, 11)
    found = item_weights(sp.csr_array(x), regularization)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.diagonal(), 0.0)
    assert_close(found, constrained_least_squares(x, regularization), 1e-5)


@pytest.mark.parametrize("n_users", [60, 12])
def test_blocks_do_not_change_the_item_weights(n_users, monkeypatch):
    x = counts(3, n_users, 23)
    whole = item_weights(sp.csr_array(x), 2.0)
    monkeypatch.setattr(linear, "BLOCK", 5)
    assert_close(item_weights(sp.csr_array(x), 2.0), whole, 1e-6)
    assert_close(whole, constrained_least_squares(x, 2.0), 1e-5)


@pytest.mark.parametrize("n_users", [7, 25])
def test_settings_fitted_together_solve_the_problem_of_each(n_users, monkeypatch):
    """Each in turn overwrites half of the matrix that they share; here it has several blocks."""
    monkeypatch.setattr(linear, "BLOCK", 4)
    x = counts(n_users, n_users, 11)
    penalties = (30.0, 0.01, 1.0, 30.0)
    settings = [{"regularization": each} for each in penalties]
    for each, found in zip(penalties, fit_each(sp.csr_array(x), settings), strict=True):
        assert_close(found["item_weights"], constrained_least_squares(x, each), 1e-5)


def test_float32_is_close_to_float64():
    x = clicks(4, n_users=200, n_items=50)
    double, single = (
        item_weights(sp.csr_array(x), 10.0, dtype) for dtype in (np.float64, np.float32)
    )
    assert single.dtype == np.float32
    assert_close(single, double, 1e-4)
    assert not np.array_equal(single, double)


def test_scores_are_the_product_of_history_and_item_weights():
    x = counts(5, 30, 12)
    train = sp.csr_array(x)
    scores = ease(train, 3.0)(batch_of(x))
    assert_close(np.asarray(scores), x @ constrained_least_squares(x, 3.0), 1e-5)


def test_the_training_matrix_is_not_modified():
    train = sp.csr_array(clicks(6))
    before = train.toarray()
    item_weights(train, 1.0)
    np.testing.assert_array_equal(train.toarray(), before)


def test_too_little_memory_is_an_error_that_names_the_bytes(monkeypatch):
    train = sp.csr_array((300, 300), dtype=np.float32)
    message = (
        "300 items and 300 users need 1,080,000 bytes of memory, but only 1,079,999 are available"
    )
    with pytest.raises(InputError, match=message):
        ease(train, max_memory=1_079_999)
    ease(train, max_memory=1_080_000)
    with pytest.raises(InputError, match="need 720,000 bytes"):
        ease(train, dtype=np.float32, max_memory=719_999)
    ease(train, dtype=np.float32, max_memory=720_000)
    # With fewer users than items, the inverse is users x users.
    with pytest.raises(InputError, match="300 items and 3 users need 360,072 bytes"):
        ease(train[:3], max_memory=360_071)
    # The default limit is the memory of the machine.
    pages = {"SC_PAGE_SIZE": 1000, "SC_PHYS_PAGES": 1079}
    monkeypatch.setattr("os.sysconf", pages.get)
    with pytest.raises(InputError, match="only 1,079,000 are available"):
        ease(train)


@pytest.mark.parametrize("users", [40, 10])
def test_moving_the_weights_to_a_cpu_device_copies_nothing(users):
    """They are the largest array: with a copy, smaller catalogues would exhaust the memory."""
    weights = item_weights(sp.csr_array(clicks(0)[:users]), 10.0)
    on_device = jax.device_put(weights)
    if on_device.device.platform == "cpu":
        assert on_device.unsafe_buffer_pointer() == weights.ctypes.data
    np.testing.assert_array_equal(on_device, weights)


@pytest.mark.parametrize("regularization", [0.0, -1.0, np.nan, np.inf])
def test_a_regularization_that_is_not_positive_is_an_error(regularization):
    with pytest.raises(InputError, match="is not a positive number"):
        ease(sp.csr_array(clicks(0)), regularization)


def test_a_singular_matrix_is_an_error():
    """Two items that every user has, and a lambda below the resolution of float32."""
    train = sp.csr_array(np.ones((50, 2)))
    with pytest.raises(InputError, match=r"cannot be inverted in float32; a larger"):
        ease(train, 1e-9, np.float32)

"""The order of the users in an epoch."""

import math

import jax
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.batching import sequential_order, shuffled_order


@given(st.integers(1, 30), st.integers(1, 12))
def test_in_order_cuts_the_users_into_batches(n_users, batch_size):
    order = sequential_order(n_users, batch_size)
    assert order.shape == (math.ceil(n_users / batch_size), batch_size)
    assert order.dtype == np.int32
    flat = order.ravel().tolist()
    assert flat == [*range(n_users), *[-1] * (len(flat) - n_users)]


@pytest.mark.parametrize(("n_users", "batch_size"), [(1, 1), (1, 4), (7, 3), (8, 4), (20, 50)])
def test_shuffled_has_every_user_once_and_depends_on_the_key_only(n_users, batch_size):
    order = shuffled_order(jax.random.key(3), n_users, batch_size)
    assert order.shape == sequential_order(n_users, batch_size).shape
    assert order.dtype == np.int32
    flat = order.ravel()
    assert sorted(flat[:n_users].tolist()) == list(range(n_users))
    assert (flat[n_users:] == -1).all()
    np.testing.assert_array_equal(shuffled_order(jax.random.key(3), n_users, batch_size), order)
    other_cut = shuffled_order(jax.random.key(3), n_users, batch_size + 1).ravel()
    np.testing.assert_array_equal(other_cut[:n_users], flat[:n_users])


def test_another_key_gives_another_order():
    orders = {
        tuple(shuffled_order(jax.random.key(seed), 50, 8).ravel().tolist()) for seed in range(5)
    }
    assert len(orders) == 5


def test_every_order_is_as_likely_as_every_other():
    # Chi-square over the 24 orders of 4 users: a right shuffle fails for one key in 1,000.
    root, n_draws = jax.random.key(2018), 24 * 40
    orders = [
        tuple(shuffled_order(jax.random.fold_in(root, n), 4, 2).ravel().tolist())
        for n in range(n_draws)
    ]
    kinds, seen = np.unique(orders, axis=0, return_counts=True)
    assert len(kinds) == 24
    assert scipy.stats.chisquare(seen).pvalue > 1e-3

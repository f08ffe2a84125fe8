"""Batches have the histories of their users, and sums over them."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.batching import (
    Batch,
    capacity_of,
    dense_rows,
    sum_per_user,
    take,
    to_device,
    totals,
)
from multvae_jax.errors import InputError

VALUES = [1.0, 2.0, 0.5, -1.5, 7.0]


@st.composite
def matrices(draw):
    """A CSR matrix with explicit zeros and unsorted items, and the same filled in by hand."""
    n_items = draw(st.integers(1, 40))
    lengths = draw(st.lists(st.integers(0, n_items) | st.just(0), min_size=1, max_size=6))
    random = draw(st.randoms(use_true_random=False))
    dense = np.zeros((len(lengths), n_items))
    indices, data = [], []
    for row, length in enumerate(lengths):
        for item in random.sample(range(n_items), length):
            value = random.choice([*VALUES, 0.0])
            dense[row, item] = value
            indices.append(item)
            data.append(value)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sp.csr_array((data, indices, indptr), shape=dense.shape, dtype=np.float64), dense


@functools.partial(jax.jit, static_argnames="capacity")
def gather(histories, users, capacity):
    batch = take(histories, users, capacity)
    return batch, dense_rows(batch), totals(batch), batch.real


def check_layout(batch: Batch, width: int):
    """Check the layout that the fields of a batch describe, one chunk after the other."""
    n_users = len(batch.users)
    assert batch.items.shape == batch.values.shape == (len(batch.owner), width)
    seen = dict.fromkeys(range(n_users), 0)
    for owner, part, items, values in zip(
        *map(np.asarray, (batch.owner, batch.part, batch.items, batch.values)), strict=True
    ):
        if owner == n_users:
            assert not values.any()
            continue
        assert part == seen[int(owner)]
        seen[int(owner)] += 1
        assert not items[values == 0].any()
    assert (np.diff(np.asarray(batch.owner)) >= 0).all()


@given(matrices(), st.integers(1, 32), st.integers(0, 3), st.data())
def test_take_brings_back_every_row(matrix, width, extra, data):
    matrix, dense = matrix
    n_users, n_items = dense.shape
    some = st.lists(st.integers(-1, n_users - 1), min_size=3, max_size=3)
    order = np.array([data.draw(some), data.draw(some)], np.int32)
    order = np.vstack([order, order[:1]])
    histories = to_device(matrix, width)
    assert histories.n_items == n_items

    expected = np.vstack([dense, np.zeros(n_items)])
    chunks = [sum(math.ceil(np.count_nonzero(row) / width) for row in expected[b]) for b in order]
    capacity = capacity_of(histories, order)
    assert capacity == max(1, *chunks)

    for users in order:
        batch, rows, total, real = gather(histories, jnp.asarray(users), capacity + extra)
        np.testing.assert_array_equal(rows, expected[users])
        np.testing.assert_array_equal(total, expected[users].sum(axis=1))
        np.testing.assert_array_equal(real, users >= 0)
        np.testing.assert_array_equal(batch.users, users)
        check_layout(batch, width)


def test_one_chunk_less_than_the_capacity_loses_something():
    dense = np.ones((3, 7))
    dense[1, 3:] = 0
    histories = to_device(sp.csr_array(dense), 3)
    order = np.array([[1, 1], [2, 0], [-1, 1]], np.int32)
    capacity = capacity_of(histories, order)
    for less, lost in ((0, False), (1, True)):
        rows = gather(histories, jnp.asarray(order[1]), capacity - less)[1]
        assert (not np.array_equal(rows, dense[order[1]])) == lost


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
def test_any_number_type_is_taken(dtype):
    dense = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]])
    histories = to_device(sp.csr_array(dense.astype(dtype)), 2)
    rows = gather(histories, jnp.arange(3, dtype=jnp.int32), 4)[1]
    assert rows.dtype == jnp.float32
    np.testing.assert_array_equal(rows, dense)


def test_the_callers_matrix_is_left_as_it_is():
    matrix = sp.csr_array((np.array([1.0, 0.0, 2.0]), [0, 1, 2], [0, 2, 3]), shape=(2, 4))
    to_device(matrix, 2)
    np.testing.assert_array_equal(matrix.data, [1, 0, 2])
    np.testing.assert_array_equal(matrix.indptr, [0, 2, 3])


def test_users_without_any_interaction_at_all():
    histories = to_device(sp.csr_array((3, 4)))
    users = np.array([0, 2, -1], np.int32)
    capacity = capacity_of(histories, users[None])
    _, rows, total, _ = gather(histories, jnp.asarray(users), capacity)
    np.testing.assert_array_equal(rows, np.zeros((3, 4)))
    np.testing.assert_array_equal(total, np.zeros(3))


def test_sum_per_user_sums_any_quantity_of_an_interaction():
    dense = np.zeros((3, 9))
    dense[0] = np.arange(1, 10)
    dense[2, [1, 4]] = 1
    histories = to_device(sp.csr_array(dense), 2)
    batch, *_ = gather(histories, jnp.array([2, 0, -1, 1, 2], jnp.int32), 9)
    squares = sum_per_user(batch, batch.values**2)
    np.testing.assert_array_equal(squares, [2, 285, 0, 0, 2])


def test_a_capacity_that_is_too_small_is_not_silent():
    histories = to_device(sp.csr_array(np.ones((4, 9), np.float32)), 3)
    users = jnp.arange(4, dtype=jnp.int32)
    assert float(take(histories, users, 12).values.sum()) == 36.0
    with pytest.raises(InputError, match="capacity: 11 chunks, but the users have 12; use the cap"):
        take(histories, users, 11)
    compiled = jax.jit(take, static_argnames="capacity")
    assert np.isnan(compiled(histories, users, capacity=11).values).all()

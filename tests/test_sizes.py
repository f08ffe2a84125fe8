"""Sizes that similar data shares, against simulated batches and by their properties."""

import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax import sizes
from multvae_jax.batching import to_device
from tests.builders import counts


def of_length(n_users, length, n_items=100):
    """Histories that all have the first items."""
    rows = np.arange(n_items)[None] < np.full((n_users, 1), length)
    return sp.csr_array(rows, dtype=np.float32)


@pytest.fixture(scope="module")
def lengths():
    """Numbers of items of users, with a long tail."""
    return np.random.default_rng(0).lognormal(4, 1, 1000).astype(np.int64)


def test_a_size_is_rounded_up_by_an_eighth_to_one_of_eight_per_power_of_two():
    numbers = np.arange(1, 5000)
    rounded = np.array([sizes.rounded_up(int(number)) for number in numbers])
    assert (rounded >= numbers).all()
    assert (rounded <= 1.125 * numbers).all()
    assert (np.diff(rounded) >= 0).all()
    assert len({*rounded[(rounded > 1024) & (rounded <= 2048)]}) == 8


@pytest.mark.parametrize("batch_size", [20, 100, 900])
def test_a_batch_has_room_for_nearly_all_random_batches_and_for_little_more(lengths, batch_size):
    chunks, rng = -(-lengths // 16), np.random.default_rng(1)
    drawn = np.array([rng.permutation(chunks)[:batch_size].sum() for _ in range(1000)])
    room = sizes.room_of_lengths(lengths, lengths[:0], batch_size)
    # Three standard deviations of a sum with a tail.
    assert np.mean(drawn > room.capacity) <= 0.01
    assert room.capacity <= 1.125 * (np.mean(drawn) + 3.3 * np.std(drawn))
    assert room.chunks >= chunks.sum()
    assert room.users >= 1000


def test_all_folds_of_the_same_users_have_the_same_sizes(lengths):
    rooms = {sizes.room_of_lengths(lengths[n:], lengths[:n], 50) for n in (100, 250, 400)}
    assert len(rooms) == 1
    # Validation users that are many more than those of the training would waste room.
    few = lengths[:50]
    assert sizes.room_of_lengths(few, lengths, 50) == sizes.room_of_lengths(few, few[:0], 50)


def test_requests_have_a_few_sizes():
    seen = set()
    for n_users in (1, 2, 8, 9, 64, 65, 500):
        for length in (0, 1, 16, 17, 40, 100):
            request, capacity = sizes.request_of(of_length(n_users, length), 500)
            assert request.n_users in (1, 8, 64, 500)
            assert n_users <= request.n_users
            assert int(request.starts[-1]) == n_users * -(-length // 16) <= capacity
            # A catalogue takes seven chunks.
            assert capacity <= max(8, 7 * request.n_users)
            seen.add((request.n_users, capacity))
    assert len(seen) <= 3 * 4


@pytest.mark.parametrize("n_users", [1, 8])
@pytest.mark.parametrize("longest", [None, 40])
def test_requests_of_all_sizes_are_one_of_each(n_users, longest):
    def capacity(rows):
        return sizes.request_of(rows, n_users)[1]

    found = [capacity(rows) for rows in sizes.requests_of_all_sizes(n_users, 100, longest=longest)]
    lengths = range(1 + (longest or 100))
    assert found == sorted({capacity(of_length(n_users, length)) for length in lengths})


@pytest.mark.parametrize(
    ("batch_size", "n_items", "users"), [(500, 20_000, 500), (500, 2**20, 16), (500, 2**30, 1)]
)
def test_scores_of_users_at_once_fit_in_memory(batch_size, n_items, users):
    assert sizes.users_at_once(batch_size, n_items) == users


def test_users_that_are_appended_have_no_items():
    histories = to_device(sp.csr_array(counts(0, 5, 9).astype(np.float32)))
    for number, expected in ((8, 8), (3, 5)):
        found = sizes.with_users(histories, number)
        assert found.n_users == expected
        starts = np.asarray(found.starts)
        np.testing.assert_array_equal(starts[:6], histories.starts)
        assert (starts[6:] == starts[5]).all()

"""Users dealt to several processes."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.batching import shuffled_order
from multvae_jax.errors import InputError
from multvae_jax.parallel.meshes import make_mesh
from multvae_jax.parallel.shares import Shares, shares_of, shares_of_owners


@pytest.mark.parametrize(
    ("owners", "shares"),
    [
        # Two parts of the users for each process, a part for each, one for two, and one for all.
        ([[0, 0], [0, 0], [1, 1], [1, 1], [2, 2], [2, 2], [3, 3], [3, 3]], Shares(4, 2, 2)),
        ([[0, 0], [1, 1], [2, 2], [3, 3]], Shares(4, 2, 1)),
        ([[0, 0, 1, 1], [2, 2, 3, 3]], Shares(2, 1, 1)),
        ([[0, 1, 2, 3]], Shares(1, 0, 1)),
    ],
)
def test_shares_are_those_of_the_processes_with_a_part(owners, shares):
    assert shares_of_owners(owners, 4, 2) == shares


@pytest.mark.parametrize(
    ("owners", "message"),
    [
        ([[0], [1]], "mesh: none of its 2 devices is one of process 2"),
        ([[0, 0, 0], [0, 1, 1], [1, 1, 2], [2, 2, 2], [3, 3, 3]], "mesh: items=3 and the number"),
    ],
)
def test_a_mesh_that_does_not_fit_the_processes_is_refused(owners, message):
    with pytest.raises(InputError, match=message):
        shares_of_owners(owners, 4, 2)


@pytest.mark.parametrize("batch_size", [20, 500, 900])
def test_a_part_has_room_for_its_users_in_nearly_all_batches_and_for_few_more(batch_size):
    shares, rng = Shares(4, 0, 1), np.random.default_rng(0)
    drawn = np.array([(rng.permutation(1000)[:batch_size] % 4 == 0).sum() for _ in range(1000)])
    size = shares.users_per_part(batch_size, 1000)
    assert np.mean(drawn > size) <= 0.01
    assert size <= np.mean(drawn) + 3.3 * np.std(drawn) + 1
    assert Shares(4, 0, 2).users_per_part(1000, 1000) == 125


def test_the_devices_of_one_process_have_no_shares():
    assert shares_of(None) is None
    assert shares_of(make_mesh()) is None


@given(
    number=st.integers(1, 4),
    parts=st.integers(1, 3),
    n_users=st.integers(1, 60),
    batch_size=st.integers(1, 20),
)
def test_each_user_of_a_batch_is_on_a_part_of_its_share(number, parts, n_users, batch_size):
    order = shuffled_order(jax.random.key(n_users), n_users, batch_size)
    shares = Shares(number, 0, parts)
    dealt = shares.dealt(order, shares.users_per_part(batch_size, n_users))
    assert [sorted(row[row >= 0]) for row in dealt] == [sorted(row[row >= 0]) for row in order]
    in_parts = dealt.reshape(len(order), number, parts, -1)
    for share in range(number):
        mine = in_parts[:, share]
        assert np.all((mine < 0) | (mine % number == share))
        counts = (mine >= 0).sum(axis=-1)
        assert np.all(counts.max(axis=-1) - counts.min(axis=-1) <= 1)


def test_a_batch_in_order_needs_no_padding():
    order = np.arange(24, dtype=np.int32).reshape(2, 12)
    assert Shares(2, 0, 3).dealt(order).shape == (2, 12)


def test_nearly_all_batches_have_room():
    shares, rng = Shares(4, 0, 1), np.random.default_rng(0)
    room = shares.users_per_part(500, 20_000)
    batches = np.array([rng.permutation(20_000)[:500] for _ in range(200)])
    most = [np.bincount(batch % 4, minlength=4).max() for batch in batches]
    assert np.mean(np.array(most) > room) < 0.02

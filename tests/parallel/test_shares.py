"""Users dealt to several processes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.batching import deal_to_devices, shuffled_order, take, to_device
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


def test_devices_hold_the_histories_of_their_share_alone():
    rng = np.random.default_rng(0)
    matrix = sp.csr_array((rng.random((9, 50)) < rng.random((9, 1))).astype(np.float32))
    features = np.arange(9, dtype=np.float32)[:, None]
    whole = to_device(matrix, user_features=features)
    mine = deal_to_devices(matrix, Shares(2, 1, 1), make_mesh(), user_features=features)
    assert (mine.n_users, int((mine.values > 0).sum())) == (9, matrix[1::2].nnz)
    np.testing.assert_array_equal(mine.chunks_of_users(), whole.chunks_of_users())
    users = jnp.array([5, 1, -1, 7], jnp.int32)
    ours, theirs = take(mine, users, 16), take(whole, users, 16)
    # Items of chunks that are padding are of any user, and have the value 0.
    np.testing.assert_array_equal(
        *(np.where(batch.values != 0, batch.items, 0) for batch in (ours, theirs))
    )
    # Padding has the features of some user.
    np.testing.assert_array_equal(ours.user_features[[0, 1, 3], 0], [5, 1, 7])
    for name in ("values", "part", "users"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    np.testing.assert_array_equal(ours.owner, np.minimum(theirs.owner, 3))

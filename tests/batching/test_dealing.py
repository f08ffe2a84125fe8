"""Histories that are dealt to several processes."""

import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from multvae_jax.batching import deal_to_devices, take, to_device
from multvae_jax.parallel.meshes import make_mesh
from multvae_jax.parallel.shares import Shares


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

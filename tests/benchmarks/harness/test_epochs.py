"""Epochs of the benchmarks are those of `fit`."""

import jax
import numpy as np
import optax
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from benchmarks.harness.epochs import epoch_runner, whole_batch
from multvae_jax.batching import to_device
from multvae_jax.data.types import Catalogue, HeldOut, Split
from multvae_jax.schedules import linear_annealing
from tests.builders import assert_close, counts

pytestmark = pytest.mark.updates


def test_epochs_train_as_fit_does():
    train = sp.csr_array(counts(0, n_users=23, n_items=12) > 0, dtype=np.float32)
    model = mv.mult_vae((5,), 3)
    model = model._replace(init=jax.jit(model.init, static_argnums=1))
    optimizer, beta = optax.adam(1e-2), linear_annealing(0.2, 5)
    users, items = map(np.arange, train.shape)
    catalogue = Catalogue(items.astype(str), np.ones_like(items), {})
    split = Split(train, None, HeldOut(train, train, users), users, catalogue)
    run = mv.fit(
        jax.random.key(0), model, split, epochs=3, batch_size=4, optimizer=optimizer, beta=beta
    )
    run_epoch = epoch_runner(train, 4, model, optimizer, beta)
    for _ in range(3):
        state = run_epoch()
    assert int(state.step) == 18
    assert_close(state.params, run.params)


def test_the_whole_batch_holds_every_history():
    matrix = counts(1, n_users=6, n_items=40)
    batch = whole_batch(to_device(sp.csr_array(matrix)))
    assert batch.users.tolist() == list(range(6))
    dense = np.zeros((7, 40))  # the last row is for padding
    np.add.at(dense, (np.asarray(batch.owner)[:, None], np.asarray(batch.items)), batch.values)
    np.testing.assert_array_equal(dense[:6], matrix)

"""Training from a store: that of the same histories in memory, to the bit."""

import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.batching import plan_of_chunks, take
from multvae_jax.errors import InputError
from multvae_jax.sizes import Room, room_of
from multvae_jax.training_loop import streaming
from multvae_jax.training_loop.streaming import source_of
from tests.builders import assert_same, checkerboard, counts

pytestmark = pytest.mark.updates

MODEL = mv.mult_vae((8,), 4)
# Nine updates an epoch, the last with padding; one part of nine, or with a callback three.
OPTIONS = {"epochs": 2, "batch_size": 7, "optimizer": optax.adam(1e-2)}


def fit(split, model=MODEL, **options):
    return mv.fit(jax.random.key(3), model, split, **OPTIONS | options)


def without_seconds(log):
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in log]


@pytest.fixture(scope="module")
def split():
    """Users of very different lengths, one of them without items."""
    made = checkerboard()
    train = sp.csr_array(counts(5, 60, 40).astype(np.float32))
    return replace(made, train=train)


@pytest.fixture
def path(split, tmp_path):
    mv.write_store(tmp_path / "a.store", split)
    return tmp_path / "a.store"


@pytest.fixture(scope="module")
def in_memory(split):
    return fit(split)


def test_a_streamed_training_is_that_in_memory(path, in_memory):
    streamed = fit(mv.open_store(path))
    assert without_seconds(streamed.log) == without_seconds(in_memory.log)
    assert_same(streamed.params, in_memory.params)
    assert_same(streamed.state.opt_state, in_memory.state.opt_state)


def test_a_streamed_training_goes_on_in_the_middle_of_an_epoch(path, in_memory):
    seen = []

    def stop(state):
        seen.append(replace(state, train=jax.tree.map(jnp.copy, state.train)))
        return len(seen) == 2

    store = mv.open_store(path)
    fit(store, callback=stop, callback_every=3)
    assert seen[-1].entry is None
    again = fit(store, state=seen[-1])
    assert [entry["step"] for entry in again.log] == [9, 18]
    assert_same(again.params, in_memory.params)


def test_features_of_users_come_with_their_histories(path):
    """Each batch has the features and the number of its own users."""
    store = mv.open_store(path)
    features = {"age": np.arange(60, dtype=np.float32), "pair": np.ones((60, 2), np.float32)}
    source = source_of(store.train, room_of(store, 7), features)
    order, capacity = plan_of_chunks(jax.random.key(1), source.chunks, 7)
    some = jax.jit(take, static_argnames="capacity")
    for part, histories, rows in source.batches(order, [slice(0, 3), slice(6, 9)], capacity):
        for users, mine in zip(order[part], rows, strict=True):
            batch = some(histories, jnp.asarray(mine), capacity=capacity)
            np.testing.assert_array_equal(batch.users, users)
            real = users >= 0
            np.testing.assert_array_equal(batch.user_features["age"][real], users[real])


def test_histories_are_read_ahead_and_no_further(path, monkeypatch):
    """While a part is trained on the next one is read, in another thread, and none after it."""
    store, read, threads = mv.open_store(path), [], set()
    load = streaming._load

    def watched(*args):
        threads.add(threading.current_thread())
        read.append(args[4])
        return load(*args)

    class Waiting(ThreadPoolExecutor):
        """A part that was asked for has been read before the main thread goes on."""

        def submit(self, *args):
            future = super().submit(*args)
            wait([future])
            return future

    monkeypatch.setattr(streaming, "_load", watched)
    monkeypatch.setattr(streaming, "ThreadPoolExecutor", Waiting)
    source = source_of(store.train, room_of(store, 7))
    order, capacity = plan_of_chunks(jax.random.key(1), source.chunks, 7)
    parts = [slice(n, n + 1) for n in range(9)]
    batches = source.batches(order, parts, capacity)
    for number in range(4):
        assert next(batches).part == parts[number]
        assert len(read) == number + streaming.IN_FLIGHT
    batches.close()
    assert threading.current_thread() not in threads
    assert not any(thread.is_alive() for thread in threads)


def test_an_epoch_has_the_memory_of_its_parts_in_flight(tmp_path):
    rows = sp.csr_array(np.ones((100, 500), np.float32))
    items = mv.Catalogue(np.arange(500).astype(str).astype(object), np.zeros(500, int), {})
    blocks = (([f"{n} {user}" for user in range(100)], rows) for n in range(30))
    mv.write_histories(tmp_path / "b", blocks, items)
    train = mv.open_store(tmp_path / "b").train
    source = source_of(train, Room(0, 0, 0))
    order, capacity = plan_of_chunks(jax.random.key(1), source.chunks, 20)
    parts = [slice(n, n + 5) for n in range(0, 150, 5)]
    tracemalloc.start()
    batches = sum(len(loaded.order) for loaded in source.batches(order, parts, capacity))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The epoch has 12 MB on the device and more while it is read, a part 0.4 MB.
    assert (batches, train.nnz) == (150, 1_500_000)
    assert peak < 4e6


def test_a_store_that_changes_while_it_is_trained_on_ends_the_training(path):
    store = mv.open_store(path)
    items = path / "train.items.npy"
    with pytest.raises(InputError, match=r"train\.items\.npy: has changed since it was opened"):
        fit(store, callback=lambda state: os.utime(items, ns=(0, 0)))


def test_whatever_needs_all_histories_reads_the_store(path, split):
    store = mv.open_store(path)
    ours, theirs = (mv.fit_baseline("item-knn", one).params for one in (store, split))
    assert_same(ours, theirs)

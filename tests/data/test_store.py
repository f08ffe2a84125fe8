"""Stores: what is written comes back, and nothing else is taken for one."""

import dataclasses
import itertools
import json
import os
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.data.fingerprints import fingerprint
from multvae_jax.errors import InputError
from multvae_jax.host.stored_matrix import StoredMatrix
from tests.builders import checkerboard, counts


@pytest.fixture(scope="module")
def split():
    made = checkerboard(n_users=11, n_items=10)
    ids = np.array(["1", "zwölf", *(f"u{n}" for n in range(8)), "a longer name"], object)
    catalogue = dataclasses.replace(made.catalogue, titles={"i3": "Düne \0 2"})
    return dataclasses.replace(made, user_ids=ids, catalogue=catalogue, notes=("read so",))


@pytest.fixture
def store(split, tmp_path):
    mv.write_store(tmp_path / "a.store", split)
    return tmp_path / "a.store"


def assert_equal_parts(found, split):
    assert isinstance(found.train, StoredMatrix)
    pairs = [(found.train.tocsr(), split.train)]
    for part in ("validation", "test"):
        ours, theirs = getattr(found, part), getattr(split, part)
        pairs += [(ours.history, theirs.history), (ours.targets, theirs.targets)]
        assert ours.user_ids.tolist() == theirs.user_ids.tolist()
    for ours, theirs in pairs:
        for field in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))
    assert found.user_ids.tolist() == split.user_ids.tolist()
    assert found.catalogue.ids.tolist() == split.catalogue.ids.tolist()
    assert found.catalogue.titles == split.catalogue.titles
    np.testing.assert_array_equal(found.catalogue.counts, split.catalogue.counts)
    assert (found.notes, found.sizes()) == (split.notes, split.sizes())


def test_a_split_comes_back_from_its_store(split, store):
    assert_equal_parts(mv.open_store(store), split)


def test_a_store_is_written_again_from_itself(split, store, tmp_path):
    mv.write_store(tmp_path / "b.store", mv.open_store(store))
    assert_equal_parts(mv.open_store(tmp_path / "b.store"), split)


@pytest.mark.parametrize("cuts", [[4], [1, 2, 3], []])
def test_blocks_of_users_make_the_store_of_the_whole(split, store, tmp_path, cuts):
    edges = [0, *cuts, 11]
    blocks = (
        (split.user_ids[start:stop], split.train[start:stop])
        for start, stop in itertools.pairwise(edges)
    )
    mv.write_histories(
        tmp_path / "b", blocks, split.catalogue, split.validation, split.test, split.notes
    )
    found = mv.open_store(tmp_path / "b")
    assert_equal_parts(found, split)
    assert fingerprint(found) == fingerprint(mv.open_store(store))


def test_values_are_kept_from_the_first_that_is_not_one(split, tmp_path):
    values = counts(3, 11, 10)
    values[:6] = values[:6] > 0
    train = sp.csr_array(values.astype(np.float32))
    # An explicit zero is not an interaction.
    train.data[-1] = 0
    blocks = [(split.user_ids[:6], train[:6]), (split.user_ids[6:], train[6:])]
    mv.write_histories(tmp_path / "b", blocks, split.catalogue)
    found = mv.open_store(tmp_path / "b")
    np.testing.assert_array_equal(found.train.tocsr().toarray(), train.toarray())
    assert found.train.nnz == train.nnz - 1
    np.testing.assert_array_equal(found.catalogue.counts, (train.toarray() > 0).sum(axis=0))
    assert found.validation is None
    assert len(found.test.user_ids) == 0


def test_an_item_that_a_block_has_twice_is_one_interaction(split, tmp_path):
    twice = sp.csr_array(([1.0, 1.0, 1.0], [5, 2, 5], [0, 3]), shape=(1, split.train.shape[1]))
    mv.write_histories(tmp_path / "b", [(["ann"], twice)], split.catalogue)
    found = mv.open_store(tmp_path / "b").train
    assert found.nnz == 2
    np.testing.assert_array_equal(found.tocsr().toarray(), twice.toarray())


@pytest.mark.parametrize("change", ["user", "item", "interaction", "value"])
def test_fingerprints_tell_stores_apart(split, store, tmp_path, change):
    train, ids, catalogue = split.train.copy(), split.user_ids.copy(), split.catalogue
    if change == "user":
        ids[3] = "another"
    elif change == "item":
        catalogue = dataclasses.replace(catalogue, ids=catalogue.ids[::-1])
    elif change == "interaction":
        train.indices[2] += 1
    else:
        train.data[0] = 2
    mv.write_histories(tmp_path / "b", [(ids, train)], catalogue, split.validation, split.test)
    assert fingerprint(mv.open_store(tmp_path / "b")) != fingerprint(mv.open_store(store))


def test_writing_takes_the_memory_of_one_block(tmp_path):
    rows = sp.csr_array(np.ones((100, 1000), np.float32))
    items = mv.Catalogue(np.arange(1000).astype(str).astype(object), np.zeros(1000, int), {})
    blocks = (([f"{n} {user}" for user in range(100)], rows) for n in range(50))
    tracemalloc.start()
    mv.write_histories(tmp_path / "b", blocks, items)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 20 MB are written, and a block has 0.8 MB.
    assert mv.open_store(tmp_path / "b").train.nnz == 5_000_000
    assert peak < 5e6


def test_what_cannot_be_written_whole_is_not_there(split, tmp_path):
    def blocks():
        yield split.user_ids[:4], split.train[:4]
        raise RuntimeError("the source has ended")

    with pytest.raises(RuntimeError):
        mv.write_histories(tmp_path / "b", blocks(), split.catalogue)
    wrong = [
        ([split.train], "blocks: number 0 is"),
        ([(split.user_ids[:3], split.train)], "blocks: the matrix of number 0: 11 rows for 3"),
        ([(split.user_ids, split.train[:, :9])], "has 9 items, and the catalogue 10"),
        ([(map(str, range(11)), split.train)], "blocks: the ids of number 0: of type map"),
        ([(split.user_ids, split.train * np.nan)], "number 0 has values that are not finite"),
        ([(["a\0", *"bcdefghijk"], split.train)], "ids: 'a\\x00' ends with the character NUL"),
        ([], "no users to train on"),
    ]
    for given, message in wrong:
        with pytest.raises(InputError) as error:
            mv.write_histories(tmp_path / "b", iter(given), split.catalogue)
        assert message in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_not_written_over(split, store):
    with pytest.raises(InputError, match="already exists"):
        mv.write_store(store, split)


def test_features_are_not_lost(split, tmp_path):
    catalogue = dataclasses.replace(split.catalogue, features=np.ones((10, 2)))
    with pytest.raises(InputError, match="split: has features"):
        mv.write_store(tmp_path / "b", dataclasses.replace(split, catalogue=catalogue))


def change_about(store, **changes):
    about = json.loads((store / "store.json").read_text())
    (store / "store.json").write_text(json.dumps(about | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda store: (store / "store.json").unlink(), "not a store (it has no store.json)"),
        (lambda store: change_about(store, version=2), "a store of version 2, and this program"),
        (lambda store: change_about(store, users=3), "damaged, its checksum differs"),
        (lambda store: change_about(store, format="zarr"), "store.json: damaged, or not of a"),
        (lambda store: (store / "store.json").write_text("{"), "store.json: damaged, or not of"),
        (lambda store: (store / "store.json").write_text("[]"), "store.json: damaged, or not of"),
        (lambda store: os.truncate(store / "train.items.npy", 150), "it has 150 bytes and not"),
        (lambda store: (store / "test.history.items.npy").unlink(), "No such file"),
        (lambda store: overwrite(store / "item_ids.npy"), "item_ids.npy: damaged"),
        (lambda store: overwrite(store / "train.items.npy"), "not an .npy file with one axis"),
        (lambda store: overwrite(store / "titles.json"), "titles.json: damaged"),
    ],
)
def test_damaged_stores_are_refused_in_one_line(store, damage, message):
    damage(store)
    with pytest.raises(InputError) as error:
        mv.open_store(store)
    assert message in str(error.value)
    assert str(error.value).startswith(str(store))


def overwrite(path):
    path.write_bytes(b"\xff" * path.stat().st_size)


def test_what_is_not_a_store_is_refused(tmp_path):
    (tmp_path / "file.csv").write_text("user,item\n")
    for path, problem in [
        (tmp_path / "none", "there is no such folder"),
        (tmp_path / "file.csv", "not a folder"),
        (tmp_path, "it has no store.json"),
    ]:
        with pytest.raises(InputError) as error:
            mv.open_store(path)
        assert problem in str(error.value)

"""Rows of a matrix in files, against those of scipy's matrix in memory."""

import os

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from multvae_jax.errors import InputError
from multvae_jax.host.stored_matrix import StoredMatrix
from tests.builders import counts


def stored(folder, dense, with_values=True):
    """The files that a dense matrix has, written by numpy."""
    rows = sp.csr_array(dense)
    arrays = {"indptr": rows.indptr.astype(np.int64), "items": rows.indices.astype(np.int32)}
    if with_values:
        arrays["values"] = rows.data.astype(np.float32)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    values = folder / "values.npy" if with_values else None
    return StoredMatrix(folder / "indptr.npy", folder / "items.npy", values, dense.shape[1], "")


@pytest.fixture(scope="module")
def dense():
    whole = counts(0, 12, 9)
    whole[[4, 5]] = 0
    return whole


@pytest.fixture(scope="module")
def matrix(dense, tmp_path_factory):
    return stored(tmp_path_factory.mktemp("matrix"), dense)


@given(users=st.lists(st.integers(-1, 11), max_size=30))
def test_rows_come_in_the_order_they_are_asked_for(users, dense, matrix):
    expected = np.array([dense[user] if user >= 0 else 0 * dense[0] for user in users])
    found = matrix.rows(np.array(users, np.int64))
    np.testing.assert_array_equal(found.toarray(), expected.reshape(len(users), 9))


@pytest.mark.parametrize("n_entries", [1, 7, 10_000])
def test_blocks_are_all_rows_once(dense, matrix, n_entries):
    blocks = list(matrix.blocks(n_entries))
    assert [part.start for part, _ in blocks] == [0, *(part.stop for part, _ in blocks[:-1])]
    np.testing.assert_array_equal(np.vstack([rows.toarray() for _, rows in blocks]), dense)
    assert (len(blocks) == 1) == (n_entries == 10_000)
    assert matrix.nnz == np.count_nonzero(dense)


def test_without_values_all_are_one(tmp_path, dense):
    found = stored(tmp_path, dense, with_values=False).tocsr().toarray()
    np.testing.assert_array_equal(found, (dense > 0).astype(np.float32))


def test_nothing_is_read_before_it_is_needed(tmp_path, dense):
    matrix = stored(tmp_path, dense)
    (tmp_path / "values.npy").unlink()
    assert matrix.shape == dense.shape
    with pytest.raises(InputError, match=r"values\.npy: No such file"):
        matrix.rows(np.array([0]))


def cut(path):
    os.truncate(path, path.stat().st_size - 4)


def lengthened(path):
    with path.open("ab") as file:
        file.write(b"....")


def touched(path):
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize("change", [cut, lengthened, touched])
def test_files_that_change_while_they_are_used_are_refused(tmp_path, dense, change):
    matrix = stored(tmp_path, dense)
    matrix.rows(np.array([0]))
    change(tmp_path / "items.npy")
    with pytest.raises(InputError, match=r"items\.npy: has changed since it was opened"):
        matrix.rows(np.array([1]))


@pytest.mark.parametrize("change", [cut, lengthened])
def test_files_of_another_length_than_they_say_are_refused(tmp_path, dense, change):
    stored(tmp_path, dense)
    change(tmp_path / "items.npy")
    with pytest.raises(InputError, match=r"items\.npy: has \d+ bytes and not \d+"):
        StoredMatrix(tmp_path / "indptr.npy", tmp_path / "items.npy", None, 9, "")


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("items", np.full(3, 9, np.int32), "items.npy: damaged, it has the item 9 of 9"),
        ("items", np.array([0, -1, 1], np.int32), "items.npy: damaged, it has the item -1 of 9"),
        ("items", np.zeros(3, np.float32), "items.npy: of float32 and not of int32"),
        ("indptr", np.array([0, 2, 1, 3]), "indptr.npy: damaged"),
        ("indptr", np.array([0, 2, 4]), "indptr.npy: damaged"),
        ("values", np.ones(2, np.float32), "values.npy: 2 values of 3 items"),
        ("items", np.zeros((3, 1), np.int32), "items.npy: not an .npy file with one axis"),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, array, message):
    stored(tmp_path, np.eye(3))
    np.save(tmp_path / f"{name}.npy", array)
    files = [tmp_path / f"{part}.npy" for part in ("indptr", "items", "values")]
    with pytest.raises(InputError) as error:
        StoredMatrix(*files, 9, "").tocsr()
    assert message in str(error.value)

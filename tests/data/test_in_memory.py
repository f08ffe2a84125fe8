"""Data frames and sparse matrices: the same interactions and notes as from a file."""

import dataclasses
import re

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.data.spelling import as_arguments

ROWS = {
    "who": [3, 3, 1, 1, 1, 2, 2, 3, 3],
    "what": ["b", "a", "a", "c", "a", "b", "c", "c", "d"],
    "stars": [5.0, 4.0, 3.0, 5.0, 4.0, 1.0, 4.5, 4.0, 5.0],
    "at": [10, 11, 12, 13, 9, 14, 15, 16, 17],
    "text": ["x", None, "y", "", "z", "x", "x", "x", "x"],
}
COLUMNS = {"user": "who", "item": "what", "rating": "stars", "time": "at"}
CHOICES = (
    {},
    {"min_rating": 4, "min_user_count": 2, "min_item_count": 2},
    {"repeats": "earliest", "min_user_count": 0},
)


def pandas_frame(rows):
    return pytest.importorskip("pandas").DataFrame(rows, index=[f"r{n}" for n in range(9)])


def arrow_table(rows):
    return pytest.importorskip("pyarrow").table(rows)


def duckdb_relation(rows):
    return pytest.importorskip("duckdb").from_arrow(arrow_table(rows))


class Streamed:
    """A frame of a library that Narwhals has not heard of."""

    def __init__(self, rows):
        self._frame = pl.DataFrame(rows)

    def __arrow_c_stream__(self, requested_schema=None):
        return self._frame.__arrow_c_stream__(requested_schema)


FRAMES = [pl.DataFrame, pl.LazyFrame, Streamed, pandas_frame, arrow_table, duckdb_relation]


def assert_alike(found, expected, name):
    for field in dataclasses.fields(mv.Interactions):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if field.name == "notes":
            other = tuple(as_arguments(re.sub(r"^\S+\.csv", name, note)) for note in other)
            assert one == other
        else:
            np.testing.assert_array_equal(one, other, err_msg=field.name)


@pytest.mark.parametrize("make", FRAMES)
def test_a_frame_gives_what_its_file_gives(make, tmp_path):
    pl.DataFrame(ROWS).write_csv(tmp_path / "rows.csv")
    for choice in CHOICES:
        choice = {"min_user_count": 1, **choice, **COLUMNS}
        expected = mv.read_interactions(tmp_path / "rows.csv", **choice)
        assert len(expected.notes) >= 1
        assert_alike(mv.from_frame(make(ROWS), **choice), expected, "frame")


def test_a_matrix_gives_what_a_file_of_its_entries_gives(tmp_path):
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 6, (12, 7)) * (rng.random((12, 7)) < 0.6)
    users, items = [f"u{n}" for n in range(12)], [str(n + 5) for n in range(7)]
    lines = [f"{users[u]},{items[i]},{dense[u, i]}" for u, i in np.argwhere(dense)]
    (tmp_path / "rows.csv").write_text("\n".join(["user,item,rating", *lines]) + "\n")
    titles = {int(item): f"title of {item}" for item in items}
    (tmp_path / "movies.csv").write_text(
        "\n".join(["item,title", *(f"{item},{title}" for item, title in titles.items())])
    )
    for choice in ({"min_user_count": 3}, {"min_rating": 3, "min_user_count": 2}):
        expected = mv.read_interactions(
            tmp_path / "rows.csv", titles=tmp_path / "movies.csv", **choice
        )
        for matrix in (sp.csr_array(dense), sp.coo_matrix(dense), sp.csc_array(dense * 1.0)):
            found = mv.from_csr(matrix, users, np.array(items), titles=titles, **choice)
            assert_alike(found, expected, "matrix")


def test_what_a_matrix_stores_as_zero_or_twice_is_seen():
    stored = sp.coo_array(([1, 1, 0, 2, 3], ([0, 0, 0, 2, 2], [1, 1, 0, 0, 1])), shape=(4, 2))
    data = mv.from_csr(stored, min_user_count=1)
    assert data.user_ids[data.users].tolist() == ["0", "2", "2"]
    assert data.item_ids[data.items].tolist() == ["1", "0", "1"]
    assert data.notes[0] == "matrix: 2 of 4 rows are empty"


def test_ids_of_frames_are_those_of_files():
    """Whole floats, categories and lists; the other columns may hold anything."""
    frame = pl.DataFrame(
        {
            "user": [1.0, 2.0, 3.0],
            "item": [[50, 7], [7], [50]],
            "other": [object(), {}, ()],
        },
        schema_overrides={"other": pl.Object},
    )
    data = mv.from_frame(frame, min_user_count=1)
    assert data.user_ids[data.users].tolist() == ["1", "1", "2", "3"]
    assert data.item_ids[data.items].tolist() == ["50", "7", "7", "50"]
    categories = pl.DataFrame({"user": ["b", "a"], "item": ["x", "x"]}).cast(pl.Categorical)
    assert mv.from_frame(categories, min_user_count=1).user_ids.tolist() == ["a", "b"]


ONE = pl.DataFrame({"user": ["a", None], "item": [1, 2]})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mv.from_frame({"user": [1]}), "frame: dict is not a data frame of pandas, Polars"),
        (lambda: mv.from_frame(np.eye(2)), "frame: ndarray is not a data frame"),
        (lambda: mv.from_frame(pl.DataFrame({"a": [1]})), "columns are a; name one with user=$"),
        (lambda: mv.from_frame(ONE, user="u"), "frame: no column 'u'; the columns are user, item"),
        (lambda: mv.from_frame(ONE), "frame: row 2: column 'user' is empty"),
        (lambda: mv.from_frame(ONE[:1], min_rating=4), "a rating threshold needs a rating column"),
        (lambda: mv.from_csr(np.eye(2)), "matrix: ndarray is not a sparse matrix of scipy"),
        (lambda: mv.from_csr(sp.eye_array(2), ["a"]), "user_ids: 1 ids for 2 rows"),
        (lambda: mv.from_csr(sp.eye_array(2), None, ["a", "a"]), "item_ids: 'a' occurs twice"),
        (lambda: mv.from_csr(sp.eye_array(2), [1, None]), r"user_ids\[1\]: None is not an id"),
        (lambda: mv.from_csr(sp.csr_array((2, 2))), "matrix: it has no entry other than 0"),
        (lambda: mv.from_csr(sp.eye_array(2)), "none of the 2 users is left; the minimum counts"),
    ],
)
def test_what_cannot_be_taken_is_refused(call, message):
    with pytest.raises(mv.InputError, match=message):
        call()


def test_values_that_are_not_numbers_are_named_by_their_row_and_column():
    matrix = sp.csr_array([[5, 0, 4], [0, 4, np.nan]])
    with pytest.raises(mv.InputError, match=r"^matrix\[1, 2\]: nan is not a finite number$"):
        mv.from_csr(matrix, min_rating=4, min_user_count=1)
    assert mv.from_csr(matrix, min_user_count=1).users.size == 4  # its values are not used


def test_a_matrix_whose_indices_are_out_of_bounds_is_refused():
    matrix = sp.csr_array([[5, 0, 4], [0, 4, 1]])
    matrix.indices[0] = 7
    with pytest.raises(mv.InputError, match=r"^matrix: .* must be < 3"):
        mv.from_csr(matrix, min_user_count=1)


def test_odd_column_names_of_pandas_are_refused():
    pandas = pytest.importorskip("pandas")
    rows = [(1, "a"), (2, "a")]
    for columns, message in {
        (0, 1): "frame: the column 0 has a name that is not text",
        (("a", "user"), ("a", "item")): r"frame: the column \('a', 'user'\) has a name",
        ("user", "user"): "frame: two columns have the name 'user'; rename or drop one",
    }.items():
        with pytest.raises(mv.InputError, match=message):
            mv.from_frame(pandas.DataFrame(rows, columns=list(columns)))

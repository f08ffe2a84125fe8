"""The fast path for integers returns exactly what the file contains, or nothing."""

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.readers.integers import _HEAD, read_integer_columns

USUAL = st.integers(0, 10**18 - 1).map(str)
ODD = st.sampled_from(
    ["007", "+7", "-3", "-0", " 7", "7 ", "7\t", "", "1.5", "1e3", "x", '"7"', "é", "9" * 19, "7\r"]
)
ROWS = st.lists(st.lists(USUAL, min_size=2, max_size=2), min_size=1, max_size=5)
ODD_ROW = st.lists(USUAL | ODD, min_size=1, max_size=3)
# Long lines, so that few of them are more than the head that decides how a column is read.
CLEAN = f"{10**17},{2 * 10**17}"
MORE_THAN_A_HEAD = 2_000
assert len(CLEAN) * MORE_THAN_A_HEAD > _HEAD


def typed(text: str, start: int = 0) -> pl.DataFrame | None:
    return read_integer_columns(text.encode(), start, ",", 2)


@settings(max_examples=300, deadline=None)
@given(
    rows=ROWS,
    odd=st.lists(ODD_ROW, max_size=2),
    before=st.sampled_from([0, MORE_THAN_A_HEAD]),
    ending=st.sampled_from(["\n", "\r\n"]),
    ended=st.booleans(),
)
@example(rows=[["1", "2"]], odd=[["+7", "2"], ["3"]], before=0, ending="\n", ended=True)
@example(
    rows=[["1", "2"]], odd=[["+7", "2"], ["3"]], before=MORE_THAN_A_HEAD, ending="\n", ended=True
)
@example(rows=[["1", "2"]], odd=[["", "+7"]], before=MORE_THAN_A_HEAD, ending="\n", ended=True)
def test_what_is_read_is_what_stands_in_the_file(rows, odd, before, ending, ended):
    lines = [CLEAN] * before + [",".join(row) for row in [*rows, *odd]]
    found = typed(ending.join(lines) + ending * ended)
    if found is not None:
        assert found[:before].n_unique() == min(before, 1)
        some = found[max(before - 1, 0) :]
        written = [",".join(str(value) for value in row) for row in some.iter_rows()]
        assert written == lines[max(before - 1, 0) :]
        assert found.height == len(lines)
    assert found is not None or odd


def test_a_sign_does_not_make_up_for_leading_zeros():
    assert typed("12345,2\n" * 20_000 + "-5000,2\n00001,2\n") is None


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("header", ["", "user,item\n"])
def test_a_file_is_read_as_its_bytes_are(header, ended):
    found = typed(f"{header}3,1538\n12,9\n12,10" + "\n" * ended, len(header))
    assert found is not None
    assert found.rows() == [(3, 1538), (12, 9), (12, 10)]
    assert found.dtypes == [pl.Int64, pl.Int64]


def test_other_columns_stay_text_as_it_is_written():
    data = b"1,007,4.50, x\n2,+7,4,y \n"
    found = read_integer_columns(data, 0, ",", 4)
    assert found is not None
    assert found.rows() == [(1, "007", "4.50", " x"), (2, "+7", "4", "y ")]


@pytest.mark.parametrize("kind", [pl.Int8, pl.UInt16, pl.Int64, pl.UInt64])
def test_integers_of_a_parquet_file(tmp_path, kind):
    users = [3, 3, 100, 20, 20]
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"user": users, "item": [1, 2, 1, 2, 1]}, schema_overrides={"user": kind})
    frame.write_parquet(path)
    data = read_interactions(path, min_user_count=0)
    assert data.user_ids.tolist() == ["3", "20", "100"]
    np.testing.assert_array_equal(data.users, [0, 0, 2, 1, 1])


def test_integers_that_64_bits_do_not_hold(tmp_path):
    path = tmp_path / "a.parquet"
    users = pl.Series("user", [5, 2**64 - 1], dtype=pl.UInt64)
    pl.DataFrame([users, pl.Series("item", [1, 2])]).write_parquet(path)
    assert read_interactions(path, min_user_count=0).user_ids.tolist() == [
        "18446744073709551615",
        "5",
    ]

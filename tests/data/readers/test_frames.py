"""Parquet and Arrow files of every type of column."""

import contextlib
import io
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import polars as pl
import pytest

from multvae_jax.data.interactions import read_histories, read_interactions
from multvae_jax.errors import InputError
from tests.data.builders import pairs, refusal, write

PAIRS = [("1", "10"), ("2", "20")]


def parquet(columns):
    file = io.BytesIO()
    pl.DataFrame(columns).write_parquet(file)
    return file.getvalue()


def arrow(columns):
    file = io.BytesIO()
    pl.DataFrame(columns).write_ipc(file)
    return file.getvalue()


def stream(columns):
    file = io.BytesIO()
    pl.DataFrame(columns).write_ipc_stream(file)
    return file.getvalue()


def series(values, kind):
    return pl.Series(values, dtype=kind)


@pytest.mark.parametrize("write_columns", [parquet, arrow, stream])
@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.csv", "a"])
def test_a_file_is_recognized_by_its_first_bytes(tmp_path, write_columns, name):
    path = write(tmp_path, name, write_columns({"user": [1, 2], "item": ["10", "20"]}))
    assert pairs(read_interactions(path, min_user_count=0)) == PAIRS


@pytest.mark.parametrize(
    "items",
    [
        *(series([10, 20], kind) for kind in (pl.Int8, pl.UInt16, pl.Int64, pl.UInt64, pl.Int128)),
        *(series([10.0, 20.0], kind) for kind in (pl.Float32, pl.Float64)),
        series([Decimal("10.00"), Decimal("20.00")], pl.Decimal(10, 2)),
        series(["10", "20"], pl.String),
        series(["10", "20"], pl.Categorical),
        series(["20", "10"], pl.Enum(["20", "10"])).reverse(),
        series([b"10", b"20"], pl.Binary),
    ],
    ids=lambda values: str(values.dtype),
)
def test_an_id_is_the_same_whatever_its_type(tmp_path, items):
    path = write(tmp_path, "a.parquet", parquet({"user": [1.0, 2.0], "item": items}))
    assert pairs(read_interactions(path, min_user_count=0)) == PAIRS


def test_integers_beyond_64_bits_keep_their_digits(tmp_path):
    ids = [2**64 - 1, 2**64 - 2]
    users = series(ids, pl.UInt64)
    items = series([Decimal(10**30), Decimal(10**30 + 1)], pl.Decimal(38, 0))
    data = read_interactions(
        write(tmp_path, "a.parquet", parquet({"user": users, "item": items})), min_user_count=0
    )
    assert pairs(data) == [(str(ids[0]), str(10**30)), (str(ids[1]), str(10**30 + 1))]


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        (series([1.0, 1.5], pl.Float64), "row 2: column 'item': 1.5 is not a whole number"),
        (series([1.0, 2.0**53], pl.Float64), "row 2: column 'item': 9007199254740992.0 is not"),
        (series([1.0, 2.0**24], pl.Float32), "row 2: column 'item': 16777216.0 is not a whole"),
        (series([1.0, float("inf")], pl.Float64), "row 2: column 'item': inf is not a whole"),
        (series([1.0, float("nan")], pl.Float64), "row 2: column 'item' is empty"),
        (series([1.0, None], pl.Float64), "row 2: column 'item' is empty"),
        (series([None, None], pl.Null), "row 1: column 'item' is empty"),
        (series([Decimal("1.05"), Decimal("2")], pl.Decimal(9, 2)), "row 1: column 'item': 1.05"),
        (series([b"a", b"\xff"], pl.Binary), "row 2: column 'item' holds bytes that are not UTF-8"),
        (series([date(2020, 1, 1)] * 2, pl.Date), "column 'item' holds dates or times, not ids"),
        (series([timedelta(1)] * 2, pl.Duration), "column 'item' holds dates or times, not ids"),
        (
            series([{"id": 1, "name": "x"}] * 2, pl.Struct({"id": pl.Int64, "name": pl.String})),
            "column 'item' holds records of id, name; write their fields as columns",
        ),
        (series([[[1]], [[2]]], pl.List(pl.List(pl.Int64))), "column 'item' holds lists"),
    ],
    ids=str,
)
def test_what_is_no_id_is_refused_with_its_row(tmp_path, items, problem):
    path = write(tmp_path, "a.parquet", parquet({"user": [1, 2], "item": items}))
    assert refusal(path).startswith(f"{path}: {problem}")


EPOCH = datetime(2020, 1, 1, 12, tzinfo=UTC).timestamp()
TOKYO = timezone(timedelta(hours=9))


@pytest.mark.parametrize(
    "times",
    [
        series([int(EPOCH)] * 2, pl.Int32),
        series([EPOCH] * 2, pl.Float64),
        series([Decimal(int(EPOCH))] * 2, pl.Decimal(18, 3)),
        *(series([datetime(2020, 1, 1, 12)] * 2, pl.Datetime(unit)) for unit in ("ms", "us", "ns")),
        series([datetime(2020, 1, 1, 21, tzinfo=TOKYO)] * 2, pl.Datetime("us", "Asia/Tokyo")),
        series(["2020-01-01 12:00:00"] * 2, pl.String),
    ],
    ids=lambda values: str(values.dtype),
)
@pytest.mark.parametrize("users", [[1, 2], ["x", "y"]], ids=["typed", "text"])
def test_times_of_every_type_are_seconds(tmp_path, times, users):
    path = write(tmp_path, "a.parquet", parquet({"user": users, "item": [1, 2], "time": times}))
    assert read_interactions(path, min_user_count=0).times.tolist() == [EPOCH] * 2


def test_dates_are_their_first_second(tmp_path):
    times = [date(1970, 1, 2), date(1969, 12, 31)]
    path = write(tmp_path, "a.parquet", parquet({"user": [1, 2], "item": [1, 2], "date": times}))
    assert read_interactions(path, min_user_count=0).times.tolist() == [86400.0, -86400.0]


@pytest.mark.parametrize(
    "ratings",
    [
        series([1, 5], pl.UInt8),
        series([0.5, 4.5], pl.Float32),
        series([Decimal("0.5"), Decimal("4.5")], pl.Decimal(3, 1)),
        series(["0.5", "4.5"], pl.String),
        series(["0.5", "4.5"], pl.Categorical),
        series([False, True], pl.Boolean),
    ],
    ids=lambda values: str(values.dtype),
)
def test_ratings_of_every_type_are_compared_with_the_threshold(tmp_path, ratings):
    columns = {"user": [1, 2], "item": [10, 20], "rating": ratings}
    path = write(tmp_path, "a.parquet", parquet(columns))
    threshold = 1 if ratings.dtype == pl.Boolean else 4
    assert read_histories(path, min_rating=threshold).items == [[], ["20"]]


def test_a_list_of_items_is_as_many_interactions(tmp_path):
    columns = {
        "user": ["a", "b", "c"],
        "item": [[1, 2], [], [3]],
        "rating": [[5.0, 1.0], [], [4.0]],
        "time": [7, 8, 9],
    }
    path = write(tmp_path, "a.parquet", parquet(columns))
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == [("a", "1"), ("a", "2"), ("c", "3")]
    assert data.times.tolist() == [7, 7, 9]
    assert f"{path}: each entry of the lists in column 'item' was read as an item" in data.notes
    assert pairs(read_interactions(path, min_user_count=0, min_rating=4)) == [
        ("a", "1"),
        ("c", "3"),
    ]
    columns["rating"] = [[5.0, 1.0], [], []]
    path = write(tmp_path, "b.parquet", parquet(columns))
    assert refusal(path) == (
        f"{path}: row 3: column 'rating' has not as many entries as column 'item'"
    )


def test_rows_are_counted_in_the_file_not_after_the_lists_are_read(tmp_path):
    columns = {"user": ["a", None], "item": [["1", "2"], ["3"]]}
    path = write(tmp_path, "a.parquet", parquet(columns))
    assert refusal(path) == f"{path}: row 2: column 'user' is empty"


@pytest.mark.parametrize("write_columns", [parquet, arrow, stream])
def test_a_damaged_file_is_refused_and_nothing_else_is_printed(tmp_path, write_columns, capfd):
    """Or it is read, where the damage is in what is not read or is a value like any other."""
    columns = {"user": list(range(300)), "item": [f"i{n % 7}" for n in range(300)]}
    whole = write_columns(columns)
    path = tmp_path / "a.parquet"
    refused = 0
    for place in range(8, len(whole), max(1, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(InputError):
            read_interactions(path, min_user_count=0)
            continue
        refused += 1
        assert refusal(path).startswith(f"{path}: ")
    assert refused
    assert capfd.readouterr() == ("", "")

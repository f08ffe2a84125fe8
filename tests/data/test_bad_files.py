"""A file that cannot be used is refused in one line that names the place."""

import gzip

import polars as pl
import pytest

from tests.data.builders import refusal, write

GOOD = "userId,movieId,rating,timestamp\n1,10,4.0,7\n2,10,4.5,8\n"
MANY = GOOD + "3,11,5,9\n" * 1000
Q = "; --quote none reads quotes as text"
DAMAGED = " is not UTF-8 text, which the rest of the file is; mend the line, or give --encoding"
NUL = ": a binary file or damaged text, or UTF-16 without a byte order mark (--encoding utf-16-le)"
RATED = {"min_rating": 1}
U = "the columns are userId, movieId, rating, timestamp"


@pytest.mark.parametrize(
    ("name", "text", "options", "problem"),
    [
        ("a.csv", "", {}, ": the file is empty"),
        ("a.csv", "\n\r\n", {}, ": the file is empty"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), {}, ": the file is empty"),
        ("a.csv", "userId,movieId\n", {}, ": a header and no rows"),
        ("a.csv", "userId,movieId", {}, ": a header and no rows"),
        ("a.csv", "userId,movieId\n \n \n", {}, ": a header and no rows"),
        ("a.csv", GOOD, {"user": "who"}, f": no column 'who'; {U}"),
        ("a.csv", GOOD, {"rating": "stars"}, f": no column 'stars'; {U}"),
        (
            "a.csv",
            "userId,film\n1,2\n",
            {},
            ": no item column under a usual name; the columns are userId, film; "
            "name one with --item-column",
        ),
        (
            "a.csv",
            "one\ntwo\n",
            {},
            ": no user column under a usual name; the columns are one; name one with --user-column",
        ),
        (
            "a.csv",
            "user,item\n1,2\n",
            {"min_rating": 4},
            ": a rating threshold needs a rating column; the columns are user, item",
        ),
        ("a.csv", GOOD + "3,11,abc,9\n", RATED, ":4: column 'rating': 'abc' is not a number"),
        ("a.csv", MANY + "3,11,1_0,9\n", RATED, ":1004: column 'rating': '1_0' is not a number"),
        ("a.csv", GOOD + '3,11,"4,5",9\n', RATED, ":4: column 'rating': '4,5' is not a number"),
        (
            "a.csv",
            GOOD + "3,11,nan,9\n",
            RATED,
            ":4: column 'rating': 'nan' is not a finite number",
        ),
        (
            "a.csv",
            MANY + "3,1,-inf,9\n",
            RATED,
            ":1004: column 'rating': '-inf' is not a finite number",
        ),
        (
            "a.csv",
            GOOD + "3,11,1e999,9\n",
            RATED,
            ":4: column 'rating': '1e999' is not a finite number",
        ),
        ("a.csv", GOOD + "\n\n3,11,,9\n", RATED, ":6: column 'rating' is empty"),
        ("a.csv", "\n" + GOOD + "\n3,,5,9\n", {}, ":6: column 'movieId' is empty"),
        ("a.csv", GOOD + " ,11,5,9\n", {}, ":4: column 'userId' is empty"),
        ("a.csv", GOOD + ",,,\n", {}, ":4: column 'userId' is empty"),
        ("a.csv", MANY + '"",1,5,9\n', {}, ":1004: column 'userId' is empty"),
        ("a.csv", GOOD + "3,11\n", {}, ":4: 2 fields where the header has 4"),
        ("a.csv", GOOD + "3,11,5\n", {}, ":4: 3 fields where the header has 4"),
        ("a.csv", GOOD + "3\n", {}, ":4: 1 field where the header has 4"),
        ("a.csv", MANY + "3,11,5,9,1\n", {}, ":1004: 5 fields where the header has 4"),
        ("a.csv", GOOD.replace("\n", "\r\n") + "x\r\n", {}, ":4: 1 field where the header has 4"),
        ("a.csv", GOOD + '"3,11,5,9\n', {}, f":4: a quote is opened here and never closed{Q}"),
        ("a.csv", MANY + '3,"11,5,9\n' * 9, {}, f":1004: ',' expected after '\"'{Q}"),
        ("a.csv", GOOD.encode() + b"\xc3\xa9,1,5,9\n3,\xe9,5,9\n", {}, f":5: byte 0xe9{DAMAGED}"),
        ("a.txt", b"1 2 3\n\xc3\xa9 4 5\n2 \xff\n", {}, f":3: byte 0xff{DAMAGED}"),
        ("a.csv", MANY.encode() + b"3,1\0,5,9\n", {}, f":1004: a NUL byte{NUL}"),
        ("a.csv", GOOD.encode("utf-16-le"), {}, f":1: a NUL byte{NUL}"),
        ("a.csv", "x,y,user,item\n1,2,3,4\n5,6,7\n", {}, ":3: 3 fields where the header has 4"),
        ("a.csv", "user,item,x\n1,2,3\n5,6\n", {}, ":3: 2 fields where the header has 3"),
        ("a.csv", "user,item,x\n1,2,\n5,6\n", {}, ":3: 2 fields where the header has 3"),
        ("a.csv", 'user,item,x\n1,2,\n5,"6"\n', {}, ":3: 2 fields where the header has 3"),
        ("a.txt", "user item x\n1 2 3\n5 6\n", {}, ":3: 2 fields where the header has 3"),
        (
            "a.inter",
            "user_id:token\titem_id:token\trating:float\n1\t2\tx\n",
            RATED,
            ":2: column 'rating:float': 'x' is not a number",
        ),
        ("a.dat", "1::10::4\n2::10::x\n", {"rating": "3"}, ":2: column '3': 'x' is not a number"),
        ("a.dat", "1::10::4\n2::\n", {}, ":2: 2 fields where the first line has 3"),
        ("a.txt", "1\n2 \n", {}, ": no user has an item"),
        (
            "a.txt",
            "1 5\n2 6\n",
            {"user": "u"},
            ": no column 'u'; each line is a user and its items",
        ),
        (
            "a.csv",
            GOOD,
            {"min_rating": 5},
            ": none of the 2 interactions has a rating >= 5",
        ),
        (
            "a.csv",
            GOOD,
            {"min_user_count": 2, "min_item_count": 1},
            ": none of the 2 users is left; the minimum counts are 2 for a user and 1 for an item",
        ),
        (
            "a.csv",
            GOOD,
            {"min_rating": 4.5},
            ": only one user is left ('2'); at least two are needed",
        ),
        ("a.csv.gz", b"\x1e\x8b" + b"\0" * 9, {}, ": not a gzip file, though its name ends as one"),
        (
            "a.csv.gz",
            gzip.compress(MANY.encode(), mtime=0)[:60],
            {},
            ": not a complete gzip file: "
            "Compressed file ended before the end-of-stream marker was reached",
        ),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path, name, text, options, problem):
    path = write(tmp_path, name, text)
    assert refusal(path, **options) == f"{path}{problem}"


def test_a_path_that_is_no_file(tmp_path):
    assert refusal(tmp_path / "a.csv") == f"{tmp_path / 'a.csv'}: no such file"
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file" / "a.csv") == f"{tmp_path}/file/a.csv: Not a directory"


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"user": [1, None], "item": [1, 2]}, ": row 2: column 'user' is empty"),
        ({"user": [1, 2], "item": ["a", ""]}, ": row 2: column 'item' is empty"),
        (
            {"user": [1, 2], "item": [1, 2], "rating": [1.0, float("nan")]},
            ": row 2: column 'rating': 'NaN' is not a finite number",
        ),
        (
            {"user": [[1], [2]], "item": [1, 2]},
            ": column 'user' holds lists; write one row for each entry",
        ),
        (
            {"user": [1, 2], "film": [1, 2]},
            ": no item column under a usual name; the columns are user, film; "
            "name one with --item-column",
        ),
        ({"user": [], "item": []}, ": a header and no rows"),
    ],
)
def test_what_is_wrong_with_a_parquet_file(tmp_path, columns, problem):
    path = tmp_path / "a.parquet"
    pl.DataFrame(columns).write_parquet(path)
    named = {"rating": "rating"} if "rating" in columns else {}
    assert refusal(path, **named) == f"{path}{problem}"


def test_a_broken_parquet_file(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"user": [1, 2], "item": [1, 2]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert refusal(path).startswith(f"{path}: not a complete Parquet file: ")

import csv
import gzip
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from multvae_jax.data.interactions import read_given_split, read_histories, read_interactions
from multvae_jax.errors import InputError

DATA = Path(__file__).parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the development data is not beside the repository"
)
HEADER = ("userId", "movieId", "rating", "timestamp")


# The reference: dictionaries and loops, from the words of the paper's recipe.


def is_integer(text):
    return str(int(text)) == text if text.lstrip("-").isdecimal() and text.isascii() else False


def ascending(ids):
    return sorted(ids, key=int) if all(map(is_integer, ids)) else sorted(ids)


def expected(rows, min_rating=None, min_user_count=5, min_item_count=0):
    """The kept rows in file order, the ids in their order, the number of duplicates."""
    if min_rating is not None:
        rows = [row for row in rows if row[2] >= min_rating]
    seen, first = set(), []
    for row in rows:
        if row[:2] not in seen:
            first.append(row)
        seen.add(row[:2])
    duplicates = len(rows) - len(first)
    for column, minimum in ((1, min_item_count), (0, min_user_count)):
        counts = {}
        for row in first:
            counts[row[column]] = counts.get(row[column], 0) + 1
        first = [row for row in first if counts[row[column]] >= minimum]
    users = ascending({row[0] for row in first})
    items = list(dict.fromkeys(row[1] for row in first))
    return first, users, items, duplicates


def check(data, rows, path, **filters):
    kept, users, items, duplicates = expected(rows, **filters)
    assert data.user_ids.tolist() == users
    assert data.item_ids.tolist() == items
    assert data.users.tolist() == [users.index(row[0]) for row in kept]
    assert data.items.tolist() == [items.index(row[1]) for row in kept]
    assert data.values.tolist() == [1.0] * len(kept)
    dtypes = (data.users.dtype, data.items.dtype, data.values.dtype, data.user_ids.dtype)
    assert dtypes == (np.int32, np.int32, np.float32, object)
    if data.times is not None:
        assert data.times.tolist() == [float(row[3]) for row in kept]
    noun = "interaction" if duplicates == 1 else "interactions"
    note = f"{path}: {duplicates} duplicate {noun} counted once"
    assert (note in data.notes) == (duplicates > 0)
    dense = np.zeros((len(users), len(items)), np.float32)
    for row in kept:
        dense[users.index(row[0]), items.index(row[1])] = 1
    np.testing.assert_array_equal(data.csr().toarray(), dense)
    assert data.csr().dtype == np.float32
    assert (data.n_users, data.n_items) == dense.shape


# The same table in every format.


def table(rows, header, delimiter=",", **options):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, **options)
    writer.writerows([header, *rows])
    return text.getvalue().encode()


def parquet(rows):
    columns = list(zip(*rows, strict=True))
    integers = [all(map(is_integer, column)) for column in columns[:2]]
    for index, whole in enumerate(integers):
        columns[index] = [int(value) if whole else value for value in columns[index]]
    file = io.BytesIO()
    pl.DataFrame(dict(zip(HEADER, columns, strict=True))).write_parquet(file)
    return file.getvalue()


def plain(rows, separator):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows).encode()


WRITERS = {
    "ratings.csv": lambda rows: table(rows, HEADER),
    "quoted.csv": lambda rows: table(rows, HEADER, quoting=csv.QUOTE_ALL, lineterminator="\n"),
    "bom.csv": lambda rows: b"\xef\xbb\xbf" + table(rows, HEADER),
    "semicolon.csv": lambda rows: table(rows, HEADER, ";"),
    "spaced.csv": lambda rows: table(rows, ("User ID", " item-id", "Rating ", "time")),
    "ratings.tsv": lambda rows: table(rows, ("uid", "iid", "stars", "unix_time"), "\t"),
    "table.txt": lambda rows: table(rows, ("user", "item", "score", "date"), "\t"),
    "small.inter": lambda rows: table(
        rows, ("user_id:token", "item_id:token", "rating:float", "timestamp:float"), "\t"
    ),
    "ratings.dat": lambda rows: plain(rows, "::"),
    "ratings.parquet": parquet,
    "no-suffix": lambda rows: table(rows, HEADER),
    "backwards.csv": lambda rows: table([row[::-1] for row in rows], HEADER[::-1]),
}
IDS = st.one_of(
    st.integers(-20, 20).map(str),
    st.text("ab0é漢,;\"' #|.", min_size=1, max_size=3).filter(lambda text: text == text.strip()),
)
NUMBERS = st.one_of(st.integers(0, 12), st.integers(2**62, 2**62 + 9)).map(str)


@st.composite
def tables(draw):
    ids = draw(st.sampled_from([IDS, NUMBERS]))
    row = st.tuples(ids, ids, st.sampled_from([0.5, 1.0, 3.5, 4.0, 5.0]), st.integers(0, 2**31))
    return draw(st.lists(row, min_size=1, max_size=40))


FILTERS = st.fixed_dictionaries(
    {
        "min_rating": st.sampled_from([None, 1, 4, 4.5]),
        "min_user_count": st.integers(0, 4),
        "min_item_count": st.integers(0, 3),
    }
)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=25, deadline=None)
@given(rows=tables(), filters=FILTERS)
@example(  # what is text in the file but not kept has no say in the order
    rows=[("10", "a", 5.0, 1), ("x", "b", 1.0, 2), ("9", "a", 5.0, 3)],
    filters={"min_rating": 4, "min_user_count": 0, "min_item_count": 0},
)
@example(  # a user falls below the count only when the item is gone
    rows=[(user, item, 5.0, 1) for user, item in ("1a", "2a", "3a", "1b", "2b", "3c")],
    filters={"min_rating": None, "min_user_count": 2, "min_item_count": 2},
)
def test_every_format_gives_the_same_interactions(tmp_path_factory, name, zipped, rows, filters):
    path = tmp_path_factory.getbasetemp() / (f"{name}.gz" if zipped else name)
    data = WRITERS[name](rows)
    path.write_bytes(gzip.compress(data, mtime=0) if zipped else data)
    kept, users, _, _ = expected(rows, **filters)
    if len(users) >= 2:
        check(read_interactions(path, **filters), rows, path, **filters)
        return
    with pytest.raises(InputError) as caught:
        read_interactions(path, **filters)
    threshold = filters["min_rating"]
    rated = [row for row in rows if threshold is None or row[2] >= threshold]
    if not rated:
        problem = f"none of the {len(rows)} interactions has a rating >= {threshold:g}"
    elif not kept:
        problem = (
            f"none of the {len({row[0] for row in rated})} users is left; the minimum counts are "
            f"{filters['min_user_count']} for a user and {filters['min_item_count']} for an item"
        )
    else:
        problem = f"only one user is left ('{users[0]}'); it takes at least two"
    assert str(caught.value) == f"{path}: {problem}"


LINE = st.tuples(
    st.one_of(st.integers(0, 9).map(str), st.text("aé漢.-", min_size=1, max_size=2)),
    st.lists(st.integers(0, 12).map(str), max_size=6),
)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(LINE, min_size=1, max_size=10), space=st.sampled_from([" ", "  ", " \t"]))
def test_lines_of_a_user_and_its_items(tmp_path_factory, lines, space):
    # A tab in the first line makes it a table of tab-separated columns, so none there.
    text = "\n".join((space if n else " ").join([u, *i]) for n, (u, i) in enumerate(lines))
    path = tmp_path_factory.getbasetemp() / "train.txt"
    path.write_text(text, "utf-8")
    rows = [(user, item, None, None) for user, items in lines for item in items]
    users = list(dict.fromkeys(user for user, _ in lines))
    histories = {user: {} for user in users}
    for user, item, _, _ in rows:
        histories[user][item] = None
    assert read_histories(path)[:2] == (users, [list(histories[user]) for user in users])
    if len({row[0] for row in rows}) >= 2:
        data = read_interactions(path, min_user_count=0)
        check(data, rows, path, min_user_count=0)
        assert data.times is None
        assert f"{path}: each line was read as a user and its items" in data.notes


# What files of the world look like.


def write(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def pairs(data):
    users, items = data.user_ids[data.users], data.item_ids[data.items]
    return list(zip(users.tolist(), items.tolist(), strict=True))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("crlf.csv", "user,item\r\n1,a\r\n2,b\r\n"),
        ("cr.csv", "user,item\r1,a\r2,b\r"),
        ("no-end.csv", "user,item\n1,a\n2,b"),
        ("trailing.csv", "user,item\n1,a\n2,b\n\n\r\n\n"),
        ("leading.csv", "\n\r\nuser,item\n1,a\n2,b\n"),
        ("between.csv", "user,item\n1,a\n\n   \n\r\n2,b\n"),
        ("bom.csv", b"\xef\xbb\xbfuser,item\n1,a\n2,b\n"),
        ("spaces.csv", "user , item\n 1, a \n2 ,b\n"),
        ("extra.csv", "x,user,y,item,z\n,1,,a,\n5,2,é,b\n"),
        ("empty-end.csv", "user,item\n1,a,\n2,b,\n"),
        ("semicolons.csv", '"User-ID";"ISBN";"Book-Rating"\n"1";"a";"0"\n"2";"b";"5"\n'),
        ("tabs.csv", "user\titem\n1\ta\n2\tb\n"),
        ("shout.TSV", "USER\tITEM\n1\ta\n2\tb\n"),
        ("u.data", "1\ta\t3\t881250949\n2\tb\t3\t881250950\n"),
        ("headerless.csv", "1,a\n2,b\n"),
        ("commas.txt", "user,item\n1,a\n2,b\n"),
        ("spaces.txt", "user item rating\n1 a 5\n2 b 4\n"),
        ("lines.txt", "1 a\n2 b\n"),
        ("header.dat", "userID\tartistID\tweight\n1\ta\t13883\n2\tb\t11690\n"),
        ("quotes.csv", 'user,item\n"1","a"\n2,"b"\n'),
        ("broken-lines.csv", 'user,note,item\n1,"two\nlines, ""quoted""",a\n2,,b\n'),
        ("lonely-quote.csv", 'user,note,item\n1,12" vinyl,a\n2,7" vinyl,b\n'),
    ],
)
def test_a_file_as_people_write_it(tmp_path, name, text):
    data = read_interactions(write(tmp_path, name, text), min_user_count=0)
    assert pairs(data) == [("1", "a"), ("2", "b")]


def test_quoted_fields_keep_their_separators_and_quotes(tmp_path):
    path = write(tmp_path, "a.csv", 'user,item\n"a,b","say ""hi"""\nc,"x;y"\n')
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == [("a,b", 'say "hi"'), ("c", "x;y")]


def test_lonely_quotes_do_not_join_lines(tmp_path):
    # Quotes that pair up across lines: a reader of quoted fields may take them for one field.
    lines = ['"4",3","4"', '"4",3",5"6"', '1,22,"4"', '5"6","a""b","4"', '5"6",x,"a""b"']
    path = write(tmp_path, "a.csv", "\n".join(["user,item,note", *lines, '"4",5"6",22', ""]))
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == [("4", '3"'), ("1", "22"), ('5"6"', 'a"b'), ('5"6"', "x"), ("4", '5"6"')]


@pytest.mark.parametrize("odd", ["007", "+7", "-0", "x", "7.0", "9" * 20])
@pytest.mark.parametrize("before", [1, 5000], ids=["at the start", "far down"])
def test_ids_keep_their_spelling(tmp_path, odd, before):
    rows = [("7", str(n), 5.0, 0) for n in range(before)] + [(odd, "7", 5.0, 0)]
    path = write(tmp_path, "a.csv", plain([HEADER, *rows], ","))
    data = read_interactions(path, min_user_count=0)
    assert data.user_ids.tolist() == sorted(["7", odd])
    check(data, rows, path, min_user_count=0)


def test_integer_ids_ascend_by_number_and_text_by_code_point(tmp_path):
    numbers = write(tmp_path, "a.csv", "user,item\n10,x\n9,x\n-3,x\n100,x\n")
    assert read_interactions(numbers, min_user_count=0).user_ids.tolist() == [
        "-3",
        "9",
        "10",
        "100",
    ]
    text = write(tmp_path, "b.csv", "user,item\n10,x\n9,x\nb,x\nB,x\né,x\n")
    assert read_interactions(text, min_user_count=0).user_ids.tolist() == ["10", "9", "B", "b", "é"]


def test_the_finest_item_column_is_taken_unless_another_is_named(tmp_path):
    path = write(tmp_path, "a.csv", "artist,track_id,person,user\nx,t,p,1\ny,s,q,2\n")
    assert pairs(read_interactions(path, min_user_count=0)) == [("1", "t"), ("2", "s")]
    data = read_interactions(path, user="person", item="Artist", min_user_count=0)
    assert pairs(data) == [("p", "x"), ("q", "y")]


def test_columns_without_a_header_are_named_by_number(tmp_path):
    path = write(tmp_path, "a.csv", "x,ann,up,5\ny,bob,up,3\ny,ann,up,4\nz,bob,up,4\n")
    data = read_interactions(path, user="2", item="1", rating="4", min_rating=4, min_user_count=0)
    assert pairs(data) == [("ann", "x"), ("ann", "y"), ("bob", "z")]
    path = write(tmp_path, "b.csv", "x,ann\ny,bob\n")
    data = read_interactions(path, user="2", item="1", min_user_count=0)
    assert pairs(data) == [("ann", "x"), ("bob", "y")]


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (("5", " 7.5"), (5.0, 7.5)),
        (("1970-01-02", "1970-01-01"), (86400.0, 0.0)),
        (("1970-01-01 00:01:00", "1970-01-01T00:00:00.25Z"), (60.0, 0.25)),
    ],
)
def test_times_are_seconds(tmp_path, texts, seconds):
    path = write(tmp_path, "a.csv", "user,item,date\n1,a,{}\n\n2,b,{}\n".format(*texts))
    assert tuple(read_interactions(path, min_user_count=0).times) == seconds


def test_times_of_a_parquet_file_may_be_dates(tmp_path):
    path = tmp_path / "a.parquet"
    frame = pl.DataFrame({"user": [1, 2], "item": [1, 2], "time": ["1970-01-02", "1970-01-01"]})
    frame.with_columns(pl.col("time").str.to_datetime("%Y-%m-%d")).write_parquet(path)
    assert read_interactions(path, min_user_count=0).times.tolist() == [86400.0, 0.0]


def test_a_column_that_only_looks_like_times_is_left_out_and_named(tmp_path):
    path = write(tmp_path, "a.csv", "user,item,date\n1,a,1990\n2,b,spring\n")
    data = read_interactions(path, min_user_count=0)
    problem = (
        f"{path}:3: column 'date': 'spring' is not a time "
        "(seconds, or a date such as 2018-09-26 14:30:00)"
    )
    assert data.times is None
    assert data.notes == (f"{problem}; no times were read",)
    assert refusal(path, time="date") == problem


# What is wrong is said in one line.


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        read_interactions(path, **{"min_user_count": 0, **options})
    assert "\n" not in str(caught.value)
    return str(caught.value)


GOOD = "userId,movieId,rating,timestamp\n1,10,4.0,7\n2,10,4.5,8\n"
MANY = GOOD + "3,11,5,9\n" * 1000
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
            "name one as the item column",
        ),
        (
            "a.csv",
            "one\ntwo\n",
            {},
            ": no user column under a usual name; the columns are one; name one as the user column",
        ),
        (
            "a.csv",
            "user,item\n1,2\n",
            {"min_rating": 4},
            ": a rating threshold needs a rating column; the columns are user, item",
        ),
        ("a.csv", GOOD + "3,11,abc,9\n", {}, ":4: column 'rating': 'abc' is not a number"),
        ("a.csv", MANY + "3,11,1_0,9\n", {}, ":1004: column 'rating': '1_0' is not a number"),
        ("a.csv", GOOD + '3,11,"4,5",9\n', {}, ":4: column 'rating': '4,5' is not a number"),
        ("a.csv", GOOD + "3,11,nan,9\n", {}, ":4: column 'rating': 'nan' is not a finite number"),
        (
            "a.csv",
            MANY + "3,1,-inf,9\n",
            {},
            ":1004: column 'rating': '-inf' is not a finite number",
        ),
        (
            "a.csv",
            GOOD + "3,11,1e999,9\n",
            {},
            ":4: column 'rating': '1e999' is not a finite number",
        ),
        ("a.csv", GOOD + "\n\n3,11,,9\n", {}, ":6: column 'rating' is empty"),
        ("a.csv", "\n" + GOOD + "\n3,,5,9\n", {}, ":6: column 'movieId' is empty"),
        ("a.csv", GOOD + " ,11,5,9\n", {}, ":4: column 'userId' is empty"),
        ("a.csv", GOOD + ",,,\n", {}, ":4: column 'userId' is empty"),
        ("a.csv", MANY + '"",1,5,9\n', {}, ":1004: column 'userId' is empty"),
        ("a.csv", GOOD + "3,11\n", {}, ":4: 2 fields where the header has 4"),
        ("a.csv", GOOD + "3,11,5\n", {}, ":4: 3 fields where the header has 4"),
        ("a.csv", GOOD + "3\n", {}, ":4: 1 field where the header has 4"),
        ("a.csv", MANY + "3,11,5,9,1\n", {}, ":1004: 5 fields where the header has 4"),
        ("a.csv", GOOD.replace("\n", "\r\n") + "x\r\n", {}, ":4: 1 field where the header has 4"),
        ("a.csv", GOOD + '"3,11,5,9\n', {}, ":4: a quote is opened here and never closed"),
        ("a.csv", MANY + '3,"11,5,9\n' * 9, {}, ":1004: ',' expected after '\"'"),
        ("a.csv", GOOD.encode() + b"3,\xe9,5,9\n", {}, ":4: byte 0xe9 is not UTF-8 text"),
        ("a.csv", b"\n\xff" + GOOD.encode(), {}, ":2: byte 0xff is not UTF-8 text"),
        ("a.txt", b"1 2 3\n2 \xff\n", {}, ":2: byte 0xff is not UTF-8 text"),
        (
            "a.csv",
            GOOD.encode("utf-16"),
            {},
            ": a binary file (an archive, or UTF-16?), not a table of text",
        ),
        (
            "a.inter",
            "user_id:token\titem_id:token\trating:float\n1\t2\tx\n",
            {},
            ":2: column 'rating:float': 'x' is not a number",
        ),
        ("a.dat", "1::10::4\n2::10::x\n", {}, ":2: column '3': 'x' is not a number"),
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
            ": only one user is left ('2'); it takes at least two",
        ),
        ("a.csv.gz", GOOD, {}, ": not a complete gzip file: Not a gzipped file (b'us')"),
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
    assert refusal(tmp_path) == f"{tmp_path}: a directory, not a file"
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
            {"user": [1, 2], "item": [[1], [2]]},
            ": cannot be read: cannot cast List type (inner: 'Int64', to: 'String')",
        ),
        (
            {"user": [1, 2], "film": [1, 2]},
            ": no item column under a usual name; the columns are user, film; "
            "name one as the item column",
        ),
        ({"user": [], "item": []}, ": a header and no rows"),
    ],
)
def test_what_is_wrong_with_a_parquet_file(tmp_path, columns, problem):
    path = tmp_path / "a.parquet"
    pl.DataFrame(columns).write_parquet(path)
    assert refusal(path) == f"{path}{problem}"


def test_a_broken_parquet_file(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"user": [1, 2], "item": [1, 2]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert refusal(path).startswith(f"{path}: not a complete Parquet file: ")


# Titles.

ROWS = "user,item\n1,10\n2,20\n3,30\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("movies.csv", 'movieId,title,genres\n10,"Cité, la",x\n20,Two,\n40,Four,y\n50,,y\n'),
        ("movies.dat", "10::Cité, la::x\n20::Two::y|z\n40::Four::y\n".encode("latin-1")),
        ("small.item", "item_id:token\tmovie_title:token_seq\n10\tCité, la\n20\tTwo\n40\tFour\n"),
        ("small.item", "10|Cité, la|1995||u|0\n20|Two|1996||u|1\n".encode("latin-1")),
    ],
)
def test_titles_are_found_beside_the_file_or_named(tmp_path, name, text):
    (tmp_path / "elsewhere").mkdir()
    titles = write(tmp_path / "elsewhere", name, text)
    path = write(tmp_path, "small.csv", ROWS)
    assert read_interactions(path, min_user_count=0).titles == {}
    expected = {"10": "Cité, la", "20": "Two"}
    assert read_interactions(path, min_user_count=0, titles=titles).titles == expected
    titles.rename(tmp_path / name)
    assert read_interactions(path, min_user_count=0).titles == expected


def test_a_broken_file_of_titles_is_refused_if_named_and_noted_if_found(tmp_path):
    path = write(tmp_path, "a.csv", ROWS)
    titles = write(tmp_path, "movies.csv", "movieId,year\n10,1995\n")
    problem = (
        f"{titles}: no title column under a usual name; the columns are movieId, year; "
        "name one as the title column"
    )
    assert refusal(path, titles=titles) == problem
    data = read_interactions(path, min_user_count=0)
    assert data.titles == {}
    assert data.notes == (f"{problem}; no titles were read",)
    missing = tmp_path / "none.csv"
    assert refusal(path, titles=missing) == f"{missing}: no such file"


# Given splits and histories.


def test_a_given_split_shares_its_ids(tmp_path):
    train = write(tmp_path, "train.csv", "user,item\n10,c\n9,a\n10,c\n10,b\n")
    valid = write(tmp_path, "valid.tsv", "uid\tiid\n9\tb\n9\ta\n9\ta\n")
    test = write(tmp_path, "test.dat", "11::d::1\n10::c::1\n10::b::5\n10::e::2\n9::b::4\n")
    parts = read_given_split(train, valid, test)
    for part in parts:
        assert part.user_ids.tolist() == ["9", "10", "11"]
        assert part.item_ids.tolist() == ["c", "a", "b", "d", "e"]
    assert [pairs(part) for part in parts] == [
        [("10", "c"), ("9", "a"), ("10", "b")],
        [("9", "b")],
        [("11", "d"), ("10", "e"), ("9", "b")],
    ]
    assert [part.notes for part in parts] == [
        (f"{train}: 1 duplicate interaction counted once",),
        (
            f"{valid}: 1 duplicate interaction counted once",
            f"{valid}: 1 interaction left out that {train} holds already",
        ),
        (f"{test}: 2 interactions left out that {train} holds already",),
    ]
    assert parts[2].csr().shape == (3, 5)
    first, none, last = read_given_split(train, None, test)
    assert none is None
    assert first.item_ids.tolist() == ["c", "a", "b", "d", "e"]
    assert pairs(last) == pairs(parts[2])


def test_a_given_split_with_ids_of_two_kinds_and_a_threshold(tmp_path):
    train = write(tmp_path, "train.csv", "user,item,rating\n10,1,5\n9,2,5\n9,3,1\n")
    test = write(tmp_path, "test.csv", "user,item,rating\nx,01,5\n9,1,4\n9,4,3\n")
    first, _, last = read_given_split(train, None, test, min_rating=4)
    assert first.user_ids.tolist() == ["10", "9", "x"]
    assert first.item_ids.tolist() == ["1", "2", "01"]
    assert pairs(last) == [("x", "01"), ("9", "1")]


def test_a_test_file_with_nothing_new_is_refused(tmp_path):
    train = write(tmp_path, "train.txt", "1 5 6\n2 7\n")
    test = write(tmp_path, "test.txt", "1 6\n2\n")
    with pytest.raises(InputError) as caught:
        read_given_split(train, None, test)
    assert str(caught.value) == f"{test}: every interaction is already in {train}"


def test_histories_keep_every_user_and_the_order(tmp_path):
    text = "user,item,rating\nb,2,5\na,1,3\nb,1,4\nb,2,5\n"
    path = write(tmp_path, "a.csv", text)
    assert read_histories(path) == (["b", "a"], [["2", "1"], ["1"]], ())
    assert read_histories(path, min_rating=4) == (["b", "a"], [["2", "1"], []], ())
    path = write(tmp_path, "one.csv", "user,item\n7,8\n")
    assert read_histories(path) == (["7"], [["8"]], ())
    path = write(tmp_path, "lines.txt", "7 8 9\n6\n")
    note = f"{path}: each line was read as a user and its items"
    assert read_histories(path) == (["7", "6"], [["8", "9"], []], (note,))
    path = write(tmp_path, "bad.csv", "user,item\n7,\n")
    with pytest.raises(InputError) as caught:
        read_histories(path)
    assert str(caught.value) == f"{path}:2: column 'item' is empty"


# Known counts of real files.


@needs_data
def test_counts_of_ml_1m():
    data = read_interactions(DATA / "ml-1m" / "ratings.csv.gz", min_rating=4, min_user_count=0)
    assert len(data.users) == 575_281
    assert (np.bincount(data.users) >= 5).sum() == 6_034
    data = read_interactions(DATA / "ml-1m" / "ratings.csv.gz", min_rating=4)
    assert data.n_users == 6_034
    assert data.titles["3408"] == "Erin Brockovich (2000)"


@needs_data
def test_counts_of_ml_100k():
    data = read_interactions(DATA / "ml-100k" / "ml-100k.inter")
    assert (data.n_users, data.n_items, len(data.users)) == (943, 1_682, 100_000)
    assert data.times[0] == 881250949


@needs_data
def test_counts_of_gowalla():
    folder = DATA / "gowalla"
    train, _, test = read_given_split(folder / "train.txt.gz", None, folder / "test.txt.gz")
    assert (train.n_users, train.n_items) == (29_858, 40_981)
    assert (len(train.users), len(test.users)) == (810_128, 217_242)


@pytest.mark.parametrize("odd", ["007", "+7", "-0", "00", "-7"])
def test_an_id_of_another_spelling_deep_in_a_file_of_numbers_stays_its_own(tmp_path, odd):
    """Past the rows by which it is decided how to read the file."""
    ids = [*(str(number % 50) for number in range(600)), odd, "7", "0"]
    path = tmp_path / "a.csv"
    path.write_text("user,item\n" + "".join(f"{user},{row}\n" for row, user in enumerate(ids)))
    data = read_interactions(path, min_user_count=1)
    assert data.user_ids[data.users].tolist() == ids
    assert data.n_users == 51


def test_a_date_deep_in_a_column_of_seconds_is_a_time_as_well(tmp_path):
    times = [*map(str, range(600)), "1970-01-02", " 7"]
    path = tmp_path / "a.csv"
    path.write_text("user,item,time\n" + "".join(f"{k % 9},{k},{t}\n" for k, t in enumerate(times)))
    data = read_interactions(path, min_user_count=1)
    assert data.times.tolist() == [*range(600), 86400.0, 7.0]

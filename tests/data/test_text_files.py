"""Text files as people write them: line ends, quotes, spellings of ids, columns, times."""

import polars as pl
import pytest

from multvae_jax.data.interactions import read_interactions
from tests.data.builders import HEADER, check_interactions, pairs, plain, refusal, write


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
        ("extra.csv", "x,user,y,item,z\n,1,,a,\n5,2,é,b,\n"),
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
    check_interactions(data, rows, path, min_user_count=0)


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


@pytest.mark.parametrize("odd", ["007", "+7", "-0", "00", "-7"])
def test_an_id_of_another_spelling_deep_in_a_file_of_numbers_stays_its_own(tmp_path, odd):
    """The odd id comes after the rows that decide how the file is read."""
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

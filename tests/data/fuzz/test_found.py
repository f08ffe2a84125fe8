"""Files that were read wrong once, found by the fuzz."""

import time

import pytest

from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.readers.dialect import Dialect
from tests.data.builders import pairs, refusal, write

READ = {
    "a tab-separated file with quoted tabs and line ends": (
        "a.tsv",
        b'user\titem\n"1\t2"\ta\n"x\ny"\t"b"\n',
        [("1\t2", "a"), ("x\ny", "b")],
    ),
    "a tab-separated file with quotes that are text": (
        "a.tsv",
        b'user\titem\n1\t"Weird Al" Yankovic\n2\t"b\n',
        [("1", '"Weird Al" Yankovic'), ("2", '"b')],
    ),
    "a backslash at the end of a quoted field": (
        "a.csv",
        b'user,item\n"C:\\","a"\n2,b\n',
        [("C:\\", "a"), ("2", "b")],
    ),
    "a backslash before a quote that is text": (
        "a.csv",
        b'user,item\n1,7\\"x\n2,b\n',
        [("1", '7\\"x'), ("2", "b")],
    ),
    "a unit separator in a file separated by ::": (
        "a.dat",
        b"user::item\n1::a\x1fb\n2::c\n",
        [("1", "a\x1fb"), ("2", "c")],
    ),
    "empty fields after the last column": (
        "a.csv",
        b"user,item\n1,a,,\n2,b\n",
        [("1", "a"), ("2", "b")],
    ),
}


@pytest.mark.parametrize("what", READ)
def test_a_file_is_read(tmp_path, what):
    name, data, expected = READ[what]
    found = pairs(read_interactions(write(tmp_path, name, data), min_user_count=0))
    assert found == expected


def test_a_separator_of_two_bytes(tmp_path):
    path = write(tmp_path, "a.csv", "user§item\n1§a\n2§b\n")
    data = read_interactions(path, min_user_count=0, dialect=Dialect(separator="§"))
    assert pairs(data) == [("1", "a"), ("2", "b")]


def test_a_line_of_separators_has_no_user(tmp_path):
    path = write(tmp_path, "a.csv", "1,2,3\n,,,\n")
    dialect = Dialect(lines="users", separator=",")
    assert refusal(path, dialect=dialect) == f"{path}:2: column 'user' is empty"


def test_a_second_column_of_numbers_and_nothing(tmp_path):
    path = write(
        tmp_path, "a.csv", "1|2|3\n" + "".join(f"{n}||{n}\n{n}|3|{n}\n" for n in range(150))
    )
    assert refusal(path).startswith(f"{path}: no header, and column 2 holds only")


def test_one_column_for_two_roles(tmp_path):
    path = write(tmp_path, "a.csv", "1\n2\n")
    assert refusal(path, user="1", item="1").startswith(f"{path}: no column '1'; ")


REFUSED = {
    "a quote open at the end": (
        b'user,item\n1,a\n"2","b',
        ":3: a quote is opened here and never closed",
    ),
    "a quote within a quoted field": (
        b'user,item\n1,"say #"hi"""\n2,b\n',
        ":2: ',' expected after '\"'",
    ),
    "text after an empty quoted field": (b'user,item\n1,""a\n2,b\n', ":2: ',' expected after '\"'"),
    "text in a field after an empty one that is too many": (
        b"user,item\n1,a,,junk\n2,b\n",
        ":2: 4 fields where the header has 2",
    ),
    "one id with a blank among many without": (
        b"user,item\n1,17\n2,1 17\n3,18\n4,19\n5,20\n",
        ": column 'item' holds several items in a field ('1 17')",
    ),
    "a NUL far down": (b"user,item\n" + b"1,a\n2,b\n" * 2000 + b"3,\0\n", ":4002: a NUL byte"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_is_refused(tmp_path, what):
    data, problem = REFUSED[what]
    path = write(tmp_path, "a.csv", data)
    assert refusal(path).startswith(f"{path}{problem}")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_after_a_long_gap_keep_their_numbers(tmp_path, end):
    lines = ["", "user,item", "1,a", *[""] * 1500, "2,b", *[""] * 999, "3,c", *[""] * 2000, "4", ""]
    path = write(tmp_path, "a.csv", end.join(lines))
    assert refusal(path) == f"{path}:{lines.index('4') + 1}: 1 field where the header has 2"
    path.write_text(end.join(lines[:-2]))
    assert pairs(read_interactions(path, min_user_count=0)) == [("1", "a"), ("2", "b"), ("3", "c")]


def test_many_blank_lines_take_no_time(tmp_path):
    path = write(tmp_path, "a.csv", b"user,item\n1,a\n" + b"\n" * 500_000 + b"2,b\n")
    start = time.monotonic()
    assert pairs(read_interactions(path, min_user_count=0)) == [("1", "a"), ("2", "b")]
    assert time.monotonic() - start < 1

"""Files as public data sets and common tools write them: read right, or refused with what helps.

Each text file beside this one has many small files: `## what it is: its name {options}`, then its
lines with the signs of Unicode for a tab and other control characters, then what comes of them:
`=> user|item  user|item` or `!> part of the message`.
"""

import json
import re
from pathlib import Path

import pytest

from multvae_jax.data.interactions import read_interactions
from tests.data.builders import pairs, refusal, write

SIGNS = {ord("⇥"): "\t", ord("␍"): "\r", ord("␛"): "\x1b", ord("␞"): "\x1e"}
HEAD = re.compile(r"## (.*?): (\S+)(?: (\{.*?\}))?(?: written (\{.*\}))?\n")


def files(name):
    """Yield each file of a collection: its name, contents, options and what is expected."""
    text = (Path(__file__).parent / name).read_text("utf-8")
    for part in re.split(r"\n\n(?=## )", text.removesuffix("\n")):
        what, file, options, written = HEAD.match(part).groups()
        body = part[part.index("\n") + 1 :].translate(SIGNS)
        *lines, expected = body.split("\n")
        how = {"encoding": "utf-8", "line_end": "\n"} | json.loads(written or "{}")
        contents = "".join(f"{line}{how['line_end']}" for line in lines)
        contents = contents.encode(how["encoding"])
        yield pytest.param(file, contents, json.loads(options or "{}"), expected, id=what)


@pytest.mark.parametrize(
    ("name", "contents", "options", "expected"),
    [*files("public_data_sets.txt"), *files("files_of_tools.txt")],
)
def test_a_file_of_the_field(tmp_path, name, contents, options, expected):
    path = write(tmp_path, name, contents)
    if expected.startswith("!> "):
        message = refusal(path, **options)
        assert message.startswith(f"{path}:")
        assert expected.removeprefix("!> ") in message
    else:
        data = read_interactions(path, min_user_count=0, **options)
        assert "  ".join("|".join(pair) for pair in pairs(data)) == expected.removeprefix("=> ")


def test_row_numbers_in_front_of_a_table_are_not_users(tmp_path):
    rows = [f"{n},u{n % 5},i{n % 7},5\n" for n in range(40)]
    path = write(tmp_path, "a.csv", "".join(rows))
    problem = "no header, and column 1 numbers the rows: give --user-column and --item-column"
    assert refusal(path).startswith(
        f"{path}: {problem} by number; the first line has 1 (0), 2 (u0)"
    )
    data = read_interactions(path, user="2", item="3", min_user_count=0)
    assert data.n_users == 5


def test_a_column_of_distinct_values_is_not_that_of_the_users(tmp_path):
    rows = [f"{n * 37 % 101},u{n % 5},i{n % 7},5\n" for n in range(101)]
    path = write(tmp_path, "a.csv", "".join(rows))
    problem = "no header, and no two rows have the same value in column 1, so that it does not "
    assert refusal(path).startswith(f"{path}: {problem}")
    assert read_interactions(path, user="2", item="3", min_user_count=0).n_users == 5
    assert read_interactions(path, user="1", item="3", min_user_count=0).n_users == 101


def test_ids_with_a_fraction_are_noted(tmp_path):
    path = write(tmp_path, "a.csv", "user,item\n1.0,10\n2.0,20\n")
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == [("1.0", "10"), ("2.0", "20")]
    note = "column 'user' has ids such as '1.0', which do not meet the same ids without '.0'"
    assert data.notes == (f"{path}: {note}",)


def test_ratings_in_the_place_of_users_are_refused(tmp_path):
    rows = [f"{1 + n * 7 % 5},{n % 17},{n * 13 % 101}\n" for n in range(300)]
    path = write(tmp_path, "a.csv", "".join(rows))
    problem = "no header, and column 1 holds only 1, 2, 3, 4, 5, like ratings"
    assert refusal(path).startswith(f"{path}: {problem}: ")


def test_ratings_in_the_place_of_items_are_refused(tmp_path):
    rows = [f"{n % 17},{1 + n * 7 % 5},{n * 13 % 101}\n" for n in range(300)]
    path = write(tmp_path, "a.csv", "".join(rows))
    problem = "no header, and column 2 holds only 1, 2, 3, 4, 5, like ratings"
    assert refusal(path).startswith(f"{path}: {problem}: ")
    assert read_interactions(path, user="1", item="2", min_user_count=0).n_items == 5


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a"])
@pytest.mark.parametrize("time", ["", " 1478042565"])
def test_numbers_between_blanks_are_a_table_if_users_have_several_lines(tmp_path, name, time):
    rows = [(user, item, 1 + (user + item) % 5) for user in range(1, 9) for item in range(9)]
    lines = [f"{user} {item} {rating}{time}\n" for user, item, rating in rows]
    path = write(tmp_path, name, "".join(lines))
    expected = [(str(user), str(item)) for user, item, _ in rows]
    data = read_interactions(path, min_user_count=0)
    assert pairs(data) == expected
    assert data.notes[0] == f"{path}: blanks separate the fields (--separator, --lines)"
    liked = read_interactions(path, min_user_count=0, min_rating=4)
    assert pairs(liked) == [(str(u), str(i)) for u, i, rating in rows if rating >= 4]


def test_numbers_between_blanks_that_can_be_either_are_refused(tmp_path):
    lines = "".join(f"{n % 7} {n} {n % 5}\n" for n in range(10))
    path = write(tmp_path, "a.txt", lines)
    problem = "each line has 3 words, and users have several lines; give --lines rows if "
    assert refusal(path).startswith(f"{path}: {problem}")
    long = "".join(f"{n % 3} {n} {n % 5} 1 2\n" for n in range(30))
    path = write(tmp_path, "long.txt", long)
    assert refusal(path).startswith(f"{path}: {problem.replace('3', '5')}")
    clock = "".join(f"{n % 3} {n} {n % 5} 2018-09-26 14:30:00\n" for n in range(30))
    path = write(tmp_path, "clock.txt", clock)
    assert refusal(path).startswith(f"{path}: {problem.replace('3', '5')}")
    once = write(tmp_path, "b.txt", "".join(f"{n} {n + 1} {n + 2}\n" for n in range(10)))
    assert len(pairs(read_interactions(once, min_user_count=0))) == 20


def test_messages_stay_short(tmp_path):
    wide = ",".join(f"c{n}" for n in range(1000))
    path = write(tmp_path, "a.csv", f"{wide}\n{','.join('1' * 1000)}\n")
    assert "c11 and 988 more" in refusal(path)
    path = write(tmp_path, "b.csv", f"user,{'x' * 100_000}\n1,2\n")
    assert f"the columns are user, {'x' * 40}...; " in refusal(path)


def test_a_quoted_field_of_megabytes_is_read(tmp_path):
    path = write(tmp_path, "a.csv", f'user,item,note\n1,10,"{"x" * 2_000_000}"\n2,20,y\n')
    assert pairs(read_interactions(path, min_user_count=0)) == [("1", "10"), ("2", "20")]

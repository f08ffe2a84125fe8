"""Titles of items: found beside the file, or named."""

import pytest

from multvae_jax.data.interactions import read_interactions
from tests.data.builders import refusal, write

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
        "call one 'title'"
    )
    assert refusal(path, titles=titles) == problem
    data = read_interactions(path, min_user_count=0)
    assert data.titles == {}
    assert data.notes == (f"{problem}; no titles were read",)
    missing = tmp_path / "none.csv"
    assert refusal(path, titles=missing) == f"{missing}: no such file"


def test_titles_beside_the_data_are_noted_or_left(tmp_path):
    path = write(tmp_path, "a.csv", ROWS)
    titles = write(tmp_path, "movies.csv", "id,title\n10,One\n30,Three\n99,Other\n")
    data = read_interactions(path, min_user_count=0)
    assert data.titles == {"10": "One", "30": "Three"}
    assert data.notes == (f"{titles}: the titles of 2 of 3 items (--titles)",)
    titles.write_text("id,title\n1,One\n2,Two\n")
    data = read_interactions(path, min_user_count=0)
    note = f"{titles}: not of this data: 0 of 3 items have a title; none was taken"
    assert (data.titles, data.notes) == ({}, (note,))
    assert refusal(path, titles=titles) == (
        f"{titles}: none of the 3 items has a title; are the ids the same?"
    )


@pytest.mark.parametrize("text", ["root\ndaemon\n", "root:x:0:0\ndaemon:x:1:1\n"])
def test_a_file_without_columns_has_no_titles(tmp_path, text):
    path = write(tmp_path, "a.csv", ROWS)
    titles = write(tmp_path, "words", text)
    assert refusal(path, titles=titles).startswith((f"{titles}: no item column", f"{titles}:1: "))

"""`multvae recommend`."""

import csv
import json

import pytest

from multvae_jax.cli.main import main

pytestmark = pytest.mark.updates


def test_recommend_serves_known_and_unknown_users(folder, run, capsys):
    history = folder / "history.csv"
    history.write_text("user,item\nann,100\nann,101\nbob,nothing\n")
    assert main(["recommend", str(run), "--history", str(history), "-k", "3"]) == 0
    shown = capsys.readouterr()
    rows = list(csv.DictReader(shown.out.splitlines()))
    assert [(row["user"], row["rank"]) for row in rows] == [
        (user, str(rank)) for user in ("ann", "bob") for rank in (1, 2, 3)
    ]
    assert not {row["item"] for row in rows if row["user"] == "ann"} & {"100", "101"}
    assert all(row["title"] == f"Film, the {row['item']}" for row in rows)
    assert "1 item unknown to the model is ignored" in shown.err
    assert "user bob: no item of the history is known; the most popular are shown" in shown.err


def test_of_many_users_without_a_known_item_a_few_are_named(folder, run, capsys):
    history = folder / "README.md"
    history.write_text("A title\n\nSome words of a text\nand more\n100 101\n- which are\n")
    assert main(["recommend", str(run), "--history", str(history), "-k", "1"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{history}: each line was read as a user and its items",
        f"{history}: 8 items unknown to the model are ignored",
        "4 of 5 users (A, Some, and, ...): no item of the history is known; "
        "the most popular are shown",
    ]


def test_recommend_writes_json_lines_and_more_than_there_is(folder, run):
    history, out = folder / "one.txt", folder / "one.jsonl"
    history.write_text("ann 100 101\n")
    options = ["--history", str(history), "-k", "99", "--format", "jsonl", "--out", str(out)]
    assert main(["recommend", str(run), *options]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    with (run / "items.csv").open() as file:
        known = {row["item"] for row in csv.DictReader(file)}
    assert {row["item"] for row in rows} == known - {"100", "101"}
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_an_unwritable_output_is_one_line(folder, run, capsys):
    history = folder / "h.csv"
    history.write_text("user,item\nann,100\n")
    options = ["--history", str(history), "--out", str(folder / "no" / "such" / "file")]
    assert main(["recommend", str(run), *options]) == 2
    assert capsys.readouterr().err.endswith("No such file or directory\n")

"""`multvae recommend --stream`: a history per line, some at a time."""

import csv
import io
import json
import sys

import polars as pl
import pytest

from multvae_jax.cli import streamed
from multvae_jax.cli.main import main
from multvae_jax.data import history_lines

pytestmark = pytest.mark.updates

HISTORIES = {"zoe": ["100", "101"], "ann": ["105", "x"], "bob": [], "ann2": ["110", "111", "112"]}
LINES = [json.dumps({"user": user, "items": items}) for user, items in HISTORIES.items()]


def lists_in(text):
    found = {}
    for row in csv.DictReader(text.splitlines()):
        found.setdefault(row["user"], []).append(row["item"])
    return found


def test_a_stream_gets_the_items_of_a_file_of_histories(run, tmp_path, capsys, monkeypatch):
    (tmp_path / "only.txt").write_text("\n".join(map(str, range(100, 120))))
    (tmp_path / "out.txt").write_text("104\n")
    (tmp_path / "rows.csv").write_text(
        "user,item\n" + "".join(f"{u},{i}\n" for u, items in HISTORIES.items() for i in items)
    )
    more = ["-k", "5", "--include-seen", "--exclude", str(tmp_path / "out.txt")]
    more += ["--candidates", str(tmp_path / "only.txt")]
    assert main(["recommend", str(run), "--history", str(tmp_path / "rows.csv"), *more]) == 0
    expected = lists_in(capsys.readouterr().out)
    # Two lines at a time, from the standard input.
    whole = history_lines.history_blocks
    monkeypatch.setattr(streamed, "history_blocks", lambda *args: whole(*args, size=2))
    text = "\n".join(LINES).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert main(["recommend", str(run), "--stream", "-", *more]) == 0
    out, said = capsys.readouterr()
    found = lists_in(out)
    assert list(found) == list(HISTORIES)
    assert {user: items for user, items in found.items() if user != "bob"} == expected
    assert len(found["bob"]) == 5
    assert "standard input: ignored 1 item unknown to the model" in said
    assert "standard input: 1 of 4 histories have no known item; the most popular are shown" in said


def test_bad_lines_are_reported_and_the_rest_is_written(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(streamed, "NAMED", 1)
    monkeypatch.setattr(streamed, "MANY", 3)
    place, out = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    place.write_text("\n".join([LINES[0], "{", LINES[1], "[0", *LINES[2:]]))
    words = ["recommend", str(run), "--stream", str(place), "-k", "2", "--out", str(out)]
    assert main(words) == 3
    said = capsys.readouterr().err
    assert f"{place}:2: not JSON in one line: " in said
    assert f"{place}:4" not in said
    assert f"{place}: 2 lines are not histories; the other 4 are done" in said
    assert "4 users" in said
    assert pl.read_parquet(out)["user"].unique(maintain_order=True).to_list() == list(HISTORIES)
    # A stream that breaks off leaves what was there as it was.
    before = out.read_bytes()
    monkeypatch.setattr(streamed, "history_blocks", breaking)
    assert main(words) == 2
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def breaking(*args):
    yield next(history_lines.history_blocks(*args))
    raise history_lines.InputError("the disk is gone")


def test_what_does_not_go_with_a_stream_is_refused(run, capsys):
    assert main(["recommend", str(run), "--stream", "-", "--min-rating", "4"]) == 2
    assert "--stream: a line has no columns and no ratings" in capsys.readouterr().err
    assert main(["recommend", str(run), "--stream", "-", "--all"]) == 2
    assert "give one of --history, --stream, --all, --users" in capsys.readouterr().err

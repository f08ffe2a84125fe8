"""`multvae recommend`."""

import csv
import json
import subprocess
import sys

import jax
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli import recommend as command
from multvae_jax.cli.main import main
from multvae_jax.recommending.top_k import rank_items
from tests.cli.builders import train

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
    history.write_text("A title\n\nSome words of a text\nand more\n100 101\n+ which are\n")
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


def test_the_ending_of_the_output_is_its_format(folder, run):
    history = folder / "two.txt"
    history.write_text("ann 100 101\n007 102\n")
    words = ["recommend", str(run), "--history", str(history), "-k", "4", "--out"]
    catalogue = mv.load_run(run).catalogue
    read = {}
    for ending in ("csv", "jsonl", "parquet", "run"):
        assert main([*words, str(folder / f"lists.{ending}")]) == 0
        read[ending] = mv.read_lists(folder / f"lists.{ending}", catalogue)
    assert read["csv"].user_ids.tolist() == ["ann", "007"]
    assert read["csv"].lengths.tolist() == [4, 4]
    for lists in read.values():
        assert lists.item_ids() == read["csv"].item_ids()
        np.testing.assert_array_equal(lists.scores, read["csv"].scores)
    assert (folder / "lists.parquet").read_bytes().startswith(b"PAR1")


def test_an_output_of_another_ending_is_refused(folder, run, capsys):
    words = ["recommend", str(run), "--history", str(folder / "none.csv"), "--out"]
    assert main([*words, str(folder / "lists.csv.gz")]) == 2
    assert "lists.csv.gz: the ending .gz stands for no format (as .csv" in capsys.readouterr().err
    assert not (folder / "lists.csv.gz").exists()


def test_an_unwritable_output_is_one_line(folder, run, capsys):
    history = folder / "h.csv"
    history.write_text("user,item\nann,100\n")
    options = ["--history", str(history), "--out", str(folder / "no" / "such" / "file")]
    assert main(["recommend", str(run), *options]) == 2
    assert capsys.readouterr().err.endswith("No such file or directory\n")


def shown(capsys, *words):
    """The rows that are written, and what is said."""
    assert main(["recommend", *words]) == 0
    out, err = capsys.readouterr()
    return list(csv.DictReader(out.splitlines())), err


@pytest.fixture(scope="module")
def liked(folder, ratings):
    """A run that was trained on ratings from 4 upwards, in columns with names of their own."""
    rows = ratings.read_text().splitlines()
    data = folder / "liked.csv"
    data.write_text("\n".join(["wer,was,wertung,timestamp", *rows[1:]]))
    options = ["--user-column", "wer", "--item-column", "was", "--rating-column", "wertung"]
    with jax.numpy_dtype_promotion("standard"):
        assert train(data, folder / "liked", *options, "--min-rating", "4") == 0
    return folder / "liked"


def test_a_history_is_read_as_the_training_data_was(liked, tmp_path, capsys):
    history = tmp_path / "history.csv"
    history.write_text("was,wertung,wer\n100,1,ann\n101,5,ann\n102,4,ann\n103,2,bob\n")
    rows, said = shown(capsys, str(liked), "--history", str(history), "-k", "99")
    assert said == (
        f"{history}: 2 interactions with a rating below 4 left out, as in the training "
        "(--min-rating none keeps all)\n"
        "user bob: no item of the history is known; the most popular are shown\n"
    )
    assert {"100"} == {"100", "101", "102"} & {r["item"] for r in rows if r["user"] == "ann"}
    rows, said = shown(
        capsys, str(liked), "--history", str(history), "-k", "99", "--min-rating", "none"
    )
    assert said == ""
    assert not {"100", "101", "102"} & {r["item"] for r in rows if r["user"] == "ann"}
    rows, said = shown(
        capsys, str(liked), "--history", str(history), "-k", "99", "--min-rating", "5"
    )
    assert said.startswith(f"{history}: 3 interactions with a rating below 5 left out (--min")
    assert not {"101"} & {r["item"] for r in rows if r["user"] == "ann"}


def test_a_history_in_another_form_is_read_by_its_own(liked, tmp_path, capsys):
    history = tmp_path / "history.txt"
    history.write_text("ann 100 101\n")
    rows, said = shown(capsys, str(liked), "--history", str(history), "-k", "99")
    assert not {"100", "101"} & {row["item"] for row in rows}
    assert said.splitlines() == [
        f"{history}: lacks the columns of the training data; found by usual names",
        f"{history}: each line was read as a user and its items",
        f"{history}: has no ratings; every interaction counts",
    ]
    words = ["recommend", str(liked), "--history", str(history), "--user-column", "kunde"]
    assert main(words) == 2
    assert "no column 'kunde'" in capsys.readouterr().err


def test_columns_can_be_named_for_the_history_alone(run, tmp_path, capsys):
    history = tmp_path / "history.csv"
    history.write_text("kunde;film\nann;100\n")
    words = ["--user-column", "kunde", "--item-column", "film", "--separator", ";"]
    rows, said = shown(capsys, str(run), "--history", str(history), *words)
    assert {row["user"] for row in rows} == {"ann"}
    assert said == ""


def test_the_first_users_are_written_while_the_others_are_ranked(
    run, tmp_path, capsys, monkeypatch
):
    written = []

    def in_small_batches(*arguments, **options):
        for batch in rank_items(*arguments, batch_size=2, **options):
            yield batch
            written.append(capsys.readouterr().out)

    monkeypatch.setattr(command, "rank_items", in_small_batches)
    history = tmp_path / "history.txt"
    history.write_text("".join(f"user{number} {100 + number}\n" for number in range(5)))
    assert main(["recommend", str(run), "--history", str(history), "-k", "1"]) == 0
    users = [[line.split(",")[0] for line in text.splitlines()] for text in written]
    assert users == [["user", "user0", "user1"], ["user2", "user3"], ["user4"]]


def test_control_characters_are_escaped_on_a_terminal_only(run, tmp_path, capsys, monkeypatch):
    history = tmp_path / "history.csv"
    history.write_text("user,item\n\x1b[31mred,100\n=cmd(),\x07bell\n")
    _, said = shown(capsys, str(run), "--history", str(history), "-k", "1")
    assert "\x1b" not in said
    rows, _ = shown(capsys, str(run), "--history", str(history), "-k", "1")
    assert [row["user"] for row in rows] == ["\x1b[31mred", "=cmd()"]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    rows, _ = shown(capsys, str(run), "--history", str(history), "-k", "1")
    assert [row["user"] for row in rows] == ["\\x1b[31mred", "=cmd()"]


def test_ratings_are_not_read_where_there_is_no_threshold(run, tmp_path, capsys):
    history = tmp_path / "history.csv"
    history.write_text("user,item,rating\nann,100,\nann,101,like\n")
    rows, said = shown(capsys, str(run), "--history", str(history), "-k", "1")
    assert len(rows) == 1
    assert said == ""


@pytest.mark.slow
def test_a_million_histories_need_little_memory(run, tmp_path):
    """5 items each, 20 recommended: 718 MB at 2026-11 with jaxlib 0.10; 429 MB for 100,000."""
    rng = np.random.default_rng(0)
    peaks = []
    for n_users in (100_000, 1_000_000):
        history = tmp_path / f"{n_users}.csv"
        items = rng.integers(100, 130, (n_users, 5))
        with history.open("w") as file:
            file.write("user,item\n")
            file.writelines(f"{u},{i}\n" for u, row in enumerate(items.tolist()) for i in row)
        words = ["recommend", str(run), "--history", str(history), "--out", str(tmp_path / "out")]
        program = (
            "import resource, sys; from multvae_jax.cli.main import main; code = main(sys.argv[1:])"
            "\nprint(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
        )
        code, peak = done.stdout.split()
        assert code == "0"
        peaks.append(int(peak) / 1e3)
        with (tmp_path / "out").open() as file:
            users = {line.partition(",")[0] for line in file} - {"user"}
        assert len(users) == n_users
    assert peaks[1] < 1000, peaks
    # Of the histories alone; the results of a million users would be about 2 GB of objects.
    assert peaks[1] - peaks[0] < 500, peaks

"""`multvae evaluate`, and runs that cannot be read."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.cli.main import main

pytestmark = pytest.mark.updates


def test_evaluate_gives_the_figures_of_the_run_again(folder, run, capsys):
    out = folder / "figures.json"
    assert main(["evaluate", str(run), "--cutoffs", "5", "1000", "--out", str(out)]) == 0
    found = json.loads(out.read_text())
    tested = json.loads((run / "test.json").read_text())
    for recommender in ("model", "popularity"):
        for metric in ("recall@20", "recall@50", "ndcg@100"):
            assert found[recommender][metric] == tested[recommender][metric]
        assert found[recommender]["recall@1000"]["mean"] == 1.0
    assert "Hit rate@5" in capsys.readouterr().out
    assert main(["evaluate", str(run), "--part", "validation"]) == 0


def unchecked(run, to):
    """A copy of a run without checksums, as older versions wrote it."""
    shutil.copytree(run, to)
    (to / "manifest.json").unlink()
    return to


def older(run, to, ratings):
    """A copy of a run that kept only the ids of its users, with data of its own."""
    unchecked(run, to)
    (to / "held_out.npz").unlink()
    config = json.loads((to / "config.json").read_text())
    config["data"]["source"]["path"] = str(ratings)
    (to / "config.json").write_text(json.dumps(config))
    return to


def figures(capsys, *words):
    """The metrics of an evaluation, and what was said."""
    out = words[0] + ".json"
    assert main(["evaluate", *words, "--out", out]) == 0
    return json.loads(Path(out).read_text()), capsys.readouterr().err


def users_of(run, part):
    with (run / "users.csv").open() as file:
        return [row["user"] for row in csv.DictReader(file) if row["part"] == part]


def rows_of(ratings):
    return [line.split(",") for line in ratings.read_text().splitlines()]


def write_rows(path, rows):
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "config.json").unlink(), "not a run, it has no config.json"),
        (
            lambda run: (run / "config.json").write_text("{"),
            "config.json: not JSON",
        ),
        (
            lambda run: (run / "config.json").write_text('{"training": {"epochs": "many"}}'),
            "config.json: training.epochs: expected",
        ),
        (lambda run: (run / "items.csv").unlink(), "items.csv: No such file or directory"),
        (lambda run: (run / "items.csv").write_text("a,b\n1,2\n"), "not the item list of a run"),
        (lambda run: (run / "checkpoint" / "params").rename(run / "x"), "params: cannot be read"),
    ],
)
def test_a_damaged_run_is_one_line(damage, message, run, tmp_path, capsys):
    damaged = unchecked(run, tmp_path / "run")
    damage(damaged)
    assert main(["evaluate", str(damaged)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1


def changed(rows, run):
    """Other data: a test user gone, one with another item, and two users more."""
    gone, other = users_of(run, "test")[:2]
    kept = [row for row in rows if row[0] != gone]
    item = next(row[1] for row in kept[1:] if [other, row[1]] not in [r[:2] for r in kept])
    more = [[user, str(i), *rows[1][2:]] for user in ("9001", "9002") for i in range(100, 108)]
    return [*kept, [other, item, *rows[1][2:]], *more], gone, other


def test_a_run_is_evaluated_on_the_users_that_were_held_out_whatever_its_data_is_now(
    run, ratings, tmp_path, capsys
):
    tested = json.loads((run / "test.json").read_text())
    before = ratings.read_text()
    rows, gone, other = changed(rows_of(ratings), run)
    try:
        write_rows(ratings, rows)
        again, said = figures(capsys, str(run))
        ratings.unlink()
        without, said_without = figures(capsys, str(run))
    finally:
        ratings.write_text(before)
    for found in (again, without):
        assert {name: found["model"][name] for name in tested["model"]} == tested["model"]
    assert said == (
        f"{ratings}: has changed since the training: 1 test user gone ({gone}), 1 test user with "
        f"other interactions ({other}), 2 users new (9001, 9002); the users and "
        "interactions that were held out then are evaluated (--data evaluates on other data)\n"
    )
    assert said_without.startswith(f"{ratings}: is no longer there; the users and")
    assert figures(capsys, str(run))[1] == ""


def test_a_run_of_an_older_version_finds_its_own_users_by_id(run, ratings, tmp_path, capsys):
    rows, gone, _ = changed(rows_of(ratings), run)
    # In the order of the items, so that another set of training users has the same items first.
    rows = [rows[0], *sorted(rows[1:], key=lambda row: int(row[1]))]
    same = older(run, tmp_path / "same", ratings)
    before, said = figures(capsys, str(same))
    assert said == ""
    tested = json.loads((run / "test.json").read_text())
    assert {name: before["model"][name] for name in tested["model"]} == tested["model"]
    moved = older(run, tmp_path / "moved", write_rows(tmp_path / "moved.csv", rows))
    found, said = figures(capsys, str(moved))
    assert found["users"] + found["users_without_target"] == len(users_of(run, "test")) - 1
    assert said == (
        f"{moved}: its data has changed since the training: 1 test user gone ({gone}), "
        "2 users new (9001, 9002); the test users that are left are evaluated\n"
    )


def test_other_data_is_evaluated_on_without_the_users_of_the_training(
    run, ratings, tmp_path, capsys
):
    rows = rows_of(ratings)
    others = len(users_of(run, "train")) + len(users_of(run, "validation"))
    found, said = figures(capsys, str(run), "--data", str(ratings))
    n_test = len(users_of(run, "test"))
    assert said.splitlines()[0] == (
        f"{ratings}: evaluated on its {n_test} users; the run was trained on {others} more, which "
        "are left out"
    )
    tested = json.loads((run / "test.json").read_text())
    assert {name: found["model"][name] for name in tested["model"]} == tested["model"]
    known = {*users_of(run, "train")}
    write_rows(
        tmp_path / "known.csv", [row for n, row in enumerate(rows) if not n or row[0] in known]
    )
    assert main(["evaluate", str(run), "--data", str(tmp_path / "known.csv")]) == 2
    assert f"the run was trained on all of its {len(known)} users" in capsys.readouterr().err


def test_a_split_that_is_given_is_evaluated_on(run, tmp_path, capsys):
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("user,item\nann,100\nann,101\nbob,102\n")
    test.write_text("user,item\nann,103\nbob,nothing\nbob,100\n")
    found, said = figures(capsys, str(run), "--train", str(train), "--test", str(test))
    assert found["users"] == 2
    assert said == f"{test}: evaluated on its 2 users\n"
    loaded = mv.load_run(run)
    column = {item: number for number, item in enumerate(loaded.catalogue.ids)}
    history, targets = np.zeros((2, 2, len(column)), np.float32)
    history[[0, 0, 1], [column["100"], column["101"], column["102"]]] = 1
    targets[[0, 1], [column["103"], column["100"]]] = 1
    users = mv.HeldOut(sp.csr_array(history), sp.csr_array(targets), np.array(["ann", "bob"]))
    expected = mv.evaluate(loaded.scorer, users).mean("ndcg@100")
    assert found["model"]["ndcg@100"]["mean"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--test", "t.csv"], "--train is missing: a given split has"),
        (["--train", "t.csv"], "--test is missing: a given split has"),
        (["--data", "a.csv", "--test", "t.csv"], "--data and --test: give one or the other"),
        (["--data", "a.csv", "--part", "validation"], "--part validation: belongs to the run"),
        (["--data", "no-such.csv"], "no-such.csv: no such file"),
    ],
)
def test_wrong_sources_are_refused(words, message, run, capsys):
    assert main(["evaluate", str(run), *words]) == 2
    assert message in capsys.readouterr().err

"""`multvae train`: the run that it writes, and its options."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from multvae_jax.cli.main import main
from tests.cli.builders import SMALL, log_of, train

pytestmark = pytest.mark.updates


def test_train_writes_all_of_a_run(run):
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoint",
        "config.json",
        "curves.png",
        "held_out.npz",
        "items.csv",
        "manifest.json",
        "metrics.jsonl",
        "test.json",
        "users.csv",
    ]
    assert sorted(path.name for path in (run / "checkpoint").iterdir()) == ["params", "state"]
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    log = log_of(run)
    assert [entry["epoch"] for entry in log] == [1, 2]
    assert set(log[0]["validation"]) == {"recall@20", "recall@50", "ndcg@100"}


def test_test_json_has_the_promised_form(run):
    tested = json.loads((run / "test.json").read_text())
    assert set(tested) == {"model", "popularity", "users", "users_without_target"}
    assert set(tested["model"]["ndcg@100"]) == {"mean", "standard_error"}
    assert set(tested["model"]) == set(tested["popularity"])
    assert tested["users"] + tested["users_without_target"] == 8
    names = {"recall", "uncapped_recall", "ndcg", "precision", "hit_rate", "mrr"}
    assert set(tested["model"]) == {f"{name}@{k}" for name in names for k in (20, 50, 100)}


def test_the_id_maps_name_every_user_and_item_once(run, ratings):
    with (run / "users.csv").open() as file:
        users = list(csv.DictReader(file))
    assert sorted(int(row["user"]) for row in users) == list(range(1, 41))
    parts = [row["part"] for row in users]
    assert [parts.count(part) for part in ("train", "validation", "test")] == [24, 8, 8]
    trained = {row["user"] for row in users if row["part"] == "train"}
    with ratings.open() as file:
        rows = [row for row in csv.DictReader(file) if row["userId"] in trained]
    first_seen = list(dict.fromkeys(row["movieId"] for row in rows))
    with (run / "items.csv").open() as file:
        items = list(csv.DictReader(file))
    assert [row["item"] for row in items] == first_seen
    assert items[0]["title"] == f"Film, the {items[0]['item']}"
    times_rated = [row["movieId"] for row in rows].count(items[0]["item"])
    assert int(items[0]["users"]) == times_rated


def test_train_prints_the_papers_metrics_and_the_run(folder, run):
    shown = (folder / "printed.txt").read_text()
    for word in ("Recall@20", "Recall@50", "NDCG@100", "mult-vae", "popularity", "±"):
        assert word in shown
    assert shown.rstrip().endswith(f"run: {run}")


def test_the_same_command_gives_the_same_numbers_digit_for_digit(folder, ratings, run):
    assert train(ratings, folder / "again") == 0
    assert (folder / "again" / "test.json").read_bytes() == (run / "test.json").read_bytes()

    def log(run: Path):
        return [{name: v for name, v in e.items() if name != "seconds"} for e in log_of(run)]

    assert log(folder / "again") == log(run)
    assert train(ratings, folder / "other", "--seed", "1") == 0
    assert (folder / "other" / "test.json").read_bytes() != (run / "test.json").read_bytes()


def test_a_given_split_ranks_all_but_the_training_row(folder):
    parts = {
        "train": "0 0 1 2\n1 1 2 3\n2 0 3\n3 2 3\n",
        "validation": "0 3\n1 0\n",
        "test": "2 1\n3 0 1\n",
    }
    for part, text in parts.items():
        (folder / f"{part}.txt").write_text(text)
    files = [word for part in parts for word in (f"--{part}", str(folder / f"{part}.txt"))]
    out = folder / "given"
    options = [*SMALL, "--batch-size", "2", "--baselines", "none"]
    assert main(["train", *files, *options, "--out", str(out)]) == 0
    tested = json.loads((out / "test.json").read_text())
    assert (tested["users"], tested["users_without_target"]) == (2, 2)
    assert tested["model"]["uncapped_recall@20"]["mean"] == 1.0


@pytest.mark.parametrize(
    "options",
    [
        ["--model", "mult-dae", "--hidden", "12", "8", "--activation", "relu"],
        ["--likelihood", "gaussian", "--constants", "c1", "2", "c0", "0.5"],
        ["--likelihood", "logistic", "--optimizer", "adamw", "--patience", "1"],
        ["--likelihood", "poisson", "--anneal-steps", "50", "--beta-cap", "0"],
    ],
    ids=lambda options: options[1],
)
def test_a_run_with_other_options_can_be_read_back(folder, ratings, options):
    out = folder / options[1]
    assert train(ratings, out, *options) == 0
    assert main(["evaluate", str(out), "--out", str(folder / "again.json")]) == 0
    assert (folder / "again.json").read_bytes() == (out / "test.json").read_bytes()


def test_another_metric_selects_the_epoch(folder, ratings, capsys):
    """All users have a hit among all items in every epoch, so that the first one is kept."""
    out = folder / "selected"
    options = ["--select-by", "hit_rate@30", "--epochs", "6", "--learning-rate", "0.3"]
    assert train(ratings, out, *options, "--cutoffs", "5") == 0
    shown = capsys.readouterr()
    validated = [entry["validation"] for entry in log_of(out)]
    assert [values["hit_rate@30"] for values in validated] == [1.0] * 6
    assert np.argmax([values["ndcg@100"] for values in validated]) > 0
    assert "kept epoch 1 of 6 (best validation Hit rate@30)" in shown.err
    assert "best Hit rate@30 1.0000" in shown.err
    assert "NDCG@100" not in shown.err
    assert "Hit rate@30 " in shown.out
    assert "NDCG@100" in shown.out
    assert json.loads((out / "config.json").read_text())["training"]["select_by"] == "hit_rate@30"
    tested = json.loads((out / "test.json").read_text())
    assert {"hit_rate@30", "ndcg@100", "ndcg@5"} <= tested["model"].keys()
    assert main(["evaluate", str(out), "--cutoffs", "5", "--out", str(folder / "m.json")]) == 0
    assert json.loads((folder / "m.json").read_text()) == tested


def test_beta_can_be_searched_for(folder, ratings):
    out = folder / "auto"
    words = ["--beta", "auto", "--epochs", "4", "--batch-size", "8", "--profile"]
    assert train(ratings, out, *words) == 0
    # Of the two trainings, the first is traced.
    (_,) = out.glob("profile/plugins/profile/*/perfetto_trace.json.gz")
    searched, trained = log_of(out, "search.jsonl"), log_of(out)
    # 24 training users: three updates an epoch, and beta at 1 after all twelve.
    best = np.argmax([entry["validation"]["ndcg@100"] for entry in searched]) + 1
    cap = json.loads((out / "config.json").read_text())["training"]["beta_cap"]
    assert cap == pytest.approx(best / 4)
    assert trained[-1]["beta"] == pytest.approx(min(cap, np.mean([9, 10, 11]) / 12))
    assert main(["evaluate", str(out)]) == 0

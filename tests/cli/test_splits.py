"""`multvae train` and `evaluate` with every kind of split, and with folds."""

import json
import re
import signal

import numpy as np
import pytest
import scipy.stats

from multvae_jax.cli import train_baseline
from multvae_jax.cli.main import main
from multvae_jax.host.signals import Interrupted
from tests.data.builders import ratings_table

pytestmark = pytest.mark.updates

FAST = ["--model", "popularity", "--baselines", "none"]


@pytest.fixture(scope="module")
def ratings(folder):
    rows = ratings_table(90, 30, seed=1)
    times = np.random.default_rng(2).permutation(len(rows))
    lines = [f"{u},{i},{t}" for (u, i), t in zip(rows, times, strict=True)]
    path = folder / "dated.csv"
    path.write_text("user,item,time\n" + "\n".join(lines) + "\n")
    return path


def value_of(path):
    return json.loads((path / "test.json").read_text())["model"]["ndcg@100"]["mean"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--split", "time", "--test-share", "0.2"], "split by time: trained on "),
        (
            ["--split", "last", "--test-items", "2"],
            "split by each user's order in time: the last 2",
        ),
        ([], "split by users: "),
    ],
)
def test_a_split_is_said_and_its_users_are_evaluated_again(
    ratings, tmp_path, capsys, options, said
):
    run, out = tmp_path / "run", tmp_path / "found.json"
    assert main(["train", "--data", str(ratings), *FAST, *options, "--out", str(run)]) == 0
    assert sum(line.startswith(said) for line in capsys.readouterr().err.splitlines()) == 1
    assert main(["evaluate", str(run), "--out", str(out)]) == 0
    assert json.loads(out.read_text())["model"]["ndcg@100"]["mean"] == pytest.approx(value_of(run))
    if "time" not in options:
        return
    # On other data, users are held out, whatever the split of the training.
    other = tmp_path / "other.csv"
    other.write_text("user,item\n" + "".join(f"new{u},{i}\n" for u in range(9) for i in range(9)))
    capsys.readouterr()
    assert main(["evaluate", str(run), "--data", str(other)]) == 0
    drawn = "a share of 0.8 of the items of each, drawn at random, is the history"
    assert (
        f"evaluated on its 9 users; {drawn} (--split time is that of the training)"
        in capsys.readouterr().err
    )


def test_the_split_of_a_run_is_compared_with_data_that_has_changed(ratings, tmp_path, capsys):
    run, data = tmp_path / "run", tmp_path / "data.csv"
    lines = ratings.read_text().splitlines()
    data.write_text("\n".join(lines) + "\n")
    options = ["--split", "time", "--min-user-count", "0", "--out", str(run)]
    assert main(["train", "--data", str(data), *FAST, *options]) == 0
    data.write_text("\n".join(lines[:-1]) + "\n")
    capsys.readouterr()
    assert main(["evaluate", str(run)]) == 0
    said = capsys.readouterr().err
    assert "data.csv: has changed since the training: " in said
    assert "the users and interactions that were held out then are evaluated" in said


@pytest.fixture(scope="module")
def folds(ratings, folder):
    run = folder / "folds"
    assert main(["train", "--data", str(ratings), *FAST, "--folds", "3", "--out", str(run)]) == 0
    return run


def test_a_run_per_fold_and_the_mean_over_folds(folds, capsys):
    assert {path.name for path in folds.iterdir()} == {
        *("config.json", "folds.json", "fold-1", "fold-2", "fold-3")
    }
    values = [value_of(folds / f"fold-{number}") for number in (1, 2, 3)]
    users = [(folds / f"fold-{number}" / "users.csv").read_text() for number in (1, 2, 3)]
    tested = [re.findall(r"^(\w+),test$", text, re.M) for text in users]
    assert len(set().union(*tested)) == sum(map(len, tested)) == 64
    found = json.loads((folds / "folds.json").read_text())
    metric = found["model"]["ndcg@100"]
    assert metric["by_fold"] == values
    low, high = scipy.stats.t.interval(0.95, 2, np.mean(values), scipy.stats.sem(values))
    assert metric["mean"] == pytest.approx((low + high) / 2)
    assert metric["interval"] == pytest.approx((high - low) / 2)
    assert main(["evaluate", str(folds), "--out", str(folds.parent / "again.json")]) == 0
    assert "mean over 3 folds ± half of its" in capsys.readouterr().out
    again = json.loads((folds.parent / "again.json").read_text())
    assert again["model"]["ndcg@100"]["by_fold"] == pytest.approx(values)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["recommend", "RUN", "--history", "x"], "has a run per fold; name one of them, such as"),
        (["evaluate", "RUN", "--data", "x"], "--data: "),
        (["train", "--resume", "RUN"], "the run is finished; there is nothing to resume"),
    ],
)
def test_what_needs_one_run_is_refused(folds, capsys, command, message):
    assert main([word.replace("RUN", str(folds)) for word in command]) == 2
    assert message in capsys.readouterr().err
    fold = ["recommend", str(folds / "fold-1"), "--history", str(folds.parent / "dated.csv")]
    assert main(fold) == 0


def test_folds_that_are_finished_are_not_trained_again(
    ratings, folds, tmp_path, capsys, monkeypatch
):
    run, train_in, calls = tmp_path / "run", train_baseline.train_in, []

    def stopped_in_the_second(directory, **options):
        calls.append(directory.name)
        if directory.name == "fold-2" and calls.count("fold-2") == 1:
            raise Interrupted(signal.SIGTERM)
        train_in(directory, **options)

    monkeypatch.setattr(train_baseline, "train_in", stopped_in_the_second)
    status = main(["train", "--data", str(ratings), *FAST, "--folds", "3", "--out", str(run)])
    assert status == 128 + signal.SIGTERM
    goes_on = f"stopped in fold 2 of 3; multvae train --resume {run} continues it"
    assert goes_on in capsys.readouterr().err
    assert main(["evaluate", str(run)]) == 2
    assert "its training has not finished" in capsys.readouterr().err
    assert main(["train", "--resume", str(run)]) == 0
    assert calls == ["fold-1", "fold-2", "fold-2", "fold-3"]
    assert (run / "folds.json").read_bytes() == (folds / "folds.json").read_bytes()


def test_a_training_that_fails_at_once_leaves_nothing(ratings, tmp_path, capsys):
    run = tmp_path / "run"
    options = ["--folds", "2", "--held-out", "89", "--out", str(run)]
    assert main(["train", "--data", str(ratings), *FAST, *options]) == 2
    assert "leave no one to train on" in capsys.readouterr().err
    assert not run.exists()


def test_folds_are_of_the_same_data(ratings, tmp_path, capsys, monkeypatch):
    data, run = tmp_path / "data.csv", tmp_path / "run"
    data.write_text(ratings.read_text())
    train_in = train_baseline.train_in

    def stopped(directory, **options):
        if directory.name == "fold-2":
            raise Interrupted(signal.SIGTERM)
        train_in(directory, **options)

    monkeypatch.setattr(train_baseline, "train_in", stopped)
    assert main(["train", "--data", str(data), *FAST, "--folds", "2", "--out", str(run)]) == 143
    with data.open("a") as file:
        file.write("1,2,3\n")
    assert main(["train", "--resume", str(run), "--baselines", "none"]) == 2
    assert "its data has changed since the run began" in capsys.readouterr().err

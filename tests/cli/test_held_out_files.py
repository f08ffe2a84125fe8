"""A split in the five files of the paper's code: users held out with histories of their own."""

import json
import re

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.evaluation.metrics import Metric, ndcg

pytestmark = pytest.mark.updates

FAST = ["--model", "popularity", "--baselines", "none"]


@pytest.fixture(scope="module")
def files(folder):
    """As the notebook writes them: uid and sid from 0, the users of each part after those before.

    Returns the files by option, and the rows by file.
    """
    random = np.random.default_rng(0)
    rows = {name: [] for name in ("train", "validation_tr", "validation_te", "test_tr", "test_te")}
    for user in range(60):
        items = (20 * random.random(10) ** 2).astype(int)
        part = ("train", "validation", "test")[(user >= 40) + (user >= 50)]
        for place, item in enumerate(dict.fromkeys(items.tolist())):
            end = "" if part == "train" else ("_te" if place % 5 == 4 else "_tr")
            rows[part + end].append((user, item))
    rows["test_te"] = [(user, item) for user, item in rows["test_te"] if user != 55]
    rows["test_te"].append((57, 999))
    for name, pairs in rows.items():
        lines = "".join(f"{user},{item}\n" for user, item in pairs)
        (folder / f"{name}.csv").write_text(f"uid,sid\n{lines}")
    named = {
        "train": "train",
        "validation-history": "validation_tr",
        "validation": "validation_te",
        "test-history": "test_tr",
        "test": "test_te",
    }
    options = [[f"--{option}", str(folder / f"{name}.csv")] for option, name in named.items()]
    return [word for pair in options for word in pair], rows


def expected_ndcg(rows):
    """Mean NDCG@100 of popularity over the test users who have a target, in plain Python."""
    counts = {}
    for _, item in rows["train"]:
        counts[item] = counts.get(item, 0) + 1
    # Of equal counts, the item that appears first in the training file is ranked first.
    ranked = sorted(counts, key=lambda item: -counts[item])
    values = []
    for user in range(50, 60):
        history = {item for who, item in rows["test_tr"] if who == user}
        targets = {item for who, item in rows["test_te"] if who == user and item in counts}
        left = [item for item in ranked if item not in history]
        if targets:
            gains = [1 / np.log2(place + 2) for place in range(len(left))]
            found = sum(gains[place] for place, item in enumerate(left) if item in targets)
            values.append(found / sum(gains[: len(targets)]))
    return np.mean(values)


def test_the_held_out_users_are_those_of_the_files(files, tmp_path, capsys):
    options, rows = files
    run, out = tmp_path / "run", tmp_path / "out.json"
    assert main(["train", *options, *FAST, "--out", str(run)]) == 0
    said = capsys.readouterr().err
    assert "given split: 10 test users with histories of their own, and 10 validation users" in said
    assert "1 held-out interaction of test with items not trained on" in said
    found = json.loads((run / "test.json").read_text())
    assert found["model"]["ndcg@100"]["mean"] == pytest.approx(expected_ndcg(rows), rel=1e-5)
    users = (run / "users.csv").read_text()
    numbered = {"train": range(40), "validation": range(40, 50), "test": range(50, 60)}
    for part, numbers in numbered.items():
        assert re.findall(rf"^(\d+),{part}$", users, re.M) == [str(user) for user in numbers]
    assert main(["evaluate", str(run), "--out", str(out)]) == 0
    assert json.loads(out.read_text())["model"]["ndcg@100"] == found["model"]["ndcg@100"]
    # The same users as other data.
    named = dict(zip(options[::2], options[1::2], strict=True))
    given = ["--train", named["--test-history"], "--test", named["--test"]]
    assert main(["evaluate", str(run), *given, "--out", str(tmp_path / "other.json")]) == 0
    assert json.loads((tmp_path / "other.json").read_text()) == json.loads(out.read_text())


def test_python_reads_the_same_split(files):
    options, rows = files
    named = dict(zip(options[::2], options[1::2], strict=True))
    parts = mv.read_held_out_split(
        *(named[f"--{name}"] for name in ("train", "test-history", "test"))
    )
    split = mv.given_split(**parts)
    scorer = mv.baselines.popularity(split.catalogue.counts)
    tested = mv.evaluate(scorer, split.test, {"ndcg@100": Metric(ndcg, 100)})
    assert tested.mean("ndcg@100") == pytest.approx(expected_ndcg(rows), rel=1e-5)
    assert tested.users_without_target >= 1


def test_a_training_user_among_the_test_users_is_refused(files, tmp_path, capsys):
    options, rows = files
    leak = tmp_path / "leak.csv"
    leak.write_text("uid,sid\n" + "".join(f"{u},{i}\n" for u, i in [*rows["test_tr"], (3, 1)]))
    given = [*options, "--test-history", str(leak)]
    assert main(["train", *given, *FAST, "--out", str(tmp_path / "run")]) == 2
    assert "test: 1 user with a history of their own, such as '3', are in the training" in (
        capsys.readouterr().err
    )

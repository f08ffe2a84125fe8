"""The experiment on a split that others made: what it tunes, and on what."""

import json

import numpy as np
import pytest

from tests.experiments.test_experiments import _from_the_root  # noqa: F401 - a fixture

pytestmark = pytest.mark.updates


@pytest.fixture
def files(tmp_path):
    """Two tastes of 20 items; every user has eight in training and two to be found."""
    random = np.random.default_rng(0)
    parts = {"train": [], "test": []}
    for user in range(40):
        items = 20 * (user % 2) + random.permutation(20)[:12]
        for part, some in (("train", items[:10]), ("test", items[10:])):
            parts[part].append(" ".join(map(str, [user, *some])))
    for part, lines in parts.items():
        (tmp_path / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def given(files, *options):
    from experiments.common import command
    from experiments.given_split import given_split

    data = ["--train", str(files / "train.txt"), "--test", str(files / "test.txt")]
    small = ["--quick", "--hidden", "8", "--latent", "4", "--out", str(files / "out")]
    return command(given_split, "", [*data, *small, *options])


def test_a_given_split_is_tuned_on_a_part_of_training_and_tested_once(files):
    assert given(files) == 0
    (folder,) = (files / "out" / "given_split").iterdir()
    results = json.loads((folder / "results.json").read_text())
    assert results["training_interactions"] == 400
    rows = {row["name"]: row for row in results["rows"]}
    assert list(rows) == ["popularity", "EASE", "Mult-VAE"]
    for name in ("EASE", "Mult-VAE"):
        best = max(rows[name]["tried"], key=lambda setting: setting["ndcg@20"])
        assert rows[name]["setting"] == {k: v for k, v in best.items() if k != "ndcg@20"}
    # The taste of a user is plain to EASE; popularity has forty items to choose from.
    found = {name: row["metrics"]["uncapped_recall@20"]["mean"] for name, row in rows.items()}
    assert found["EASE"] == 1.0
    assert found["popularity"] < 0.9
    assert "| Uncapped recall@20 |" in (folder / "table.md").read_text()


def test_what_is_tuned_on_is_no_test_interaction():
    from test_fitting import checkerboard

    from experiments.given_split import to_tune_on

    whole = checkerboard()
    part = to_tune_on(whole)
    assert part.train.nnz + part.validation.targets.nnz == whole.train.nnz
    assert part.test is whole.test


def test_a_split_that_has_validation_is_refused(files, capsys):
    assert given(files, "--validation", str(files / "test.txt")) == 2
    assert capsys.readouterr().err.strip().endswith("such as gowalla's")

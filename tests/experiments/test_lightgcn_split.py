"""LightGCN's split: what is tuned, and on which interactions."""

import numpy as np
import pytest

from experiments.lightgcn_split import lightgcn_split
from experiments.shared.main import main
from tests.experiments.builders import results_in

pytestmark = pytest.mark.updates


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two tastes of 20 items; every user has ten in training and two to be found."""
    folder = tmp_path_factory.mktemp("given")
    random = np.random.default_rng(0)
    parts = {"train": [], "test": []}
    for user in range(40):
        items = 20 * (user % 2) + random.permutation(20)[:12]
        for part, some in (("train", items[:10]), ("test", items[10:])):
            parts[part].append(" ".join(map(str, [user, *some])))
    for part, lines in parts.items():
        (folder / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return folder


def run(files, out, *arguments):
    data = ["--train", str(files / "train.txt"), "--test", str(files / "test.txt")]
    small = ["--quick", "--hidden", "8", "--latent", "4", "--out", str(out)]
    return main(lightgcn_split, arguments=[*data, *small, *arguments])


def test_the_split_is_tuned_on_a_part_of_training_and_tested_once(files, tmp_path):
    assert run(files, tmp_path) == 0
    (folder,) = (tmp_path / "lightgcn_split").iterdir()
    results = results_in(folder)
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


def test_a_split_that_has_validation_is_refused(files, tmp_path, capsys):
    assert run(files, tmp_path, "--validation", str(files / "test.txt")) == 2
    assert capsys.readouterr().err.strip().endswith("such as gowalla's")

"""`multvae train --cutoffs`: the table that is shown, and the metric that selects the epoch."""

import json
import re

import numpy as np
import pytest

from multvae_jax.cli.main import main
from multvae_jax.config.options import TrainConfig, TrainingOptions
from multvae_jax.config.resolve import with_preset
from tests.cli.builders import log_of, train

pytestmark = pytest.mark.updates


def rows_of(table: str) -> dict[str, list[str]]:
    """The figures of a printed table by metric."""
    lines = [line for line in table.splitlines() if "@" in line and "±" in line]
    return {line.split("│")[1].strip(): re.findall(r"\d\.\d{4}", line) for line in lines}


def test_cutoffs_decide_the_table_and_the_epoch(ratings, tmp_path, capsys):
    out = tmp_path / "run"
    options = ["--cutoffs", "5", "2", "--epochs", "8", "--learning-rate", "0.05"]
    assert train(ratings, out, *options) == 0
    shown = capsys.readouterr()
    validated = [entry["validation"] for entry in log_of(out)]
    best = int(np.argmax([values["ndcg@5"] for values in validated])) + 1
    assert f"kept epoch {best} of 8 (best validation NDCG@5)" in shown.err
    assert "best NDCG@5 " in shown.err
    table = rows_of(shown.out)
    assert {f"{name}@{k}" for name in ("Recall", "NDCG", "MRR") for k in (2, 5)} <= table.keys()
    assert "NDCG@20" not in table
    tested = json.loads((out / "test.json").read_text())
    assert float(table["NDCG@5"][0]) == round(tested["model"]["ndcg@5"]["mean"], 4)
    assert main(["evaluate", str(out), "--cutoffs", "5", "2"]) == 0
    assert rows_of(capsys.readouterr().out) == table


def test_without_cutoffs_the_table_is_the_papers(run):
    table = rows_of((run.parent / "printed.txt").read_text())
    assert list(table) == ["Recall@20", "Recall@50", "NDCG@100"]


@pytest.mark.parametrize(
    ("options", "metric"),
    [
        ({}, "ndcg@100"),
        ({"cutoffs": (5, 10)}, "ndcg@10"),
        ({"cutoffs": (10, 5)}, "ndcg@10"),
        ({"cutoffs": ()}, "ndcg@100"),
        ({"cutoffs": (5,), "select_by": "recall@20"}, "recall@20"),
    ],
)
def test_the_metric_is_kept_in_the_configuration(options, metric):
    training = TrainingOptions(**options)
    assert with_preset(TrainConfig(training=training)).training.select_by == metric

"""The picture of the training curves: each curve of the logs."""

import json

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.config.options import TrainConfig
from multvae_jax.runs import report
from multvae_jax.runs.report import training_curves
from multvae_jax.runs.run import write_run
from tests.builders import checkerboard, found_at


def log_of(n: int, start: float, *, validated: bool) -> list[dict]:
    log = [{"epoch": epoch + 1, "loss": start - epoch} for epoch in range(n)]
    for entry in log if validated else ():
        entry["validation"] = {"ndcg@100": 0.1 / entry["epoch"], "recall@20": 0.2}
    return log


def curves_of(axes) -> dict[str, tuple[list, list]]:
    return {line.get_label(): tuple(map(list, line.get_data())) for line in axes.lines}


SELECTION = log_of(4, 90.0, validated=True)
NDCG = ([1, 2, 3, 4], [0.1 / epoch for epoch in (1, 2, 3, 4)])


def test_a_training_after_a_selection_shows_what_has_selected_its_epoch():
    training = log_of(2, 99.0, validated=False)
    logs = {"selection of the epoch": SELECTION, "training": training}
    left, right = training_curves(logs, best_epoch=2).axes
    assert curves_of(left) == {
        "training": ([1, 2], [99.0, 98.0]),
        "selection of the epoch": ([1, 2, 3, 4], [90.0, 89.0, 88.0, 87.0]),
    }
    assert curves_of(right) == {
        "NDCG@100, selection of the epoch": NDCG,
        "Recall@20, selection of the epoch": ([1, 2, 3, 4], [0.2] * 4),
        "best epoch (2)": ([2, 2], [0, 1]),
    }
    assert {line.get_linestyle() for line in left.lines} == {"-", "--"}


def test_one_training_needs_no_name():
    left, right = training_curves({"training": SELECTION}, best_epoch=1).axes
    assert left.get_legend() is None
    assert curves_of(right).keys() == {"NDCG@100", "Recall@20", "best epoch (1)"}
    assert curves_of(right)["NDCG@100"] == NDCG
    left, right = training_curves({"training": log_of(1, 9.0, validated=False)}, 1).axes
    assert curves_of(left) == {"training": ([1], [9.0])}
    assert not right.lines


@pytest.mark.parametrize("damage", ["", '{"epoch": 1, "lo'])
def test_a_run_is_drawn_with_the_logs_that_are_beside_it(damage, tmp_path, monkeypatch):
    drawn = {}

    def draw(logs, best_epoch):
        drawn.update(logs)
        return training_curves(logs, best_epoch)

    monkeypatch.setattr(report, "training_curves", draw)
    split = checkerboard()
    model, log = mv.mult_vae((), 2), log_of(3, 9.0, validated=True)
    run = mv.Run(model, {"w": np.zeros(1)}, split.catalogue, 2, None, log, split)
    lines = "".join(json.dumps(entry) + "\n" for entry in SELECTION)
    (tmp_path / "search.jsonl").write_text(lines)
    (tmp_path / "selection.jsonl").write_text(lines + damage)
    popular = mv.baselines.popularity(split.catalogue.counts)
    tested = {"model": mv.evaluate(popular, split.test, found_at(4))}
    write_run(tmp_path, TrainConfig(), split, run, tested)
    assert drawn == {
        "search for beta": SELECTION,
        **({} if damage else {"selection of the epoch": SELECTION}),
        "training": log,
    }
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

"""Finished rows: read again by a later call of the same settings."""

import numpy as np
import pytest

import multvae_jax as mv
from experiments.shared.finished import finished_or_made
from experiments.shared.tables import TableRow

VALUES = np.array([0.1, 1 / 3, 0.7])


def rows() -> dict[str, TableRow]:
    evaluation = mv.Evaluation({"ndcg@100": VALUES}, users_without_target=2)
    return {
        "EASE": TableRow([evaluation], {"regularization": 3.0}, [{"regularization": 3.0}]),
        "WMF": TableRow([evaluation, evaluation]),
    }


def not_called():
    raise AssertionError("made again")


def test_rows_are_made_once(tmp_path):
    file = tmp_path / "finished" / "ease.json"
    made = finished_or_made(file, {"seeds": 1, "hidden": (600,)}, rows)
    read = finished_or_made(file, {"seeds": 1, "hidden": [600]}, not_called)
    assert list(read) == ["EASE", "WMF"]
    assert read["EASE"].setting == {"regularization": 3.0}
    assert read["EASE"].tried == [{"regularization": 3.0}]
    assert [len(row.evaluations) for row in read.values()] == [1, 2]
    for row in (*made.values(), *read.values()):
        assert row.seconds == made["EASE"].seconds >= 0
        for evaluation in row.evaluations:
            np.testing.assert_array_equal(evaluation.values["ndcg@100"], VALUES)
            assert evaluation.users_without_target == 2


def test_rows_of_other_settings_are_made_again(tmp_path):
    finished_or_made(tmp_path / "a.json", {"epochs": 1}, rows)
    with pytest.raises(AssertionError, match="made again"):
        finished_or_made(tmp_path / "a.json", {"epochs": 2}, not_called)


def test_a_failure_keeps_nothing(tmp_path):
    with pytest.raises(AssertionError, match="made again"):
        finished_or_made(tmp_path / "a.json", {}, not_called)
    assert not list(tmp_path.iterdir())

"""A sweep over folds: every setting on each of them, chosen by the mean over folds."""

import json

import pytest
import scipy.stats

from multvae_jax.cli.main import main
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import InteractionFile, UserFolds
from multvae_jax.sweeps import groups
from multvae_jax.sweeps.parts import Outcome
from tests.builders import write_ratings
from tests.cli.builders import SMALL


def test_each_setting_is_trained_on_every_fold_and_ranked_by_the_mean(
    tmp_path, monkeypatch, capsys
):
    """The training is replaced by a table of values: the second rate wins on one fold only."""
    ratings, out = write_ratings(tmp_path / "ratings.csv"), tmp_path / "swept"
    data = InteractionFile(str(ratings))
    tested = [
        load_split(DataOptions(data, held_out=8, split=UserFolds(3, fold))).test.user_ids.tolist()
        for fold in (1, 2, 3)
    ]
    values = {1e-3: [0.3, 0.5, 0.6], 1e-1: [0.9, 0.1, 0.1]}
    trained = []

    def of_table(members, _, split, *, on_part, **__):
        fold = tested.index(split.test.user_ids.tolist())
        for number, member in enumerate(members):
            value = values[member.learning_rate][fold]
            trained.append((member.learning_rate, fold + 1))
            entry = {"epoch": 1, "loss": 1.0, "validation": {"ndcg@100": value}}
            on_part({number: Outcome([entry], 1)})
            if len(trained) == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(groups, "sweep", of_table)
    options = ["sweep", "--data", str(ratings), "--held-out", "8", "--out", str(out), *SMALL]
    options += ["--vary", "learning-rate", "1e-3", "1e-1", "--folds", "3"]
    assert main(options) == 130
    assert main(options) == 0
    assert sorted(trained) == [(rate, fold) for rate in (1e-3, 1e-1) for fold in (1, 2, 3)]
    assert "3 settings and seeds are trained already" in capsys.readouterr().err
    settings = json.loads((out / "results.json").read_text())["settings"]
    assert [setting["setting"]["learning-rate"] for setting in settings] == [1e-3, 1e-1]
    for setting in settings:
        expected = values[setting["setting"]["learning-rate"]]
        assert setting["by_fold"] == pytest.approx(expected)
        assert setting["mean"] == pytest.approx(sum(expected) / 3)
        half = scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem(expected)
        assert setting["interval"] == pytest.approx(half)
    best = json.loads((out / "best.json").read_text())
    expected = {"type": "folds", "folds": 3, "fold": None, "all_items": False}
    assert best["data"]["split"] == expected
    assert best["training"]["learning_rate"] == 1e-3
    # With other folds it is another sweep.
    assert main([*options[:-1], "4"]) == 2
    assert "of another sweep, with split" in capsys.readouterr().err

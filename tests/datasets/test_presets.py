"""Presets hold the paper's numbers, and options override them."""

import json

import pytest

from multvae_jax.cli.main import main
from multvae_jax.config.options import DataOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import with_preset
from multvae_jax.config.unions import (
    AnnealShare,
    AnnealSteps,
    GivenSplit,
    InteractionFile,
    NamedDataset,
)
from multvae_jax.datasets.registry import DATASETS

# From the paper (section 4.1) and the authors' notebook, not from the code.
PRESETS = {
    "ml-20m": (4.0, 5, 0, 10_000, 200, 200_000),
    "netflix": (4.0, 5, 0, 40_000, 100, 200_000),
    "msd": (None, 20, 200, 50_000, 100, 200_000),
    "ml-1m": (4.0, 5, 0, 600, 100, None),
    "ml-100k": (4.0, 5, 0, 0.1, 100, None),
    "ml-latest-small": (4.0, 5, 0, 60, 100, None),
    "gowalla": (None, None, None, 0.1, 100, None),
    "yelp2018": (None, None, None, 0.1, 100, None),
    "amazon-book": (None, None, None, 0.1, 100, None),
}


PAPER = TrainingOptions(recipe="paper")


def options_of(config: TrainConfig) -> tuple:
    data, training = config.data, config.training
    kept = (data.min_rating, data.min_user_count, data.min_item_count, data.held_out)
    assert training.rise is None or isinstance(training.rise, AnnealSteps)
    return (*kept, training.epochs, training.rise and training.rise.steps)


@pytest.mark.parametrize("name", DATASETS)
def test_the_presets_are_the_papers(name):
    config = with_preset(TrainConfig(data=DataOptions(NamedDataset(name)), training=PAPER))
    assert options_of(config) == PRESETS[name]
    assert with_preset(config) == config


def test_an_option_that_is_set_wins_over_the_preset():
    data = DataOptions(
        NamedDataset("ml-20m"), min_rating=0.5, min_user_count=1, min_item_count=2, held_out=0.3
    )
    training = TrainingOptions("paper", epochs=3, rise=AnnealSteps(7))
    config = with_preset(TrainConfig(data=data, training=training))
    assert options_of(config) == (0.5, 1, 2, 0.3, 3, 7)
    share = with_preset(
        TrainConfig(
            DataOptions(NamedDataset("ml-20m")),
            training=TrainingOptions("paper", rise=AnnealShare(0.1)),
        )
    )
    assert share.training.rise == AnnealShare(0.1)
    assert share.training.epochs == 200


@pytest.mark.parametrize(
    ("source", "preset"),
    [
        (InteractionFile("x.csv"), (None, 5, 0, 0.1, 100, None)),
        (GivenSplit(train="a", test="b"), (None, None, None, 0.1, 100, None)),
        (GivenSplit(train="a", test="b", validation="c"), (None, None, None, None, 100, None)),
    ],
)
def test_a_file_of_ones_own_has_no_data_sets_preset(source, preset):
    config = TrainConfig(DataOptions(source), training=PAPER)
    assert options_of(with_preset(config)) == preset


@pytest.mark.updates
def test_a_run_keeps_the_preset_it_was_made_with(site, home, tmp_path):
    # The preset asks for 200 epochs and 10,000 held-out users: these are the user's.
    set_here = ["--epochs", "1", "--held-out", "1", "--min-rating", "3.5", "--latent", "2"]
    set_here += ["--recipe", "paper", "--baselines", "popularity"]
    run = tmp_path / "run"
    options = ["--dataset", "ml-20m", "--hidden", "4", *set_here, "--out", str(run)]
    assert main(["train", *options]) == 0
    kept = json.loads((run / "config.json").read_text())
    assert kept["data"]["min_user_count"] == 5
    assert (kept["data"]["min_rating"], kept["data"]["held_out"]) == (3.5, 1)
    assert (kept["training"]["epochs"], kept["training"]["rise"]["steps"]) == (1, 200_000)
    assert kept["data"]["source"] == {"type": "dataset", "name": "ml-20m"}, "not where the cache is"
    assert main(["evaluate", str(run), "--out", str(tmp_path / "again.json")]) == 0
    assert (tmp_path / "again.json").read_bytes() == (run / "test.json").read_bytes()

"""Sweeps that are too large are refused before anything is listed, read or written."""

import pytest

from multvae_jax.cli.main import main
from multvae_jax.config.options import SearchOptions, SweepConfig
from multvae_jax.config.resolve import ANY_DATA
from multvae_jax.config.unions import Optuna, Random
from multvae_jax.sweeps import identity
from multvae_jax.sweeps.space import Values, grid_size, read_space, sample

LARGE = [str(i / 1000) for i in range(1, 201)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--seeds", "1000000000"],
            "1 settings with 1,000,000,000 seeds each: a sweep has at most",
        ),
        (
            ["--vary", "beta-cap", "0:1", "--random", "1000000000"],
            "1,000,000,000 settings: a sweep",
        ),
        (
            [
                *("--vary", "beta-cap", *LARGE, "--vary", "dropout", *LARGE),
                *("--vary", "learning-rate", *LARGE, "--vary", "weight-penalty", *LARGE),
            ],
            "1,600,000,000 settings: a sweep has at most 100,000 members",
        ),
        (
            ["--vary", "beta-cap", "0:1", "--optuna", "9", "--trials-at-once", "1000000000"],
            "1,000,000,000 settings: a sweep has",
        ),
        (
            ["--vary", "beta-cap", "0.1", "--devices", "10000"],
            "--devices 10000: at most 8 for each",
        ),
        (
            ["--vary", "beta_cap", "0.1", "--vary", "beta-cap", "0.2"],
            "--vary beta_cap: given twice",
        ),
    ],
)
def test_too_much_is_one_line(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "--data", "nowhere.csv", *options]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"multvae: {message}".replace("beta_cap: given", "beta-cap: given"))
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_grid_is_counted_and_drawn_from_without_being_listed():
    part = Values(tuple(range(1000)))
    space = dict.fromkeys("abcd", part)
    assert grid_size(space) == 10**12
    drawn = sample(space, 50, seed=0)
    assert len({tuple(setting.values()) for setting in drawn}) == 50
    assert sample(space, 50, seed=0) == drawn


def test_many_draws_are_different_and_quick():
    drawn = sample(read_space([("beta-cap", "0:1"), ("latent", "1:50")]), 20_000, seed=0)
    assert len({tuple(setting.values()) for setting in drawn}) == 20_000


def test_two_spellings_of_an_option_are_one_member_and_one_sweep():
    assert identity.key_of({"beta_cap": 0.1}, 3) == identity.key_of({"beta-cap": 0.1}, 3)
    assert identity.key_of({"constants.c_1": 1}, 3) != identity.key_of({"constants.c-1": 1}, 3)
    assert identity.as_varied({"batch_size": 3, "hidden": [1]}) == {"batch-size": 3, "hidden": (1,)}
    one, other = (
        SweepConfig(search=SearchOptions(vary=((name, "0.1"),), search=search))
        for name, search in (("beta_cap", Random(3)), ("beta-cap", Random(3)))
    )
    assert identity.deciding(one, ANY_DATA) == identity.deciding(other, ANY_DATA)
    assert identity.deciding(one, ANY_DATA) != identity.deciding(
        SweepConfig(search=SearchOptions(search=Optuna(3))), ANY_DATA
    )

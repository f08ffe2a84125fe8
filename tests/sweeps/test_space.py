"""The search space: what `--vary` may say, and what is drawn from it."""

import math

import numpy as np
import pytest

from multvae_jax.config.options import TrainConfig, TrainingOptions
from multvae_jax.config.unions import AnnealShare, AnnealSteps
from multvae_jax.errors import InputError
from multvae_jax.sweeps.space import Range, Values, grid, read_space, sample, with_setting


def test_values_have_the_type_of_their_option():
    space = read_space(
        [
            ("beta-cap", "0.1", "1"),
            ("latent", "50", "100"),
            ("hidden", "600", "200,100"),
            ("model", "mult-vae", "mult-dae"),
            ("constants.c0", "0.1", "1e-2"),
            ("anneal_share", "0.5"),
            ("activation", "my.py:one"),
        ]
    )
    assert space == {
        "beta-cap": Values((0.1, 1.0)),
        "latent": Values((50, 100)),
        "hidden": Values(((600,), (200, 100))),
        "model": Values(("mult-vae", "mult-dae")),
        "constants.c0": Values((0.1, 0.01)),
        "anneal-share": Values((0.5,)),
        "activation": Values(("my.py:one",)),
    }


def test_a_grid_is_every_combination_in_the_order_given():
    space = read_space([("beta-cap", "0.1", "0.2"), ("latent", "5", "6")])
    assert [tuple(setting.values()) for setting in grid(space)] == [
        (0.1, 5),
        (0.1, 6),
        (0.2, 5),
        (0.2, 6),
    ]
    assert grid({}) == [{}]


def test_a_sample_of_lists_is_of_the_grid_without_repeats():
    space = read_space([("beta-cap", "0.1", "0.2"), ("latent", "5", "6", "7")])
    drawn = sample(space, 4, seed=1)
    assert len({tuple(setting.values()) for setting in drawn}) == 4
    assert all(setting in grid(space) for setting in drawn)
    assert len(sample(space, 100, seed=1)) == 6
    assert sample(space, 4, seed=1) == drawn
    assert sample(space, 4, seed=2) != drawn


def test_draws_from_a_range_are_even_or_even_in_their_logarithms():
    """Kolmogorov-Smirnov against the uniform; at this bound a right sampler fails once in 1e6."""
    space = read_space(
        [("dropout", "0.2:0.7"), ("learning-rate", "1e-4:1e-2:log"), ("latent", "10:200:log")]
    )
    drawn = sample(space, 4000, seed=0)
    dropout = np.array([setting["dropout"] for setting in drawn])
    rates = np.array([setting["learning-rate"] for setting in drawn])
    for shares in ((dropout - 0.2) / 0.5, np.log(rates / 1e-4) / math.log(100)):
        away = np.abs(np.sort(shares) - (np.arange(4000) + 0.5) / 4000).max()
        assert away < math.sqrt(math.log(2e6) / (2 * 4000))
    assert all(10 <= setting["latent"] <= 200 for setting in drawn)
    assert all(isinstance(setting["latent"], int) for setting in drawn)


def test_whole_numbers_are_as_likely_at_the_ends_as_between():
    """Each of four has a quarter of the places; 5 sigma of a binomial with 400 draws."""
    shares = (np.arange(400) + 0.5) / 400
    drawn = [Range(3, 6, whole=True).at(share) for share in shares]
    assert [drawn.count(number) for number in (3, 4, 5, 6)] == [100] * 4
    assert sorted(s["latent"] for s in sample({"latent": Range(3, 6, whole=True)}, 9, 0)) == [
        3,
        4,
        5,
        6,
    ]


def test_a_setting_becomes_a_configuration():
    setting = {"beta-cap": 0.7, "hidden": (20, 10), "constants.c0": 0.3, "dropout": 0.1}
    config = with_setting(TrainConfig(), setting, seed=4)
    assert (config.training.seed, config.training.beta_cap) == (4, 0.7)
    assert (config.model.hidden, config.model.constants) == ((20, 10), {"c0": 0.3})
    assert config.model.dropout == 0.1
    assert TrainConfig().model.constants == {}


WRONG = {
    "unknown": (
        [("beta-cp", "1")],
        "--vary beta-cp: not an option of the model or the training, or a PART-constants.NAME",
    ),
    "seed": ([("seed", "1")], "--vary seed: not an option"),
    "metric": ([("select-by", "mrr@1", "mrr@2")], "--vary select-by: not an option"),
    "rise": ([("rise", "1")], "--vary rise: not an option"),
    "data": ([("held-out", "1")], "--vary held-out: not an option"),
    "constants": ([("constants", "1")], "--vary constants: not an option"),
    "nothing": ([()], "--vary: not an option"),
    "no value": ([("latent",)], "--vary latent: no values to try"),
    "twice": ([("latent", "1"), ("latent", "2")], "--vary latent: given twice"),
    "value twice": ([("latent", "1", "1")], "--vary latent: a value is given twice"),
    "text": ([("latent", "few")], "--vary latent few: expected `int`, got `str`"),
    "bounds": ([("dropout", "1.0")], "--vary dropout 1.0: expected `float` < 1.0"),
    "choice": ([("precision", "half")], "--vary precision half: invalid enum value 'half'"),
    "order": ([("latent", "9:2")], "a range is LOW:HIGH or LOW:HIGH:log, with LOW below HIGH"),
    "word": ([("latent", "2:9:lin")], "a range is LOW:HIGH or LOW:HIGH:log, with LOW below HIGH"),
    "log": ([("beta-cap", "0:1:log")], "0 has no logarithm"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_space_is_one_line(name):
    vary, message = WRONG[name]
    with pytest.raises(InputError) as error:
        read_space(vary)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_range_is_no_grid():
    with pytest.raises(InputError, match="--vary latent: a range takes --random or --optuna"):
        grid(read_space([("latent", "2:9")]))


def test_a_rise_that_varies_displaces_the_fixed_one():
    """A share wins over steps that are fixed, and two that vary contradict each other."""
    fixed = TrainConfig(training=TrainingOptions(rise=AnnealSteps(50)))
    rise = with_setting(fixed, {"anneal-share": 0.3}, 0).training.rise
    assert rise == AnnealShare(0.3)
    assert with_setting(fixed, {"latent": 3}, 0).training.rise == AnnealSteps(50)
    with pytest.raises(InputError, match="--anneal-share and --anneal-steps: give one or the "):
        with_setting(fixed, {"anneal-share": 0.3, "anneal-steps": 4}, 0)


def test_a_setting_out_of_bounds_is_told_of():
    with pytest.raises(InputError, match="--beta-cap"):
        with_setting(TrainConfig(), {"beta-cap": -1.0}, 0)

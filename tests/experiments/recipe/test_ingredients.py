"""The ablation of the default recipe: what is trained, and what is written."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.recipe.__main__ import RecipeOptions, recipe
from experiments.recipe.ingredients import EXTRAS, STEPS, from_popularity, smoothed, trials
from multvae_jax.likelihoods import dense_log_likelihood
from multvae_jax.recipe import DataShape, adaptive, paper
from tests.builders import checkerboard
from tests.experiments.builders import read, run_quick

SPLIT = checkerboard()
DATA = DataShape(*SPLIT.train.shape, SPLIT.train.nnz)


def test_the_steps_lead_from_the_paper_to_the_default():
    trial = trials(SPLIT)["paper"]
    for step in STEPS.values():
        trial = step(trial, SPLIT)
    assert trial.numbers == adaptive(DATA)
    assert trials(SPLIT)["paper"].numbers == paper(DATA)


@pytest.mark.parametrize("name", [name for name in STEPS if name != "gravity"])
def test_a_step_left_out_is_the_only_difference_from_the_default_without_gravity(name):
    every = trials(SPLIT)
    left_out, others = every[f"without gravity - {name}"], every["without gravity"].numbers
    assert left_out.numbers != others
    assert STEPS[name](left_out, SPLIT).numbers == others


def test_without_gravity_is_the_default_but_for_it():
    every = trials(SPLIT)
    without, default = every["without gravity"], every["default"].numbers
    assert without.numbers == default._replace(gravity=None)
    assert STEPS["gravity"](without, SPLIT).numbers == default
    gravities = [
        dict(every[name].built().hyper["likelihood"])
        for name in ("without gravity", "default", "default, half the gravity")
    ]
    assert gravities == [{}, {"gravity": 0.1}, {"gravity": 0.05}]


def test_sizes_of_the_code_are_varied_but_for_that_of_the_default(monkeypatch):
    def codes():
        return {name: trial.numbers.latent for name, trial in trials(SPLIT).items()}

    small = codes()
    monkeypatch.setattr("multvae_jax.recipe.LARGE_CATALOGUE", SPLIT.train.shape[1])
    large = codes()
    assert {small["default"], small["without gravity"]} == {200}
    assert (small["default, code of 400"], small["default, code of 800"]) == (400, 800)
    assert "default, code of 200" not in small
    assert (large["default"], large["default, twice the gravity"]) == (400, 400)
    assert (large["default, code of 200"], large["default, code of 800"]) == (200, 800)
    # What was found before the size of the code keeps the size that it was found with.
    assert (large["without gravity"], large["without gravity + tied weights"]) == (200, 200)


@pytest.mark.parametrize("name", EXTRAS)
def test_every_extra_makes_a_model_that_can_be_started(name):
    trial = trials(SPLIT)[f"without gravity + {name}"]
    params = trial.built().init(jax.random.key(0), SPLIT.train.shape[1])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(params))


def test_label_smoothing_against_its_definition():
    """The multinomial of the target with a share of the clicks spread over all items."""
    x = np.array([2.0, 0, 1, 0, 1])
    f = np.random.default_rng(0).standard_normal(5)
    target = 0.9 * x + 0.1 * x.sum() / 5
    expected = (target * (f - np.log(np.exp(f).sum()))).sum()
    likelihood = smoothed(0.1)
    found = dense_log_likelihood(likelihood, likelihood.constants, jnp.float32(f), jnp.float32(x))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_bias_from_popularity_ranks_by_popularity():
    trial = from_popularity(trials(SPLIT)["paper"], SPLIT)
    params = trial.built().init(jax.random.key(0), SPLIT.train.shape[1])
    bias = np.asarray(params["network"]["decoder"]["layers_2"]["bias"])
    counts = np.asarray(SPLIT.train.sum(axis=0)).ravel()
    np.testing.assert_allclose(np.exp(bias), (counts + 1) / counts.sum(), rtol=1e-5)


@pytest.mark.updates
def test_what_is_written_and_that_a_second_call_goes_on(ratings, tmp_path):
    rows = ("paper", "without gravity", "without gravity + tied weights")
    given = ["--only", *rows]
    assert run_quick(recipe, ratings, tmp_path, *given, "--seeds", "1", options=RecipeOptions) == 0
    folder = tmp_path / "recipe" / "tastes-quick"
    first = (folder / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)[0] for line in first] == list(rows)
    assert run_quick(recipe, ratings, tmp_path, *given, "--seeds", "2", options=RecipeOptions) == 0
    results, table = read(folder)
    assert (folder / "trials.jsonl").read_text().splitlines()[:3] == first
    assert list(table) == list(rows)
    for row in results["rows"]:
        values = row["metrics"]["ndcg@100"]["by_seed"]
        assert len(values) == 2
        assert table[row["name"]]["NDCG@100"].startswith(f"{np.mean(values):.4f} ± ")
    tied = {row["name"]: row for row in results["rows"]}
    gain = np.subtract(
        tied["without gravity + tied weights"]["metrics"]["ndcg@100"]["by_seed"],
        tied["without gravity"]["metrics"]["ndcg@100"]["by_seed"],
    ).mean()
    assert tied["without gravity + tied weights"]["difference"] == pytest.approx(gain)


def test_a_row_that_does_not_exist_is_refused(ratings, tmp_path, capsys):
    assert run_quick(recipe, ratings, tmp_path, "--only", "magic", options=RecipeOptions) == 2
    assert capsys.readouterr().err.startswith("--only 'magic': no such row; rows: paper, ")

"""One recipe: Python and the command line train the same model in the same way."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax import recipe
from multvae_jax.cli.main import main
from multvae_jax.config.build_training import build_beta
from multvae_jax.config.options import ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import ANY_DATA, with_recipe
from multvae_jax.config.unions import AnnealShare, AnnealSteps
from multvae_jax.defaults import recipe_beta

pytestmark = pytest.mark.updates


@pytest.mark.parametrize(
    ("n_users", "size"),
    [(1, 1), (9, 1), (10, 1), (483, 49), (5000, 500), (5001, 455), (10**6, 500)],
)
def test_an_epoch_has_at_least_ten_even_batches_of_at_most_500_users(n_users, size):
    assert recipe.batch_size(n_users) == size


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    """Ratings of ten users; two of them are trained on, one at a time."""
    random, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "ratings.csv"
    rows = [
        f"{user},{item}"
        for user in range(10)
        for item in random.choice(30, random.integers(6, 12), replace=False)
    ]
    path.write_text("\n".join(["user,item", *rows]))
    return path


def logs_of_both(ratings, tmp_path, options, model, **arguments):
    """The log of `multvae train` and that of `fit`, without the seconds."""
    command = ["train", "--data", str(ratings), "--held-out", "4", "--out", str(tmp_path / "run")]
    assert main([*command, "--baselines", "none", *options]) == 0
    written = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    split = mv.hold_out_users(mv.read_interactions(ratings), validation=4, test=4)
    run = mv.fit(jax.random.key(0), model, split, **arguments)
    return [
        [{name: value for name, value in entry.items() if name != "seconds"} for entry in log]
        for log in (map(json.loads, written), run.log)
    ]


def test_fit_with_nothing_set_makes_the_updates_of_multvae_train(ratings, tmp_path):
    of_command, of_fit = logs_of_both(ratings, tmp_path, [], mv.mult_vae)
    assert of_command == of_fit
    # Ten validations without a new best end it.
    values = [entry["validation"]["ndcg@100"] for entry in of_fit]
    assert len(of_fit) == 1 + int(np.argmax(values)) + 10 < 80
    # Beta reaches its cap after half of the updates of all 80 epochs.
    assert of_fit[4]["beta"] == pytest.approx(0.05 * (4 * 2 + 0.5) / 80, rel=1e-5)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["hidden"] == []
    assert config["model"]["network"] == "bounded_mlp"
    assert config["training"]["learning_rate"] == 3e-3


def test_the_recipe_of_the_paper(ratings, tmp_path):
    """The network, the constants and the length of section 4.4, whatever the data."""
    options = ["--recipe", "paper"]
    of_command, of_fit = logs_of_both(
        ratings, tmp_path, options, mv.mult_vae(), recipe=recipe.paper
    )
    assert of_command == of_fit
    assert (len(of_fit), of_fit[-1]["step"]) == (100, 200)
    # Beta reaches 0.2 after half of the updates: the log has the mean over an epoch's updates.
    assert of_fit[24]["beta"] == pytest.approx(0.2 * (24 * 2 + 0.5) / 100, rel=1e-5)
    assert of_fit[50]["beta"] == pytest.approx(0.2)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    expected = {"hidden": [600], "latent": 200, "network": "variational_mlp", "dropout": 0.5}
    assert config["model"].items() >= expected.items()


@pytest.mark.parametrize("n_users", [1, 483, 4_834, 29_858, 116_677, 10**7])
def test_the_rate_falls_with_the_number_of_updates_and_never_rises(n_users):
    rate = recipe.adaptive(recipe.DataShape(n_users, 1_000, 10 * n_users)).learning_rate
    larger = recipe.adaptive(recipe.DataShape(2 * n_users, 1_000, 20 * n_users)).learning_rate
    assert 0 < larger <= rate <= 3e-3
    # Batches of 500: the fourth root of two once there are more than ten.
    if n_users > 5_000:
        assert rate / larger == pytest.approx(2**0.25, rel=0.01)


@pytest.mark.parametrize(
    ("n_interactions", "gravity"),
    [(0, None), (109, None), (110, 0.0022), (2_000, 0.04), (5_000, 0.1), (100_000, 0.1)],
)
def test_the_logits_are_pulled_by_twice_the_density_and_at_most_by_a_tenth(n_interactions, gravity):
    found = recipe.adaptive(recipe.DataShape(100, 1_000, n_interactions)).gravity
    assert found == (None if gravity is None else pytest.approx(gravity))


@pytest.mark.parametrize(
    ("n_items", "n_interactions", "latent"),
    [(7_999, 400_000, 200), (8_000, 400_000, 400), (40_000, 400_000, 400), (40_000, 40_000, 200)],
)
def test_the_code_is_larger_for_a_large_catalogue_that_is_not_very_sparse(
    n_items, n_interactions, latent
):
    assert recipe.adaptive(recipe.DataShape(1_000, n_items, n_interactions)).latent == latent


def test_very_sparse_data_keeps_the_network_and_the_likelihood_of_the_paper():
    gowalla = recipe.adaptive(recipe.DataShape(29_858, 40_981, 810_128))
    as_dense = recipe.adaptive(recipe.DataShape(29_858, 4_098, 810_128))
    of_paper = recipe.paper(recipe.DataShape(1, 1, 1))
    assert (gowalla.network, gowalla.latent) == (of_paper.network, of_paper.latent)
    assert (gowalla.gravity, gowalla.hidden) == (None, ())
    # Beta reaches its cap after 10 of 80 epochs there, and after 40 on other data.
    assert (gowalla.beta_cap, gowalla.annealed_share * gowalla.epochs) == (0.4, 10)
    assert (as_dense.beta_cap, as_dense.annealed_share * as_dense.epochs) == (0.05, 40)
    assert gowalla.learning_rate == as_dense.learning_rate


def test_options_override_the_recipe_one_by_one():
    options = ModelOptions(latent=7, network="variational_mlp")
    training = TrainingOptions(epochs=3, beta_cap=0.0)
    config = with_recipe(TrainConfig(model=options, training=training), ANY_DATA)
    of_recipe = {"hidden": (), "dropout": 0.5, "likelihood": "multinomial"}
    of_recipe["constants"] = {"gravity": 0.1}
    assert config.model == replace(options, **of_recipe)
    # With a number of epochs, all of them are made.
    expected = replace(training, learning_rate=3e-3, rise=AnnealShare(0.5))
    assert config.training == expected
    assert config.training.patience is None
    pulled = ModelOptions(constants={"gravity": 0.01})
    assert with_recipe(TrainConfig(model=pulled), ANY_DATA).model.constants == {"gravity": 0.01}
    # A likelihood that is named has the constants that are set, and the paper has no gravity.
    for name in ("multinomial", "logistic"):
        named = TrainConfig(model=ModelOptions(likelihood=name))
        assert with_recipe(named, ANY_DATA).model.constants == {}
    paper = TrainConfig(training=TrainingOptions(recipe="paper"))
    assert with_recipe(paper, ANY_DATA).model.constants == {}
    # Other models have widths of their own.
    dae = with_recipe(TrainConfig(model=ModelOptions(model="mult-dae")), ANY_DATA)
    assert dae.model == ModelOptions(model="mult-dae", likelihood="multinomial")


@pytest.mark.parametrize("n_items", [4_098, 40_981], ids=["dense", "very sparse"])
def test_beta_of_the_command_line_is_that_of_python(n_items):
    data = recipe.DataShape(29_858, n_items, 810_128)
    numbers = recipe.adaptive(data)
    training = with_recipe(TrainConfig(), data).training
    of_command = build_beta(training, data.n_users)
    of_fit = recipe_beta(numbers, data.n_users, recipe.batch_size(data.n_users), numbers.epochs)
    steps = np.arange(0, 4_800, 60)
    np.testing.assert_array_equal([of_command(s) for s in steps], [of_fit(s) for s in steps])
    assert float(of_command(4_800)) == pytest.approx(numbers.beta_cap)
    # The search for beta has a rise of its own, and one that is set stays.
    searched = TrainingOptions(beta="auto")
    assert with_recipe(TrainConfig(training=searched), data).training.rise is None
    steep = TrainingOptions(rise=AnnealSteps(100))
    assert with_recipe(TrainConfig(training=steep), data).training.rise == AnnealSteps(100)


def test_fit_refuses_a_metric_that_it_does_not_measure(ratings):
    split = mv.hold_out_users(mv.read_interactions(ratings), validation=4, test=4)
    with pytest.raises(mv.InputError, match=r"^select_by: 'recall@5' is not a metric of"):
        mv.fit(jax.random.key(0), mv.mult_vae(), split, select_by="recall@5")

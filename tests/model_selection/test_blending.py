"""Blends of a model and a baseline."""

import copy
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.baselines import EDLAE, POPULARITY, RP3BETA
from multvae_jax.batching import take, to_device
from multvae_jax.evaluation import evaluate, prepare_users
from multvae_jax.model_selection.blending import GRIDS, WEIGHTS, blend, usual_baseline
from multvae_jax.models import blend_of, standardize
from tests.builders import assert_same, checkerboard, found_at

pytestmark = pytest.mark.updates

BY = {"select_by": "recall@4", "metrics": found_at(4)}
SPLIT = checkerboard()


def trained(split=SPLIT):
    return mv.fit(jax.random.key(0), mv.mult_vae((), 4), split, epochs=2, **BY)


@pytest.fixture(scope="module")
def run():
    return trained()


@pytest.fixture(scope="module")
def blended(run):
    return blend(run, "edlae", **BY)


def batch_of_test(split=SPLIT):
    return take(to_device(split.test.history), jnp.arange(60), 400)


def test_a_blend_adds_standardized_scores(run, blended):
    batch = batch_of_test()
    of_model = np.asarray(run.scorer(batch), np.float64)
    of_baseline = np.asarray(EDLAE.score(blended.params["baseline"], batch), np.float64)

    def standard(scores):
        return (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)

    w = blended.constants["weight"]
    expected = (1 - w) * standard(of_model) + w * standard(of_baseline)
    np.testing.assert_allclose(blended.scorer(batch), expected, atol=2e-4)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_at_its_ends_a_blend_ranks_as_one_of_the_two(weight, run):
    found = blend(run, "edlae", constants={"weight": weight}, **BY)
    alone = found.params["baseline"]
    batch = batch_of_test()
    scores = run.scorer(batch) if weight == 0 else EDLAE.score(alone, batch)
    assert_same(found.scorer(batch), standardize(scores))
    assert found.constants["weight"] == weight


@pytest.mark.parametrize("sign", [1, -1])
def test_the_weight_is_the_one_that_validates_best(sign, run):
    """Of a model that ranks well, and of one that ranks backwards."""
    run = dataclasses.replace(run, params=jax.tree.map(lambda leaf: sign * leaf, run.params))
    users = prepare_users(SPLIT.validation)
    values = {}
    for weight in WEIGHTS:
        one = blend(run, "popularity", constants={"weight": weight}, **BY)
        values[weight] = evaluate(one.scorer, users, BY["metrics"]).mean("recall@4")
    best = max(values, key=values.get)
    assert blend(run, "popularity", **BY).constants["weight"] == pytest.approx(best)


def test_constants_that_are_set_are_not_chosen(run):
    given = {"dropout": 0.25, "regularization": 7.0, "weight": 0.3}
    found = blend(run, "edlae", constants=given, **BY)
    assert found.constants == pytest.approx(given)


@pytest.mark.parametrize("name", GRIDS)
def test_constants_of_a_blend_are_of_its_shorter_grid(name, run):
    if name == "slim":
        pytest.importorskip("sklearn", reason="the extra `baselines` is not installed")
    found = blend(run, name, **BY).constants
    assert sorted(found) == sorted([*GRIDS[name], "weight"])
    for constant, values in GRIDS[name].items():
        assert any(found[constant] == pytest.approx(value) for value in values)


def test_the_blend_ranks_the_items_of_a_users_own_parity_first(blended):
    assert evaluate(blended.scorer, SPLIT.test, BY["metrics"]).mean("recall@4") == 1.0


@pytest.mark.parametrize(
    ("n_users", "n_items", "baseline"),
    [
        (60, 30_000, EDLAE),
        (10**6, 15_000, EDLAE),
        # An inverse that takes minutes, and weights that fill much of the memory.
        (10**6, 20_000, RP3BETA),
        (60, 40_000, RP3BETA),
    ],
)
def test_the_usual_baseline_fits_the_catalogue(n_users, n_items, baseline):
    train = sp.csr_array((n_users, n_items), dtype=np.float32)
    split = copy.copy(SPLIT)
    object.__setattr__(split, "train", train)
    assert usual_baseline(split) is baseline


def test_what_cannot_be_blended_is_one_line(run, blended):
    with pytest.raises(mv.InputError, match=r"^baseline: no such baseline 'edle'; did you mean"):
        blend(run, "edle", **BY)
    with pytest.raises(mv.InputError, match=r"^run: it is already a blend$"):
        blend(blended, **BY)
    with pytest.raises(mv.InputError, match=r"^run: it is already a baseline$"):
        blend(mv.fit_baseline("popularity", SPLIT, **BY), **BY)
    with pytest.raises(mv.InputError, match=r"^weight: expected `float` <= 1"):
        blend(run, constants={"weight": 1.5}, **BY)
    with pytest.raises(mv.InputError, match=r"^run: it was loaded, and has no split"):
        blend(dataclasses.replace(run, split=None), **BY)
    blind = dataclasses.replace(run, split=dataclasses.replace(SPLIT, validation=None))
    with pytest.raises(mv.InputError, match=r"no validation users; give one, constants=\{'weight"):
        blend(blind, POPULARITY, **BY)
    assert blend(blind, POPULARITY, constants={"weight": 0.2}, **BY).constants["weight"] == 0.2


def test_a_user_whom_the_baseline_scores_alike_is_ranked_by_the_model(run):
    """An empty history has no neighbors: EDLAE scores all items 0."""
    value = blend_of(run.model, EDLAE)
    of_baseline = {"item_weights": jnp.eye(40)}
    params = {"model": run.params, "baseline": of_baseline, "weight": jnp.float32(0.9)}
    nobody = take(to_device(sp.csr_array((1, 40), dtype=np.float32)), jnp.array([0]), 1)
    expected = standardize(run.scorer(nobody))
    np.testing.assert_allclose(value.score(params, nobody), 0.1 * expected, rtol=1e-4, atol=1e-6)


def test_a_baseline_that_was_fitted_is_not_fitted_again(run, blended):
    fitted = mv.fit_baseline("edlae", SPLIT, constants=dict(blended.model.baseline.constants), **BY)
    again = blend(run, fitted, **BY)
    assert again.params["baseline"] is fitted.params
    assert_same(again.scorer(batch_of_test()), blended.scorer(batch_of_test()))
    with pytest.raises(mv.InputError, match="fitted already; dropout cannot be set"):
        blend(run, fitted, constants={"dropout": 0.1}, **BY)
    with pytest.raises(mv.InputError, match="baseline: the run is not that of a baseline"):
        blend(run, run, **BY)
    other = mv.fit_baseline("popularity", checkerboard(n_items=44), **BY)
    with pytest.raises(mv.InputError, match="baseline: it was fitted to other items"):
        blend(run, other, **BY)

"""`fit_baseline`: the setting that ranks the validation users best, fitted on all training data."""

import dataclasses
import inspect

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.baselines import BASELINES
from multvae_jax.model_selection import tuning
from multvae_jax.model_selection.tuning import at_edges
from tests.builders import checkerboard, found_at

BY = {"select_by": "recall@4", "metrics": found_at(4)}


def leaning(grid=(-1.0, 0.5, 2.0), fits=None):
    """Follows the user's taste if `sign` is positive, and avoids it if it is negative."""

    def fit(train, sign, other=0.0):
        if fits is not None:
            fits.append((train.nnz, sign, other))
        together = (train.T @ train).toarray()
        return {"weights": jnp.asarray(sign * together, jnp.float32)}

    def score(params, batch):
        return mv.batching.dense_rows(batch) @ params["weights"]

    constants = {"sign": 1.0, "other": 0.0}
    return mv.Baseline("leaning", fit, score, constants, {"sign": grid})


def test_the_setting_that_ranks_the_validation_users_best_is_taken():
    split, fits, entries = checkerboard(), [], []
    run = mv.fit_baseline(leaning(fits=fits), split, callback=entries.append, **BY)
    assert [entry["constants"]["sign"] for entry in run.log] == [-1.0, 0.5, 2.0]
    assert [entry["validation"]["recall@4"] for entry in run.log] == [0.0, 1.0, 1.0]
    assert all(entry["seconds"] > 0 for entry in run.log)
    assert entries == run.log
    # The first of equals.
    assert run.constants == {"sign": 0.5, "other": 0.0}
    assert mv.evaluate(run.scorer, split.test, found_at(4)).mean("recall@4") == 1.0
    assert fits == [(split.train.nnz, sign, 0.0) for sign in (-1.0, 0.5, 2.0)]
    assert (run.best_epoch, run.state, run.split) == (0, None, split)


def test_parameters_too_large_to_keep_are_fitted_again(monkeypatch):
    monkeypatch.setattr(tuning, "KEPT", 0)
    split, fits = checkerboard(), []
    run = mv.fit_baseline(leaning(fits=fits), split, **BY)
    assert [sign for _, sign, _ in fits] == [-1.0, 0.5, 2.0, 0.5]
    assert mv.evaluate(run.scorer, split.test, found_at(4)).mean("recall@4") == 1.0


def test_without_validation_users_a_share_of_the_interactions_is_held_out():
    split, fits = dataclasses.replace(checkerboard(), validation=None), []
    run = mv.fit_baseline(leaning((2.0, -1.0), fits), split, share=0.2, **BY)
    # Of 20 items of each of 60 users, 4 are held out; the last fit is on all of them.
    assert fits == [(960, 2.0, 0.0), (960, -1.0, 0.0), (1200, 2.0, 0.0)]
    assert [entry["validation"]["recall@4"] for entry in run.log] == [1.0, 0.0]
    assert run.split is split


@pytest.mark.parametrize(("validation", "entries"), [(True, 1), (False, 0)])
def test_constants_that_are_set_are_not_chosen(validation, entries):
    split, fits = checkerboard(), []
    if not validation:
        split = dataclasses.replace(split, validation=None)
    constants = {"sign": -3.0, "other": 7}
    run = mv.fit_baseline(leaning(fits=fits), split, constants=constants, **BY)
    assert fits == [(1200, -3.0, 7.0)]
    assert run.constants == constants
    assert len(run.log) == entries


def test_a_grid_of_ones_own_is_tried():
    grid = {"other": (3.0, 4.0), "sign": (1.0, 2.0)}
    run = mv.fit_baseline(leaning(), checkerboard(), grid=grid, **BY)
    tried = [tuple(entry["constants"].values()) for entry in run.log]
    assert tried == [(1.0, 3.0), (2.0, 3.0), (1.0, 4.0), (2.0, 4.0)]


def test_a_callback_can_stop():
    run = mv.fit_baseline(leaning(), checkerboard(), callback=lambda entry: True, **BY)
    assert len(run.log) == 1
    assert run.constants["sign"] == -1.0


@pytest.mark.nans
def test_a_setting_without_a_score_is_not_chosen():
    run = mv.fit_baseline(leaning((float("nan"), -1.0)), checkerboard(), **BY)
    assert np.isnan(run.log[0]["validation"]["recall@4"])
    assert run.constants["sign"] == -1.0


def test_a_baseline_is_found_by_its_name():
    run = mv.fit_baseline("ease", checkerboard(), **BY)
    grid = BASELINES["ease"].grid["regularization"]
    assert tuple(entry["constants"]["regularization"] for entry in run.log) == grid
    assert mv.evaluate(run.scorer, checkerboard().test, found_at(4)).mean("recall@4") == 1.0


def test_settings_that_share_work_are_tried_in_turn():
    grid = {"rank": (1, 4), "regularization": (1.0,)}
    # An item that everyone likes joins the two tastes, so that the first singular vector has one
    # sign (Perron and Frobenius) and ranks the items alike for all users. Without it, the vector
    # could be any mixture of the two tastes, and some mixtures tell them apart.
    split = checkerboard()
    train = split.train.toarray()
    train[:, 0] = 1
    split = dataclasses.replace(split, train=sp.csr_array(train))
    run = mv.fit_baseline("linear-autoencoder", split, grid=grid, **BY)
    assert run.constants["rank"] == 4
    assert run.params["vectors"].shape == (40, 4)
    assert [entry["validation"]["recall@4"] == 1.0 for entry in run.log] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"baseline": "eas"}, "no such baseline 'eas'; did you mean ease?"),
        ({"baseline": mv.mult_vae}, "baseline: mult_vae is a function"),
        ({"constants": {"lambda": 1}}, "ease has no constant 'lambda'"),
        ({"grid": {"lambda": [1]}}, "ease has no constant 'lambda'"),
        ({"select_by": "ndcg"}, "select_by: 'ndcg' is not a metric"),
        ({"split": None}, "split: of type NoneType"),
        ({"constants": {"regularization": -1}}, "EASE: the regularization -1.0 is not a positive"),
        (
            {"constants": {"regularization": 3}, "grid": {"regularization": [1]}},
            "grid: regularization is set to 3; leave out one or the other",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments, message):
    given = {"baseline": "ease", "split": checkerboard(), **arguments}
    with pytest.raises(mv.InputError, match=message):
        # Without the check of the annotations that the tests add.
        inspect.unwrap(mv.fit_baseline)(**given)


def test_values_at_an_end_of_those_tried_are_named():
    log = [{"constants": {"a": a, "b": b, "c": 5.0}} for a in (0.0, 1.0, 2.0) for b in (3.0, 4.0)]
    assert at_edges(log, {"a": 2.0, "b": 3.0, "c": 5.0}) == {"a": "largest", "b": "smallest"}
    # Nothing is below 0, and c has not been varied.
    assert at_edges(log, {"a": 0.0, "b": 4.0, "c": 5.0}) == {"b": "largest"}
    assert at_edges(log[2:4], {"a": 1.0, "b": 4.0, "c": 5.0}) == {"b": "largest"}

"""Checks of every baseline: as a recommender, and as a scorer."""

import importlib

import jax
import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.baselines import (
    BASELINES,
    ease,
    edlae,
    item_knn,
    linear_autoencoder,
    rp3beta,
    slim,
    with_constants,
    wmf,
)
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.recommending.top_k import recommend
from tests.baselines.builders import clicks, needs_implicit, needs_scikit_learn
from tests.builders import assert_close, batch_of, checkerboard, counted, found_at

SCORERS = {
    "ease": lambda train: ease(train, 1.0),
    "edlae": lambda train: edlae(train, 0.3, 1.0),
    "slim": lambda train: slim(train, 0.5, 1.0),
    "linear-autoencoder": lambda train: linear_autoencoder(train, 4, 1.0),
    "wmf": lambda train: wmf(train, factors=4, regularization=0.1),
    # Items of one parity are all equally similar; fewer neighbors would leave some items out.
    "item-knn": lambda train: item_knn(train, 20),
    "rp3beta": lambda train: rp3beta(train, 1.0, 0.3, 20),
}
NEEDS = {"slim": needs_scikit_learn, "wmf": needs_implicit, "item-knn": needs_implicit}
every_baseline = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in SCORERS]
)


def test_every_baseline_of_the_table_is_tested_here():
    assert {*SCORERS, "popularity"} == BASELINES.keys()


@every_baseline
def test_every_baseline_finds_the_held_out_items_of_the_checkerboard(name):
    """The history reveals the taste of an unseen user; a random ranking would score a half."""
    split = checkerboard()
    found = evaluate(SCORERS[name](split.train), split.test, found_at(4))
    assert found.mean("recall@4") == 1.0


@every_baseline
def test_scores_depend_on_the_own_history_alone_and_are_0_without_one(name):
    x = clicks(0)
    score = SCORERS[name](sp.csr_array(x))
    together = np.asarray(score(batch_of(x, extra=3)))
    assert together.shape == x.shape
    assert together.dtype == np.float32
    has_history = x.any(axis=1)
    assert not has_history.all()
    np.testing.assert_array_equal((together != 0.0).any(axis=1), has_history)
    # Another order, other chunks, other padding, and a place without a user.
    users = np.array([7, -1, 0, 39, 3])
    some = np.asarray(score(batch_of(x, users, width=5)))
    expected = np.where((users >= 0)[:, None], together[users], 0.0)
    np.testing.assert_allclose(some, expected, rtol=1e-4, atol=1e-5)


@every_baseline
def test_the_types_of_indices_and_values_do_not_matter(name):
    """A split has 64-bit indices; a matrix from a file may have 32-bit ones."""
    narrow = sp.csr_array(clicks(17))
    wide = sp.csr_array(
        (narrow.data.astype(np.int64), narrow.indices, narrow.indptr), shape=narrow.shape
    )
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    narrow.indices, narrow.indptr = narrow.indices.astype(np.int32), narrow.indptr.astype(np.int32)
    batch = batch_of(clicks(18))
    scores = [np.asarray(SCORERS[name](train)(batch)) for train in (narrow, wide)]
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-6)


@every_baseline
def test_scorers_of_equal_shapes_share_one_compiled_program(name):
    first, second = (SCORERS[name](sp.csr_array(clicks(seed))) for seed in (0, 1))
    program, traces = counted(lambda score, batch: score(batch))
    program = jax.jit(program)
    batch = batch_of(clicks(2))
    one, other = program(first, batch), program(second, batch)
    assert len(traces) == 1
    assert not np.array_equal(one, other)
    assert_close(np.asarray(other), np.asarray(second(batch)), 1e-4)


@every_baseline
def test_recommend_accepts_a_baseline(name):
    split = checkerboard()
    (found,) = recommend(SCORERS[name](split.train), split.catalogue, [["i1", "i3", "i5"]], k=8)
    assert len(found.items) == 8
    assert all(int(item[1:]) % 2 == 1 for item in found.items)


@pytest.mark.parametrize("build", [wmf, item_knn, slim])
def test_the_error_for_a_missing_package_names_the_command_that_installs_it(build, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError) as caught:
        build(sp.csr_array(clicks(0)))
    assert "\n" not in str(caught.value)
    assert "pip install 'multvae-jax[baselines]'" in str(caught.value)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in BASELINES]
)
def test_a_baseline_of_the_table_fits_with_its_constants_and_at_the_ends_of_its_grid(name):
    baseline = BASELINES[name]
    train, batch = sp.csr_array(clicks(3)), batch_of(clicks(4))
    assert baseline.grid.keys() <= baseline.constants.keys()
    for values in baseline.grid.values():
        assert list(values) == sorted(set(values))
    settings = [
        {constant: values[end] for constant, values in baseline.grid.items()} for end in (0, -1)
    ]
    for setting in ({}, *settings):
        params = baseline.fit(train, **{**baseline.constants, **setting})
        assert np.isfinite(baseline.score(params, batch)).all()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("linear-autoencoder", [{"rank": n, "regularization": 3.0 * n} for n in (7, 2, 40)]),
        ("ease", [{"regularization": value} for value in (9.0, 1.0, 30.0)]),
        ("edlae", [{"dropout": p, "regularization": 9.0 * p} for p in (0.5, 0.1, 0.9)]),
    ],
)
def test_settings_that_share_work_are_fitted_as_each_alone(name, settings):
    x = clicks(5, 60, 25)
    baseline = BASELINES[name]
    batch = batch_of(x)
    for setting, params in zip(settings, baseline.fit_each(sp.csr_array(x), settings), strict=True):
        alone = baseline.fit(sp.csr_array(x), **setting)
        assert_close(baseline.score(params, batch), np.asarray(baseline.score(alone, batch)), 1e-5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"regularisation": 3.0},
            "ease has no constant 'regularisation'; did you mean regularization",
        ),
        ({"regularization": "many"}, "ease: regularization 'many' is not a number"),
    ],
)
def test_a_constant_that_a_baseline_cannot_have_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        with_constants(BASELINES["ease"], given)


def test_constants_that_count_are_whole_numbers():
    found = with_constants(BASELINES["item-knn"], {"neighbors": 30.0}).constants
    assert found == {"neighbors": 30}
    assert type(found["neighbors"]) is int
    with pytest.raises(InputError, match=r"item-knn: neighbors 2.5 is not a whole number"):
        with_constants(BASELINES["item-knn"], {"neighbors": 2.5})
    with pytest.raises(InputError, match=r"neighbors inf is not a number"):
        with_constants(BASELINES["item-knn"], {"neighbors": float("inf")})
    with pytest.raises(InputError, match=r"popularity has no constant 'x'; it has none"):
        with_constants(BASELINES["popularity"], {"x": 1.0})

"""A second training of the same shapes compiles nothing."""

import contextlib
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.likelihoods import gaussian
from multvae_jax.schedules import linear_annealing
from tests.builders import checkerboard

pytestmark = pytest.mark.updates

KEY = jax.random.key(0)
SPLIT = checkerboard()
COMPILED = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def compilations():
    """A list with an entry for each program that is compiled in the block."""
    made = []

    def listen(event, seconds, **_):
        if event == COMPILED:
            made.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield made
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def model(c1=1.0, **numbers):
    return mv.mult_vae((5,), 3, likelihood=gaussian(c1), **numbers)


def used(run):
    """What a user does with a run."""
    values = mv.evaluate(run.scorer, SPLIT.test).mean("ndcg@100")
    return values, mv.recommend(run.scorer, run.catalogue, [[run.catalogue.ids[0]]], k=3)


def test_other_numbers_compile_nothing():
    with compilations() as made:
        run = mv.fit(KEY, model(), SPLIT, epochs=2)
    # Even from a cache, each program takes a hundredth of a second.
    assert len(made) <= 13
    used(run)
    # A key is made by a program of its own, which the suite may have forgotten.
    other_key, other = jax.random.key(1), dataclasses.replace(SPLIT, train=SPLIT.train[::-1])
    with compilations() as made:
        first = mv.fit(KEY, model(), SPLIT, epochs=2)
        used(first)
        mv.fit(other_key, model(), SPLIT, epochs=3, patience=1)
        mv.fit(KEY, model(dropout=0.3), other, epochs=2)
        mv.fit(KEY, model(c1=3.0), SPLIT, epochs=2, beta=linear_annealing(0.1, 7.0))
    assert made == []


def test_an_optimizer_that_is_made_anew():
    def fit(rate):
        return mv.fit(KEY, model(), SPLIT, epochs=1, optimizer=optax.chain(optax.sgd(rate)))

    first = fit(0.1)
    with compilations() as made:
        again = fit(0.1)
    assert made == []
    np.testing.assert_array_equal(*(jax.tree.leaves(run.params)[0] for run in (first, again)))
    assert not np.allclose(*(jax.tree.leaves(run.params)[0] for run in (first, fit(0.5))))


def test_a_second_sweep_of_other_numbers():
    def sweep(seeds, rate, split=SPLIT, **numbers):
        members = [mv.Member(jax.random.key(seed), rate) for seed in seeds]
        return mv.sweep(members, model(**numbers), split, epochs=1, keep_params=True)

    first = sweep((0, 1), 1e-2)
    other = dataclasses.replace(SPLIT, train=SPLIT.train[::-1])
    with compilations() as made:
        again, later = sweep((0, 1), 1e-2), sweep((2, 3), 1e-3, other, c1=3.0, dropout=0.3)
    assert made == []
    weights = [np.asarray(jax.tree.leaves(one[0].params)[0]) for one in (first, again, later)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.allclose(weights[0], weights[2])


STRENGTH = 1.0


def scaled(network, likelihood, prior):
    """An objective that reads a global number, as one in a notebook does."""
    elbo = mv.objectives.negative_elbo(network, likelihood, prior)

    def loss(*arguments):
        value, terms = elbo(*arguments)
        return STRENGTH * value, {**terms, "loss": STRENGTH * value}

    return loss


def test_a_global_number_that_changes_between_two_trainings(monkeypatch):
    def loss():
        return mv.fit(KEY, model(objective=scaled), SPLIT, epochs=1).log[0]["loss"]

    first = loss()
    with compilations() as made:
        assert loss() == first
    assert made == []
    monkeypatch.setitem(globals(), "STRENGTH", 2.0)
    assert loss() == pytest.approx(2.0 * first, rel=0.2)
    assert loss() > 1.5 * first


@pytest.mark.parametrize("all_items", [False, True])
def test_folds_pay_once(all_items):
    """Folds of the same items, or with all items, some of which no training user has."""
    likes = np.random.default_rng(0).random((150, 30)) < 0.5
    if all_items:
        likes = np.concatenate([likes, np.eye(150, dtype=bool)[:, :20]], axis=1)
    users, items = np.nonzero(likes)
    data = mv.Interactions(
        users=users.astype(np.int32),
        items=items.astype(np.int32),
        values=np.ones(len(users), np.float32),
        times=None,
        user_ids=np.array([f"u{user:03}" for user in range(150)], object),
        item_ids=np.array([f"i{item}" for item in range(likes.shape[1])], object),
        titles={},
    )
    first, *others = mv.user_folds(data, 5, all_items=all_items)
    if all_items:
        assert any(fold.catalogue.counts.min() == 0 for fold in others)
    mv.fit(KEY, model(), first, epochs=2)
    with compilations() as made:
        runs = [mv.fit(KEY, model(), fold, epochs=2) for fold in others]
    assert made == []
    weights = [np.asarray(jax.tree.leaves(run.params)[0]) for run in runs]
    assert not np.allclose(weights[0], weights[1])


def test_the_scores_of_a_closure():
    def scorer(shift):
        return lambda batch: jnp.zeros((batch.users.shape[0], batch.n_items)) + shift

    mv.evaluate(scorer(1.0), SPLIT.test)
    with compilations() as made:
        mv.evaluate(scorer(1.0), SPLIT.test)
    assert made == []


def test_another_recommender_compiles_its_scores_alone():
    popular = mv.baselines.popularity(SPLIT.catalogue.counts)
    mv.evaluate(popular, SPLIT.test)
    weights = np.eye(len(SPLIT.catalogue.ids), dtype=np.float32)
    with compilations() as made:
        mv.evaluate(lambda batch: mv.batching.dense_rows(batch) @ weights[::-1], SPLIT.test)
    assert len(made) == 1

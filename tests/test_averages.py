"""Averages of the parameters, and that `fit` evaluates and keeps them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax.contrib import schedule_free, schedule_free_eval_params

from multvae_jax import averages
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.fitting import fit
from multvae_jax.models import mult_vae, scorer
from multvae_jax.training.updates import TrainState
from tests.builders import assert_same, checkerboard

pytestmark = pytest.mark.updates

PARAMS = {"a": {"w": jnp.array([1.0, -2.0])}, "b": jnp.array(3.0)}
MODEL = mult_vae((), 4)
# Twelve updates an epoch.
OPTIONS = {"epochs": 3, "batch_size": 5}


def descended(optimizer, updates=12):
    """The parameters after each update of a quadratic loss, from the first on, and the state."""

    def loss(params):
        return jnp.sum((params["a"]["w"] - 1.0) ** 2) + jnp.cos(params["b"])

    def step(carry, _):
        params, state = carry
        update, state = optimizer.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, update)
        return (params, state), params

    (params, state), every = jax.lax.scan(step, (PARAMS, optimizer.init(PARAMS)), length=updates)
    return every, TrainState(params, state, jnp.int32(updates), jax.random.key(0), {})


def weighted(every, weights):
    weights = np.asarray(weights, np.float64)
    return jax.tree.map(
        lambda leaf: np.tensordot(weights / weights.sum(), np.asarray(leaf, np.float64), 1), every
    )


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_ema_weighs_each_update_by_its_distance(decay):
    every, state = descended(averages.ema(optax.sgd(0.1), decay))
    expected = weighted(every, decay ** np.arange(11, -1, -1.0))
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=2e-5),
        averages.evaluated(state),
        expected,
    )


@pytest.mark.parametrize("start", [0, 5, 7.5, 11, 12, 20])
def test_swa_is_the_mean_of_the_updates_after_its_start(start):
    every, state = descended(averages.swa(optax.sgd(0.1), start))
    left = np.arange(1, 13) > np.floor(start)
    if not left.any():
        left[-1] = True
    expected = weighted(every, left)
    found = averages.evaluated(state)
    np.testing.assert_allclose(found["a"]["w"], expected["a"]["w"], rtol=1e-5)


@pytest.mark.parametrize("average", [lambda o: averages.ema(o, 0.9), lambda o: averages.swa(o, 3)])
def test_an_average_leaves_the_trained_parameters_as_they_are(average):
    with_average, _ = descended(average(optax.adam(0.1)))
    without, _ = descended(optax.adam(0.1))
    assert_same(with_average, without)


def test_an_optimizer_without_an_average_shows_the_parameters_themselves():
    _, state = descended(optax.chain(optax.clip(1.0), optax.adam(0.1)))
    assert averages.evaluated(state) is state.params


FREE = schedule_free(optax.adam(0.1, b1=0.0), 0.1, b1=0.8)


def test_the_parameters_of_schedule_free_are_found_also_inside_other_optimizers():
    _, state = descended(FREE)
    expected = schedule_free_eval_params(state.opt_state, state.params)
    assert_same(averages.evaluated(state), expected)
    _, inside = descended(optax.chain(optax.clip(1e3), FREE))
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5),
        averages.evaluated(inside),
        expected,
    )


def test_where_a_part_is_averaged_the_others_are_those_of_the_training():
    parts = {"slow": averages.ema(optax.sgd(0.1), 0.9), "fast": optax.sgd(0.1)}
    _, state = descended(optax.partition(parts, {"a": "slow", "b": "fast"}))
    every, _ = descended(optax.sgd(0.1))
    found = averages.evaluated(state)
    assert found["b"] == state.params["b"]
    expected = weighted(every, 0.9 ** np.arange(11, -1, -1.0))["a"]["w"]
    np.testing.assert_allclose(found["a"]["w"], expected, rtol=1e-5)


@pytest.mark.parametrize("decay", [1.0, -0.1, 2])
def test_a_decay_out_of_bounds_is_refused(decay):
    with pytest.raises(InputError, match="decay"):
        averages.ema(optax.sgd(0.1), decay)


# --- fit --------------------------------------------------------------------------------------


def fitted(optimizer, split=None, **options):
    """A run, and what was to be evaluated after each of its epochs."""
    seen = []

    def see(state):
        if state.entry is not None:
            seen.append(jax.tree.map(jnp.copy, averages.evaluated(state.train)))

    split = checkerboard() if split is None else split
    key = jax.random.key(0)
    run = fit(key, MODEL, split, optimizer=optimizer, callback=see, **OPTIONS | options)
    return run, seen, split


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda rate, updates: averages.ema(optax.adam(0.1), 0.9),
        lambda rate: schedule_free(optax.adam(10 * rate, b1=0.0), 10 * rate),
    ],
    ids=["ema", "schedule-free"],
)
def test_what_is_kept_is_what_was_validated(optimizer):
    run, seen, split = fitted(optimizer, validate_every=1)
    assert_same(run.params, seen[run.best_epoch - 1])
    assert not np.array_equal(*(jax.tree.leaves(p)[0] for p in (seen[-1], run.state.params)))
    for params, entry in zip(seen, run.log, strict=True):
        found = evaluate(scorer(MODEL, params), split.validation).mean("ndcg@100")
        assert entry["validation"]["ndcg@100"] == found


def test_without_validation_the_last_average_is_kept():
    split = dataclasses.replace(checkerboard(), validation=None)
    run, seen, _ = fitted(lambda updates: averages.swa(optax.adam(0.1), 0.5 * updates), split)
    assert_same(run.params, seen[-1])
    assert_same(run.params, run.state.opt_state.average)


def test_a_function_of_ones_own_decides_what_is_evaluated():
    def halved(state):
        return jax.tree.map(lambda leaf: leaf / 2, state.params)

    run, *_ = fitted(optax.adam(0.1), epochs=1, evaluated=halved)
    assert_same(run.params, halved(run.state))


@pytest.mark.parametrize(
    ("evaluated", "says"),
    [
        (lambda state: state.params["network"], "something other than parameters"),
        (lambda state: state.parameters, "evaluated: AttributeError"),
    ],
)
def test_what_no_model_can_be_evaluated_with_is_refused_before_the_training(evaluated, says):
    with pytest.raises(InputError, match=says):
        fit(jax.random.key(0), MODEL, checkerboard(), evaluated=evaluated, **OPTIONS)

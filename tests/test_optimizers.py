"""Optimizers from functions: the length of the training, and numbers that are traced."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax import averages, optimizers, schedules
from multvae_jax.errors import InputError
from multvae_jax.fitting import fit
from multvae_jax.models import mult_vae
from tests.builders import assert_same, checkerboard

pytestmark = pytest.mark.updates


def path_of(optimizer, gradients):
    """The parameters after each update with given gradients."""
    params = {"w": jnp.zeros(2)}
    state, found = optimizer.init(params), []
    for gradient in gradients:
        update, state = optimizer.update({"w": jnp.array(gradient)}, state, params)
        params = optax.apply_updates(params, update)
        found.append(np.asarray(params["w"]))
    return np.array(found)


GRADIENTS = [(3.0, 4.0), (-0.3, 0.4), (6.0, -8.0), (0.1, 0.1)]


@pytest.mark.parametrize(
    "made",
    [
        optax.sgd(0.5),
        optax.sgd,
        lambda rate: optax.sgd(rate),
        lambda updates: optax.sgd(updates / 200),
        lambda learning_rate, updates: optax.sgd(learning_rate * updates / 100),
        lambda rate, *, updates: optax.sgd(rate * updates / 100),
    ],
)
def test_a_function_gets_the_rate_and_the_number_of_updates_that_it_asks_for(made):
    built = optimizers.build(made, learning_rate=0.5, updates=100)
    np.testing.assert_allclose(path_of(built, GRADIENTS), path_of(optax.sgd(0.5), GRADIENTS))


def test_a_function_that_fails_is_one_line():
    with pytest.raises(InputError, match="optimizer: ZeroDivisionError"):
        optimizers.build(lambda updates: optax.sgd(1 / 0), 0.1, 10)


def test_fit_hands_over_the_updates_of_all_epochs():
    """60 users in batches of 25: three updates an epoch; patience and a stop change nothing."""
    seen = []

    def optimizer(updates):
        seen.append(updates)
        return optax.sgd(schedules.linear_decay(0.1, updates))

    options = {"epochs": 4, "batch_size": 25}
    key, model, split = jax.random.key(0), mult_vae((), 4), checkerboard()
    run = fit(key, model, split, optimizer=optimizer, stop_after=1, **options)
    assert seen == [12]
    by_hand = optax.sgd(schedules.linear_decay(0.1, 12))
    again = fit(key, model, split, optimizer=by_hand, stop_after=1, **options)
    assert_same(run.state.params, again.state.params)


def test_numbers_in_the_state_make_the_same_updates():
    factory = optimizers.composed(optax.adam, 4, schedules.linear_decay)
    numbers = {"warmup": 0.25, "clip": 1.0, "b1": 0.5, "ema": 0.9}
    traced = optimizers.with_numbers(factory, 0.1, numbers)
    by_hand = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adam(schedules.linear_decay(0.1, 4, 0.25), b1=0.5)
    )
    np.testing.assert_allclose(path_of(traced, GRADIENTS), path_of(by_hand, GRADIENTS), rtol=1e-5)
    state = traced.init({"w": jnp.zeros(2)})
    assert {name: float(n) for name, n in state.numbers.items()} == pytest.approx(
        {"learning_rate": 0.1, **numbers}
    )


def test_a_clipped_gradient_has_at_most_the_norm():
    clipped = optimizers.composed(optax.sgd, 4)(1.0, clip=1.0)
    moved = np.diff(path_of(clipped, GRADIENTS), axis=0, prepend=0.0)
    np.testing.assert_allclose(
        moved, [(-0.6, -0.8), (0.3, -0.4), (-0.6, 0.8), (-0.1, -0.1)], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("numbers", "by_hand"),
    [
        # Half of four updates are left out.
        ({"swa": 0.5}, averages.swa(optax.sgd(0.1), 2)),
        ({"ema": 0.9}, averages.ema(optax.sgd(0.1), 0.9)),
    ],
)
def test_averages_are_those_by_hand(numbers, by_hand):
    found = []
    for optimizer in (optimizers.composed(optax.sgd, 4)(0.1, **numbers), by_hand):
        params = {"w": jnp.zeros(2)}
        state = optimizer.init(params)
        for gradient in GRADIENTS:
            update, state = optimizer.update({"w": jnp.array(gradient)}, state, params)
            params = optax.apply_updates(params, update)
        found.append(state.average)
    assert_same(*found)


def test_what_an_optimizer_is_built_by_cannot_be_traced():
    def by_value(rate, power=1.0, kind=1.0):
        return optax.sgd(rate * power) if kind > 0 else optax.adam(rate)

    assert optimizers.can_be_traced(by_value, "power", 2.0)
    assert not optimizers.can_be_traced(by_value, "kind", 2.0)
    assert optimizers.can_be_traced(optax.adam, "b1", 0.8)
    assert not optimizers.can_be_traced(optax.adam, "beta", 0.8)

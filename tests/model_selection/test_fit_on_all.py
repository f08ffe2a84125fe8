"""`fit_on_all`: the epoch is selected on held-out interactions, then all are trained on."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.schedules import cosine_decay, linear_annealing
from tests.builders import assert_same, checkerboard

pytestmark = pytest.mark.updates

KEY, MODEL = jax.random.key(0), mv.mult_vae((8,), 4)
SPLIT = dataclasses.replace(checkerboard(), validation=None)
# 60 users in batches of 20: three updates an epoch.
EPOCHS, UPDATES = 8, 8 * 3
TRAINING = {"epochs": EPOCHS, "batch_size": 20, "recipe": mv.recipe.paper}


def adam() -> optax.GradientTransformation:
    return optax.adam(cosine_decay(0.03, UPDATES))


@pytest.fixture(scope="module")
def logs():
    """The log of each epoch of both trainings, with the interactions that it was trained on."""
    return []


@pytest.fixture(scope="module")
def run(logs):
    def callback(state):
        logs.append(state.entry)

    with jax.numpy_dtype_promotion("standard"):
        return mv.fit_on_all(
            KEY, MODEL, SPLIT, share=0.2, optimizer=adam(), callback=callback, **TRAINING
        )


def test_the_second_training_ends_at_the_best_epoch_of_the_first(run, logs):
    first, second = logs[:EPOCHS], logs[EPOCHS:]
    assert all("validation" in entry for entry in first)
    best = int(np.argmax([entry["validation"]["ndcg@100"] for entry in first])) + 1
    assert 1 < best < EPOCHS, "the test shows nothing otherwise"
    assert run.best_epoch == len(run.log) == len(second) == best
    assert not any("validation" in entry for entry in second)


def test_it_is_the_beginning_of_a_training_on_all_with_the_same_schedules(run):
    """Not a training of fewer epochs: its rate would have fallen to 0, and beta risen, by then."""

    def stop(state):
        return len(state.log) == run.best_epoch

    beginning = mv.fit(KEY, MODEL, SPLIT, optimizer=adam(), callback=stop, **TRAINING)
    assert_same(run.params, beginning.state.params)
    beta = linear_annealing(0.2, UPDATES / 2)
    last = [float(beta(3 * run.best_epoch - i)) for i in (1, 2, 3)]
    assert run.log[-1]["beta"] == pytest.approx(np.mean(last))
    assert run.split is SPLIT


def test_a_beginning_has_the_default_schedule_of_all_epochs():
    run = mv.fit(KEY, MODEL, SPLIT, stop_after=2, **TRAINING)
    assert len(run.log) == run.best_epoch == 2
    assert run.log[-1]["beta"] == pytest.approx(0.2 * np.mean([3, 4, 5]) / (UPDATES / 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": checkerboard()}, "split: it has validation users, who select the epoch in fit"),
        ({"share": 1.5}, "1.5 of each user's interactions: the share must be between 0 and 1"),
        ({"state": object()}, "state: fit_on_all has two trainings; call fit for each"),
        ({"stop_after": 0}, "stop_after: expected `int` >= 1"),
    ],
)
def test_what_it_cannot_train_is_refused(arguments, message):
    given = {"split": SPLIT, "epochs": 1, **arguments}
    with pytest.raises(mv.InputError) as caught:
        mv.fit_on_all(KEY, MODEL, **given)
    assert str(caught.value) == message

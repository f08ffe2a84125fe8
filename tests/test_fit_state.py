"""`fit` continued from a state: the same run, to the bit, as one that was never stopped."""

import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax.batching import parts_of_epoch, plan_epoch, to_device
from multvae_jax.errors import InputError
from multvae_jax.fitting import fit
from multvae_jax.keys import order_key
from multvae_jax.models import mult_vae
from multvae_jax.training.updates import make_epoch, make_train_step
from multvae_jax.training_loop import epochs as training_loop
from multvae_jax.training_loop.divergence import problem_of_updates
from tests.builders import assert_same, checkerboard

pytestmark = pytest.mark.updates

MODEL = mult_vae((16,), 4)
# Twelve updates an epoch, in two parts of six.
OPTIONS = {"epochs": 5, "batch_size": 5, "optimizer": optax.adam(1e-2), "patience": 3}


def run(key=0, model=MODEL, **options):
    return fit(jax.random.key(key), model, checkerboard(), **OPTIONS | options)


def without_seconds(log):
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in log]


def copied(state):
    """The state with arrays of its own: those of the training are donated."""
    return replace(state, train=jax.tree.map(jnp.copy, state.train))


@pytest.fixture(scope="module")
def whole():
    """A training that was never stopped, and the states that its callback saw."""
    seen = []
    return run(callback=lambda state: seen.append(copied(state))), seen


def test_the_callback_sees_every_part_and_an_entry_at_the_end_of_each_epoch(whole):
    finished, seen = whole
    assert [state.entry is None for state in seen] == [True, False] * len(finished.log)
    assert [state.entry for state in seen[1::2]] == finished.log
    assert [int(state.train.step) for state in seen] == list(range(6, 6 * len(seen) + 1, 6))


@pytest.mark.parametrize("stop", [0, 1, 4, 5, -2])
def test_a_stopped_training_continues_to_the_same_run(whole, stop):
    finished, seen = whole
    again = run(state=copied(seen[stop]))
    assert without_seconds(again.log) == without_seconds(finished.log)
    assert again.best_epoch == finished.best_epoch
    assert_same(again.params, finished.params)
    assert_same(again.state.params, finished.state.params)
    assert_same(again.state.opt_state, finished.state.opt_state)


def test_the_loss_of_an_epoch_is_the_mean_over_the_users_of_its_parts(whole):
    finished, seen = whole
    (first,) = seen[0].parts
    assert (first.updates, first.users) == (6, 30)
    second = 2 * finished.log[0]["loss"] - first.terms["loss"]
    run_part = jax.jit(
        make_epoch(make_train_step(MODEL, OPTIONS["optimizer"])), static_argnames="capacity"
    )
    histories = to_device(checkerboard().train)
    plan = plan_epoch(order_key(jax.random.key(0), 1), histories, 5)
    _, terms = run_part(copied(seen[0]).train, histories, plan.order[6:], capacity=plan.capacity)
    assert float(terms["loss"]) == pytest.approx(second, rel=1e-6)


def test_a_training_that_has_ended_is_returned_as_it_was(whole):
    finished, seen = whole
    again = run(state=copied(seen[-1]))
    assert again.log == finished.log
    assert_same(again.params, finished.params)


def test_patience_counts_the_epochs_before_the_stop():
    still = {"optimizer": optax.sgd(0.0), "epochs": 20}
    states = []
    run(**still, callback=lambda state: states.append(state) or state.entry is not None)
    again = run(**still, state=states[-1])
    assert len(again.log) == 1 + OPTIONS["patience"]


def test_a_stop_inside_the_first_epoch_keeps_what_there_is():
    stopped = run(callback=lambda state: True)
    assert (stopped.log, stopped.best_epoch, int(stopped.state.step)) == ([], 0, 6)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"key": 1}, "another key"),
        ({"model": mult_vae((8,), 4)}, "another model, optimizer or catalogue"),
        ({"optimizer": optax.sgd(0.1)}, "another model, optimizer or catalogue"),
    ],
)
def test_a_state_of_another_training_is_refused(whole, other, says):
    with pytest.raises(InputError, match=f"state: it belongs to .*{says}"):
        run(**other, state=copied(whole[1][0]))


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 24, 37, 100, 233, 234])
def test_the_parts_of_an_epoch_are_its_updates_in_order(n):
    parts = parts_of_epoch(n)
    assert np.concatenate([np.arange(n)[part] for part in parts]).tolist() == list(range(n))
    sizes = {part.stop - part.start for part in parts}
    assert max(sizes) <= 10
    assert len(sizes) <= 2


@pytest.mark.parametrize("callback", [None, lambda state: False], ids=["plain", "callback"])
def test_the_seconds_of_an_epoch_include_the_wait_for_the_device(callback, monkeypatch):
    """Updates run while Python goes on; the check of their results is the first to wait."""

    def slow(*args, **kwargs):
        time.sleep(0.1)
        return problem_of_updates(*args, **kwargs)

    monkeypatch.setattr(training_loop, "problem_of_updates", slow)
    finished = run(epochs=2, patience=None, callback=callback)
    # An epoch has two parts.
    assert all(entry["seconds"] >= 0.2 for entry in finished.log)

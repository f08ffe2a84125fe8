"""When `fit` calls its callback, and that it waits for the device no sooner than it must."""

import jax
import optax
import pytest

from multvae_jax import fitting
from multvae_jax.fitting import fit
from multvae_jax.models import mult_vae
from multvae_jax.training_loop import epochs as training_loop
from multvae_jax.training_loop.epochs import parts_left
from tests.builders import checkerboard

pytestmark = pytest.mark.updates

# Twelve updates an epoch.
OPTIONS = {"batch_size": 5, "optimizer": optax.sgd(0.1)}


def run(epochs=2, **options):
    return fit(
        jax.random.key(0), mult_vae((), 4), checkerboard(), epochs=epochs, **OPTIONS, **options
    )


def test_the_callback_is_called_after_so_many_updates_of_an_epoch_and_may_stop():
    seen = []

    def callback(state):
        seen.append((int(state.train.step), state.entry is None))
        return int(state.train.step) == 21

    stopped = run(callback=callback, callback_every=9)
    assert seen == [(9, True), (12, False), (21, True)]
    assert (int(stopped.state.step), len(stopped.log)) == (21, 1)


@pytest.mark.parametrize("size", [4, None])
def test_an_epoch_goes_on_where_its_parts_are_of_another_size(size):
    """Nine updates of twelve are made, in runs of nine; now runs of four, or of six."""
    (left,) = parts_left(9, 12, size)
    assert (left.start, left.stop) == (9, 12)


@pytest.mark.parametrize("callback", [None, lambda state: None], ids=["plain", "callback"])
def test_only_a_callback_makes_the_updates_wait_inside_an_epoch(callback, monkeypatch):
    events = []

    def compiled_epoch(*arguments, compiled_epoch=fitting.compiled_epoch):
        program = compiled_epoch(*arguments)

        def started(*arguments, **named):
            events.append("started")
            return program(*arguments, **named)

        return started

    def waited(*arguments, problem_of_updates=training_loop.problem_of_updates, **named):
        events.append("waited")
        return problem_of_updates(*arguments, **named)

    monkeypatch.setattr(fitting, "compiled_epoch", compiled_epoch)
    monkeypatch.setattr(training_loop, "problem_of_updates", waited)
    run(epochs=1, callback=callback)
    of_epoch = ["started"] * 2 + ["waited"] * 2
    assert events == (of_epoch if callback is None else ["started", "waited"] * 2)

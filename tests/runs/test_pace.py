"""When checkpoints are written: the share of time that they take, on a clock of the test's own."""

import jax
import pytest

from multvae_jax.errors import InputError
from multvae_jax.runs.pace import Pace
from multvae_jax.training.fit_state import FitState, Part
from multvae_jax.training.updates import TrainState


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


TRAIN = TrainState({}, (), jax.numpy.int32(0), jax.random.key(0), {})


def state(epochs, inside=False):
    parts = (Part(10, 100, 1.0, {}),) if inside else ()
    return FitState(TRAIN, None, tuple({"epoch": n + 1} for n in range(epochs)), 1, parts)


@pytest.mark.parametrize("cost", [0.01, 0.3, 5.0])
@pytest.mark.parametrize("part", [0.001, 0.2, 40.0])
def test_checkpoints_take_at_most_a_hundredth_of_the_time(cost, part):
    clock = Clock()
    pace, spent, last = Pace(None, 10**6, clock), 0.0, 0.0
    for _ in range(20_000):
        clock.now += part
        if pace.is_due(state(1), last):
            clock.now += cost
            spent, last = spent + cost, cost
        if clock.now > 10_000:
            break
    # One checkpoint more than the rule gives: the cost of the first is not known before it.
    assert spent - cost <= 0.01 * clock.now
    assert spent > 0


def test_a_large_state_is_not_written_at_once():
    clock = Clock()
    pace = Pace(None, 3 * 10**9, clock)
    clock.now = 900.0
    assert not pace.is_due(state(1), 0.0)
    clock.now = 1100.0
    assert pace.is_due(state(1), 0.0)


def test_every_so_many_epochs():
    pace = Pace("3", 0)
    assert [n for n in range(1, 10) if pace.is_due(state(n), 0.0)] == [3, 6, 9]
    assert not pace.is_due(state(3, inside=True), 0.0)


@pytest.mark.parametrize(("every", "seconds"), [("90s", 90), ("5m", 300), ("0.5h", 1800)])
def test_every_so_much_time(every, seconds):
    clock = Clock()
    pace = Pace(every, 0, clock)
    clock.now = seconds - 1
    assert not pace.is_due(state(1), 0.0)
    clock.now = seconds
    assert pace.is_due(state(1, inside=True), 0.0)
    assert not pace.is_due(state(1), 0.0)


@pytest.mark.parametrize("every", ["", "0", "often", "1.5", "-3", "5 m", "0s", "1e3", "m"])
def test_anything_else_is_refused(every):
    with pytest.raises(InputError, match=r"--checkpoint-every .*: neither a number of epochs"):
        Pace(every, 0)

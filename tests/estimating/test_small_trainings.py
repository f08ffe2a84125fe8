"""Memory and time of a process, from what small trainings take beside their programs."""

import subprocess

import pytest

from multvae_jax.errors import InputError
from multvae_jax.estimating import small_trainings
from multvae_jax.estimating.costs import Costs
from multvae_jax.estimating.programs import Program, Programs


def program(seconds, text=0):
    return Program(0, 30, 0, Costs({}, seconds, 0.0, 0.0, {}, 0.0), text)


def test_an_epoch_and_a_process_have_what_their_programs_do_not_take(monkeypatch):
    updates, ranking = program(2), program(3)
    shallow = Programs(updates, updates, 2, ranking, ranking, 10, 20, 7)
    deep = shallow._replace(init=program(2, 30))
    made = iter([shallow, deep])
    monkeypatch.setattr(small_trainings, "compiled", lambda lengths, training: next(made))
    bytes_of, epoch = iter([5e6, 3e6, 9e6, 4e6]), iter([99.0, 13.5, 99.0, 98.0])
    reading = iter([[1e6], [2e6]])

    def printed(program, words, folder):
        if program is small_trainings._READ:
            return next(reading)
        return [next(bytes_of), next(epoch)]

    monkeypatch.setattr(small_trainings, "_printed", printed)
    base, of_epoch = small_trainings.small_trainings(lambda costs: costs.streamed)
    # Of the later process of the first model: nine updates of a second each, a validation of three.
    assert of_epoch == pytest.approx(13.5 - 9 - 3)
    assert base.per_letter == pytest.approx((4e6 - 3e6) / 30)
    assert base.compiling == 2e6
    assert base.reading == 1e6


@pytest.mark.parametrize(
    ("stdout", "stderr", "code", "why"),
    [
        ("", "", 0, "no result"),
        ("12 None\n", "", 0, "no result"),
        ("12 0.5\n", "first\nno space left\n", 1, "no space left"),
    ],
)
def test_a_process_that_fails_is_named(monkeypatch, stdout, stderr, code, why):
    done = subprocess.CompletedProcess([], code, stdout, stderr)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    with pytest.raises(InputError, match=f"a small training cannot be measured: {why}"):
        small_trainings._printed("", [], "")

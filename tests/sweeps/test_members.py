"""Sweeps: every member is the run that `fit` would have made of it."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

from multvae_jax.batching import SPARE_ROOM
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.fitting import fit
from multvae_jax.likelihoods import gaussian
from multvae_jax.models import mult_vae, scorer
from multvae_jax.schedules import linear_annealing
from multvae_jax.sweeps import layouts, members, parts
from multvae_jax.sweeps.members import Member, sweep
from tests.builders import checkerboard

pytestmark = pytest.mark.updates

OPTIONS = {"epochs": 3, "batch_size": 20}
MODEL = mult_vae((16,), 4, likelihood=gaussian(), weight_penalty=0.0)


def member(seed, rate, cap, dropout, penalty, c0):
    """A member that differs from others in every number there is."""
    hyper = {
        "dropout": dropout,
        "weight_penalty": penalty,
        "likelihood": {"c1": 1.0, "c0": c0},
    }
    return Member(jax.random.key(seed), rate, linear_annealing(cap, 5 + seed), hyper)


def some_members():
    return [
        member(0, 1e-2, 0.2, 0.5, 0.0, 0.1),
        member(1, 3e-2, 1.0, 0.2, 1e-3, 0.5),
        member(2, 1e-3, 0.0, 0.0, 1e-2, 1.0),
    ]


def alone(one, **options):
    model = MODEL._replace(hyper={**MODEL.hyper, **one.hyper})
    given = {"optimizer": optax.adam(one.learning_rate), "beta": one.beta}
    return fit(one.key, model, checkerboard(), **given, **OPTIONS | options)


@pytest.fixture(scope="module")
def runs():
    return [alone(one) for one in some_members()]


def numbers(log):
    """Every number of a log but the time, as a flat list."""
    entries = ({k: v for k, v in entry.items() if k != "seconds"} for entry in log)
    return jax.tree.leaves([sorted(entry.items()) for entry in entries])


def assert_as_alone(outcomes, runs):
    for outcome, run in zip(outcomes, runs, strict=True):
        assert len(outcome["log"]) == len(run.log)
        assert outcome["best_epoch"] == run.best_epoch
        left, right = numbers(outcome["log"]), numbers(run.log)
        assert [x for x in left if isinstance(x, str)] == [x for x in right if isinstance(x, str)]
        both = [(x, y) for x, y in zip(left, right, strict=True) if not isinstance(x, str)]
        np.testing.assert_allclose(*zip(*both, strict=True), rtol=1e-5, atol=1e-7)


def as_dict(outcomes):
    return [{"log": outcome.log, "best_epoch": outcome.best_epoch} for outcome in outcomes]


@pytest.mark.parametrize("layout", [layouts.vmapped, layouts.sequential])
def test_a_member_equals_the_same_setting_trained_alone(layout, runs):
    outcomes = sweep(
        some_members(), MODEL, checkerboard(), layout=layout(), keep_params=True, **OPTIONS
    )
    assert_as_alone(as_dict(outcomes), runs)
    for outcome, run in zip(outcomes, runs, strict=True):
        for mine, other in zip(
            jax.tree.leaves(outcome.params), jax.tree.leaves(run.params), strict=True
        ):
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


def test_members_spread_over_two_devices_equal_the_same_settings_trained_alone(runs):
    """Three members on two devices: one device trains one that nobody looks at."""
    program = (
        "import json, jax, tests.sweeps.test_members as t\n"
        "assert len(jax.devices()) == 2\n"
        "outcomes = t.sweep(t.some_members(), t.MODEL, t.checkerboard(), **t.OPTIONS)\n"
        "print(json.dumps(t.as_dict(outcomes)))\n"
    )
    here = Path(__file__).parents[2]
    environment = os.environ | {
        "PYTHONPATH": str(here),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_as_alone(json.loads(done.stdout), runs)


def test_what_does_not_fit_the_memory_is_trained_in_parts(runs, monkeypatch):
    programs, parts = [], []
    make_programs = members.make_programs

    def kept(*args):
        programs.append(make_programs(*args))
        return programs[-1]

    monkeypatch.setattr(members, "make_programs", kept)

    def train(**options):
        parts.clear()
        return sweep(
            some_members(),
            MODEL,
            checkerboard(),
            layout=layouts.sequential(),
            on_part=lambda outcomes: parts.append(list(outcomes)),
            **OPTIONS,
            **options,
        )

    train()
    assert parts == [[0, 1, 2]]
    # A batch is of 20 users with two chunks each.
    of_one, of_three = (programs[-1].bytes(n, math.ceil(SPARE_ROOM * 40), False) for n in (1, 3))
    assert of_one < of_three
    assert_as_alone(as_dict(train(memory=(of_one + of_three) / 2, max_parallel=3)), runs)
    assert parts in ([[0], [1], [2]], [[0, 1], [2]])
    with pytest.raises(InputError, match=r"^a member takes .* GB of memory, more than"):
        train(memory=of_one - 1)
    train(max_parallel=1)
    assert parts == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("limit", "size"), [(260, 16), (259, 8), (180, 8), (150, 4), (140, 4), (139, 2), (120, 2)]
)
def test_parts_are_as_large_as_the_memory_allows_and_even(limit, size):
    """Of a program that takes 100 bytes and 10 for each member; laid out over two devices."""
    asked = []

    def bytes_of(n):
        asked.append(n)
        return 100 + 10 * n

    assert parts.members_at_once(bytes_of, 16, 2, limit) == size
    assert all(n % 2 == 0 for n in asked)
    with pytest.raises(InputError):
        parts.members_at_once(bytes_of, 16, 2, 119)


@pytest.mark.nans
def test_a_member_that_diverges_ends_and_the_others_go_on(runs):
    three = some_members()
    three[1] = three[1]._replace(learning_rate=1e30)
    first, wild, last = sweep(three, MODEL, checkerboard(), **OPTIONS)
    assert_as_alone(as_dict([first, last]), [runs[0], runs[2]])
    assert wild.diverged
    assert not first.diverged
    assert not math.isfinite(wild.log[-1]["loss"])
    assert "validation" not in wild.log[-1]
    assert all(math.isfinite(entry["loss"]) for entry in wild.log[:-1])


def test_patience_is_each_members_own():
    still, moving = some_members()[0]._replace(learning_rate=0.0), some_members()[1]
    options = {"epochs": 6, "patience": 2}
    outcomes = sweep([still, moving], MODEL, checkerboard(), **OPTIONS | options)
    assert [len(outcome.log) for outcome in outcomes] == [3, len(alone(moving, **options).log)]
    assert len(outcomes[1].log) > 3


def test_the_kept_parameters_score_as_the_best_epoch_did():
    (outcome,) = sweep(some_members()[:1], MODEL, checkerboard(), keep_params=True, **OPTIONS)
    again = evaluate(scorer(MODEL, outcome.params), checkerboard().validation)
    assert again.mean("ndcg@100") == pytest.approx(outcome.validation["ndcg@100"], rel=1e-6)


def test_members_that_differ_in_more_than_numbers_are_refused():
    other = some_members()[0]._replace(beta=lambda step: 0.1)
    with pytest.raises(InputError, match="the members of a sweep may differ in numbers only"):
        sweep([some_members()[0], other], MODEL, checkerboard(), **OPTIONS)


def test_the_entries_of_every_epoch_are_reported():
    seen = []
    outcomes = sweep(some_members()[:2], MODEL, checkerboard(), callback=seen.append, **OPTIONS)
    assert [sorted(entries) for entries in seen] == [[0, 1]] * 3
    for place, outcome in enumerate(outcomes):
        assert [entries[place] for entries in seen] == outcome.log


def test_a_callback_stops_the_sweep():
    members = some_members()[:2] * 2

    def stop(entries):
        return all(entry["epoch"] == 2 for entry in entries.values())

    outcomes = sweep(members, MODEL, checkerboard(), callback=stop, max_parallel=2, **OPTIONS)
    # The members of the second part have not begun.
    assert [len(outcome.log) for outcome in outcomes] == [2, 2]

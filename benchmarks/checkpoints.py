"""How much of the training time do checkpoints take?

    python -m benchmarks checkpoints [--rounds 7]

The same updates are timed in turn without a checkpoint, and with one that is written in the
background meanwhile; a round ends when both the updates and the checkpoint have. The difference is
what a checkpoint costs, on a CPU mostly the cores that its compression takes from the training.
`multvae train` writes the next one when a hundredth of the time since the last would pay for it, by
the time that it took from its start to its end. The share is what that makes of the cost.

On two cores of an AMD EPYC, about a minute. Half a percent at both sizes.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import jax
import optax

from benchmarks.harness.processes import median_and_range
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.synthetic import random_histories
from multvae_jax.batching import plan_epoch, to_device
from multvae_jax.config.unions import Count
from multvae_jax.models import mult_vae
from multvae_jax.runs.checkpoints import Checkpoints
from multvae_jax.runs.pace import SHARE
from multvae_jax.schedules import linear_annealing
from multvae_jax.training.fit_state import FitState
from multvae_jax.training.updates import init_state, make_epoch, make_train_step

SIZES = {"ml-1m": (4_832, 3_533, 95, 484), "ml-20m": (5_000, 20_108, 68, 500)}
"""Name -> users, items, interactions per user and batch size, of histories of that shape."""


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks checkpoints`."""

    rounds: Count = 7
    """Number of timed rounds with a checkpoint, and without."""


def samples(size: str, rounds: int, folder: str) -> dict[str, list[float]]:
    """Seconds of ten updates without and with a checkpoint, and those that the checkpoint took."""
    n_users, n_items, mean, batch_size = SIZES[size]
    model, optimizer = mult_vae(), optax.adam(1e-3)
    histories = to_device(random_histories(n_users, n_items, mean))
    plan = plan_epoch(jax.random.key(1), histories, batch_size)
    run_epoch = jax.jit(
        make_epoch(make_train_step(model, optimizer)),
        static_argnames="capacity",
        donate_argnames="state",
    )
    train = init_state(jax.random.key(0), model, optimizer, n_items, linear_annealing(0.2, 1e3))
    state = FitState(train, best=jax.tree.map(jax.numpy.copy, train.params))
    found: dict[str, list[float]] = {"without": [], "with": [], "checkpoint": []}
    with Checkpoints(f"{folder}/{size}") as checkpoints:
        for number, kind in itertools.product(range(rounds + 1), ("without", "with")):
            began = time.perf_counter()
            if kind == "with":
                checkpoints.save(state)
            train, terms = run_epoch(state.train, histories, plan.order, capacity=plan.capacity)
            jax.block_until_ready(terms)
            checkpoints.wait()
            seconds = time.perf_counter() - began
            state = replace(state, train=train)
            # The first round compiles.
            if number:
                found[kind].append(seconds)
                if kind == "with":
                    found["checkpoint"].append(checkpoints.seconds)
    return found


def measure(options: Options) -> Iterator[Report]:
    """Cost and share of a checkpoint, for each size."""
    rows, record = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            found = record[size] = samples(size, options.rounds, folder)
            cost = statistics.median(
                slow - fast for slow, fast in zip(found["with"], found["without"], strict=True)
            )
            took = statistics.median(found["checkpoint"])
            rows.append(
                [
                    size,
                    *median_and_range(found["without"], 2),
                    *median_and_range(found["with"], 2),
                    f"{took:.2f}",
                    f"{cost:.2f}",
                    f"{100 * SHARE * cost / took:.2f}%",
                ]
            )
    heading = [
        *("", "ten updates, s", "range", "with a checkpoint, s", "range"),
        *("from start to end, s", "cost, s", "share of the time"),
    ]
    yield Report("checkpoints", markdown(heading, rows), {"samples": record})

"""Validation NDCG@100 against wall-clock, of the program and its peers from the same split.

    python -m benchmarks quality_over_time [--data ml-1m/ratings.csv.gz] [--held-out 600]

Each trains in a process of its own, one epoch a turn. The clock starts with its process (imports,
data, compiling) and stands still while the others train and while its scores are evaluated, by
this program, for all. Without a file it is MovieLens latest-small, which is small: most of the
time is start-up.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from itertools import accumulate
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

import multvae_jax as mv
from benchmarks.contestants.training import task as tasks
from benchmarks.harness.report import RESULTS, markdown, save
from benchmarks.harness.rounds import Samples, alternate
from benchmarks.training import OURS, contestants
from multvae_jax.batching import Batch
from multvae_jax.datasets.registry import fetch_files
from multvae_jax.evaluation.evaluator import evaluate, prepare_users

METRIC = "ndcg@100"


def _rows(scores: jax.Array, batch: Batch) -> jax.Array:
    return scores[batch.users]


def curves(samples: dict[str, Samples]) -> dict[str, list[float]]:
    """Contestant -> seconds of its own time after each epoch."""
    return {
        name: list(accumulate(taken.seconds, initial=taken.ready))
        for name, taken in samples.items()
    }


def first_time(seconds: list[float], quality: list[float], goal: float) -> float | None:
    """When a quality was first reached; None: never."""
    reached = (when for when, value in zip(seconds, quality, strict=True) if value >= goal)
    return next(reached, None)


def plot(path: Path, seconds: dict[str, list[float]], quality: dict[str, list[float]]) -> None:
    """Draw a curve for each contestant."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name in seconds:
        axes.plot(seconds[name], quality[name], marker=".", markersize=3, label=name)
    axes.set_xlabel("seconds, start-up included")
    axes.set_ylabel("validation NDCG@100")
    axes.set_xlim(left=0)
    axes.legend(loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def main(arguments: list[str]) -> None:
    """Train all, print the table, save the samples and draw the curves."""
    parser = argparse.ArgumentParser(
        prog="benchmarks quality_over_time",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", help="a file of ratings; those of 4 and above count")
    parser.add_argument("--held-out", type=int, default=60, help="users, twice")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(arguments)

    file = options.data or fetch_files("ml-latest-small")["data"]
    data = mv.read_interactions(file, min_rating=4.0, min_user_count=5)
    split = mv.hold_out_users(data, validation=options.held_out, test=options.held_out)
    n_users = split.train.shape[0]
    updates = max(10, math.ceil(n_users / 500))
    batch_size = math.ceil(n_users / updates)
    assert split.validation is not None
    has_target = np.diff(split.validation.targets.indptr) > 0
    held_out = mv.HeldOut(
        split.validation.history[has_target],
        split.validation.targets[has_target],
        split.validation.user_ids[has_target],
    )
    prepared = prepare_users(held_out)
    quality: dict[str, list[float]] = {}

    with tempfile.TemporaryDirectory() as folder:
        tasks.write(Path(folder), split.train, held_out.history)
        # As `multvae_jax.fit` does unless told otherwise: beta rises over half of the updates.
        commands = contestants(
            Path(folder), batch_size, ["float32"], annealing=options.epochs * updates // 2
        )

        def observe(name: str) -> None:
            module = commands[name][2].rpartition(".")[2]
            scores = jnp.asarray(np.load(Path(folder) / f"{module}.npy"))
            found = evaluate(Partial(_rows, scores), prepared)
            quality.setdefault(name, []).append(found.mean(METRIC))

        samples = alternate(commands, options.epochs - 1, observe)

    seconds = curves(samples)
    goal = 0.99 * max(quality[OURS])

    def row(name: str) -> list[str]:
        best = int(np.argmax(quality[name]))
        when = first_time(seconds[name], quality[name], goal)
        return [
            name,
            f"{quality[name][best]:.4f}",
            f"{best + 1}",
            f"{seconds[name][-1]:.0f}",
            "-" if when is None else f"{when:.0f}",
        ]

    print(f"{n_users} training users, {options.epochs} epochs of {updates} updates\n")
    heading = ["", "best NDCG@100", "epoch", "all epochs, s", "99% of our best, s"]
    print(markdown(heading, [row(name) for name in samples]))
    figures = {
        "options": {**vars(options), "data": options.data and Path(options.data).name},
        "samples": {name: taken._asdict() for name, taken in samples.items()},
        "seconds": seconds,
        METRIC: quality,
    }
    path = save("quality_over_time", figures)
    plot(RESULTS / "quality_over_time.png", seconds, quality)
    print(f"\n{path}")

"""How fast does validation NDCG@100 rise, for this program and its peers on the same split?

    python -m benchmarks quality_over_time [--data ml-1m/ratings.csv.gz] [--held-out 600]

Each contestant trains in a process of its own, one epoch per round. Its clock starts with its
process (imports, data, compilation) and is stopped while the others train and while its scores are
evaluated, by this program, for all. Without a file the data is MovieLens latest-small, which is so
small that most of the time is start-up.

On two cores of an AMD EPYC, about 8 minutes for 100 epochs on ML-1M: this program reaches 99% of
its best value (0.4058) after 56 s, plain PyTorch after 100 s, RecBole after 50 s, Cornac after
61 s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

import multvae_jax as mv
from benchmarks.contestants.training.lineup import ADAPTIVE, OURS, contestants
from benchmarks.contestants.training.task import write_task
from benchmarks.harness.figures import quality_curves
from benchmarks.harness.given_scores import given_scorer
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.rounds import Samples, alternate
from multvae_jax.config.unions import Count
from multvae_jax.datasets.registry import fetch_files
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.recipe import ANNEALED_SHARE, SELECT_BY, batch_size, n_updates

SHARE_OF_BEST = 0.99


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks quality_over_time`."""

    data: str | None = None
    """File of ratings; those of 4 and above count. By default, MovieLens latest-small."""
    held_out: Count = 60
    """Number of validation users; as many test users are held out and not used."""
    epochs: Count = 30
    """Number of epochs of each contestant."""
    without: tuple[str, ...] = ()
    """Names of contestants to leave out."""
    name: str = "quality_over_time"
    """Stem of the names of the files of results."""


def elapsed_seconds(samples: dict[str, Samples]) -> dict[str, list[float]]:
    """Contestant -> seconds of its own time at the end of each epoch."""
    return {
        name: list(accumulate(taken.seconds, initial=taken.ready))
        for name, taken in samples.items()
    }


def processor_seconds(samples: dict[str, Samples]) -> dict[str, list[float]]:
    """Contestant -> processor seconds of all its threads at the end of each epoch."""
    return {name: list(accumulate(taken.cpu)) for name, taken in samples.items()}


def first_time(seconds: list[float], quality: list[float], goal: float) -> float | None:
    """The first time at which the quality is at least the goal; None: never."""
    reached = (when for when, value in zip(seconds, quality, strict=True) if value >= goal)
    return next(reached, None)


def with_targets(held_out: mv.HeldOut) -> mv.HeldOut:
    """The users that have something held out."""
    kept = np.diff(held_out.targets.indptr) > 0
    return mv.HeldOut(held_out.history[kept], held_out.targets[kept], held_out.user_ids[kept])


def measure(options: Options) -> Iterator[Report]:
    """Validation quality of each contestant against its own time."""
    file = options.data or fetch_files("ml-latest-small")["data"]
    data = mv.read_interactions(file, min_rating=4.0, min_user_count=5)
    split = mv.hold_out_users(data, validation=options.held_out, test=options.held_out)
    assert split.validation is not None
    held_out = with_targets(split.validation)
    prepared = prepare_users(held_out)
    n_users = split.train.shape[0]
    users_per_update = batch_size(n_users)
    updates = n_updates(n_users, users_per_update, options.epochs)
    quality: dict[str, list[float]] = {}

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_task(folder, split.train, held_out.history)
        lineup = contestants(
            folder,
            users_per_update,
            annealing=int(ANNEALED_SHARE * updates),
            without=options.without,
            recipes=True,
        )

        def observe(name: str) -> None:
            scores = np.load(lineup[name].scores)
            found = evaluate(given_scorer(scores), prepared).mean(SELECT_BY)
            quality.setdefault(name, []).append(found)

        commands = {name: contestant.command for name, contestant in lineup.items()}
        samples = alternate(commands, options.epochs - 1, observe)

    seconds, processor = elapsed_seconds(samples), processor_seconds(samples)
    # The best that each of our recipes reaches, of those that take part.
    goals = {
        name: SHARE_OF_BEST * max(quality[name]) for name in (ADAPTIVE, OURS) if name in quality
    }

    def cell(times: list[float], name: str, goal: float) -> str:
        when = first_time(times, quality[name], goal)
        return "-" if when is None else f"{when:.0f}"

    def table_row(name: str) -> list[str]:
        best = int(np.argmax(quality[name]))
        until = [
            cell(times[name], name, goal)
            for goal in goals.values()
            for times in (seconds, processor)
        ]
        return [
            name,
            f"{quality[name][best]:.4f}",
            f"{best + 1}",
            f"{seconds[name][-1]:.0f}",
            *until,
        ]

    title = (
        f"{n_users} training users, {options.epochs} epochs of {updates // options.epochs} updates"
    )
    heading = ["", "best NDCG@100", "epoch", "all epochs, s"]
    heading += [f"{goal:.4f}, {what}" for goal in goals.values() for what in ("s", "processor s")]
    table = markdown(heading, [table_row(name) for name in samples])
    record = {
        "options": {**asdict(options), "data": options.data and Path(options.data).name},
        "samples": {name: taken._asdict() for name, taken in samples.items()},
        "seconds": seconds,
        "processor": processor,
        "goals": goals,
        SELECT_BY: quality,
    }
    figure = quality_curves(seconds, quality, "NDCG@100")
    yield Report(options.name, f"{title}\n\n{table}", record, figure)

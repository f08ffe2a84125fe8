"""How many users are ranked and measured per second, against numpy and RecBole?

    python -m benchmarks evaluation [--users 10000] [--rounds 5]

Recall and NDCG at 20, 50 and 100 of given scores over ML-20M's catalogue, the same scores for all,
of as many users as the paper holds out, in batches of 500. Scores, histories and targets are in
memory before the clock starts, in each contestant's own form. The time covers masking the
history, ranking the rest, and averaging the metrics. The metrics are compared. One row is this
program with all of its metrics at these cutoffs, those of items and of all lists included, and two
are evaluations of Mult-VAE as users wait for them, which compute the scores too.

    python -m benchmarks evaluation --without RecBole numpy

On two cores of an AMD EPYC, about 2 minutes. One argpartition in numpy takes 3.7 times as long,
RecBole's evaluator 3.9 times, the authors' notebook 19 times.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.contestants.evaluation import numpy_notebook
from benchmarks.harness.environments import ENVIRONMENTS, interpreter
from benchmarks.harness.report import Report
from benchmarks.harness.rounds import alternate
from benchmarks.harness.synthetic import ML20M_ITEMS, random_held_out
from benchmarks.harness.throughput import throughput_report
from multvae_jax.config.unions import Count

OURS = "multvae_jax"
ALL = "multvae_jax, all metrics"
NETWORK = "Mult-VAE and its metrics"
ALL_OF_NETWORK = "Mult-VAE and all metrics"


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks evaluation`."""

    users: Count = 10_000
    """Number of users in a round."""
    batch_size: Count = 500
    """Number of users ranked at once."""
    rounds: Count = 5
    """Number of timed rounds per contestant."""
    without: tuple[Literal["RecBole", "numpy", "all metrics", "Mult-VAE"], ...] = ()
    """Contestants to leave out."""


def random_scores(
    n_users: int, batch_size: int, n_items: int = ML20M_ITEMS, seed: int = 0
) -> numpy_notebook.ScoredUsers:
    """Histories of ML-20M's shape, a fifth of each held out, and scores of noise and popularity."""
    held_out = random_held_out(n_users, n_items, seed=seed)
    whole = held_out.history + held_out.targets
    popularity = np.log1p(whole.sum(axis=0)).astype(np.float32)
    noise = np.random.default_rng(seed + 1).standard_normal(whole.shape, np.float32)
    return numpy_notebook.ScoredUsers(
        popularity + noise, held_out.history, held_out.targets, batch_size
    )


def checked_metrics(folder: Path) -> dict[str, dict[str, float]]:
    """Contestant -> means of its metrics.

    Raises:
        RuntimeError: if an NDCG differs between them.
    """
    found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    for k in numpy_notebook.CUTOFFS:
        values = [means[f"ndcg@{k}"] for means in found.values()]
        # The peers' order of equal scores is unspecified: at a cutoff, it moves one user's value.
        if np.ptp(values) > 5e-5:
            raise RuntimeError(f"NDCG@{k} differs: {values}")
    return found


def contestants(folder: Path, without: Sequence[str] = ()) -> dict[str, list[str]]:
    """Name -> how to start it on the scores in a folder.

    Args:
        folder: the scores.
        without: words in the names of those to leave out.
    """
    module = "benchmarks.contestants.evaluation"
    ours = [sys.executable, "-m", f"{module}.ours", str(folder)]
    notebook = [sys.executable, "-m", f"{module}.numpy_notebook", str(folder)]
    found = {
        OURS: [*ours, "few", "given"],
        ALL: [*ours, "all", "given"],
        NETWORK: [*ours, "few", "network"],
        ALL_OF_NETWORK: [*ours, "all", "network"],
        "numpy, one argpartition": [*notebook, "at_once"],
        "numpy, as in the notebook": [*notebook, "one_by_one"],
    }
    if "RecBole" not in without:
        recbole = interpreter("recbole", ENVIRONMENTS["recbole"])
        found["RecBole"] = [str(recbole), "-m", f"{module}.recbole", str(folder)]
    return {
        name: command
        for name, command in found.items()
        if not any(word in name for word in without)
    }


def measure(options: Options) -> Iterator[Report]:
    """Users per second of each contestant."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = contestants(folder, options.without)
        numpy_notebook.write(folder, random_scores(options.users, options.batch_size))
        samples = alternate(commands, options.rounds)
        found = checked_metrics(folder)
    title = f"{options.users} users in batches of {options.batch_size}, {options.rounds} rounds"
    record = {"options": asdict(options), "found": found}
    yield throughput_report("evaluation", title, samples, options.users, OURS, record)

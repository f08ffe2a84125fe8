"""This program's evaluation of given scores; a round covers all users."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.contestants.evaluation.numpy_notebook import CUTOFFS, read, write_means
from benchmarks.harness.given_scores import given_scorer
from benchmarks.harness.rounds import serve_rounds
from multvae_jax.data.types import HeldOut
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.evaluation.metrics import Metric, ndcg, recall

METRICS = {
    f"{name}@{k}": Metric(metric, k)
    for name, metric in (("recall", recall), ("ndcg", ndcg))
    for k in CUTOFFS
}


def prepare(folder: Path) -> Callable[[], None]:
    """Put everything on the device; return the work of a round."""
    given = read(folder)
    users = np.arange(given.scores.shape[0]).astype(object)
    prepared = prepare_users(HeldOut(given.history, given.targets, users), given.batch_size)
    scorer = given_scorer(given.scores)

    def work() -> None:
        result = evaluate(scorer, prepared, METRICS)
        write_means(folder, "ours", {metric: result.mean(metric) for metric in METRICS})

    return work


if __name__ == "__main__":
    serve_rounds(prepare(Path(sys.argv[1])))

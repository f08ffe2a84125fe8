"""This program's evaluation of given scores; a round goes over all users."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from benchmarks.contestants.evaluation import numpy_notebook as ranking
from benchmarks.harness.rounds import serve
from multvae_jax.batching import Batch
from multvae_jax.data.types import HeldOut
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.evaluation.metrics import Metric, ndcg, recall

METRICS = {
    f"{name}@{k}": Metric(metric, k)
    for name, metric in (("recall", recall), ("ndcg", ndcg))
    for k in ranking.CUTOFFS
}


def _rows(scores: jax.Array, batch: Batch) -> jax.Array:
    return scores[batch.users]


def start(folder: Path) -> Callable[[], None]:
    """Put everything on the device."""
    given = ranking.read(folder)
    users = np.arange(given.scores.shape[0]).astype(object)
    prepared = prepare_users(HeldOut(given.history, given.targets, users), given.batch_size)
    score = Partial(_rows, jnp.asarray(given.scores))

    def work() -> None:
        result = evaluate(score, prepared, METRICS)
        ranking.answer(folder, "ours", {metric: result.mean(metric) for metric in METRICS})

    return work


if __name__ == "__main__":
    serve(lambda: start(Path(sys.argv[1])))

"""This program's evaluation, by few metrics or by all; a round covers all users."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp

from benchmarks.contestants.evaluation.numpy_notebook import (
    CUTOFFS,
    read,
    write_means,
)
from benchmarks.harness.given_scores import given_scorer
from benchmarks.harness.rounds import serve_rounds
from multvae_jax.data.types import HeldOut
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.metrics import Metric, ndcg, recall
from multvae_jax.evaluation.named import FAMILIES, named_metrics
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.models import mult_vae
from multvae_jax.models import scorer as scorer_of
from multvae_jax.types import Scorer

METRICS = {
    f"{name}@{k}": Metric(metric, k)
    for name, metric in (("recall", recall), ("ndcg", ndcg))
    for k in CUTOFFS
}


VECTOR_WIDTH, N_GENRES, GENRES_PER_ITEM = 32, 18, 2
"""Those of ML-20M's genres, and of vectors such as a small factorization has."""


def all_metrics(history: sp.csr_array) -> dict[str, AnyMetric]:
    """Return every metric of the package at the cutoffs, with random genres and vectors."""
    n_users, n_items = history.shape
    random = np.random.default_rng(0)
    genres = random.random((n_items, N_GENRES)) < GENRES_PER_ITEM / N_GENRES
    facts = {
        "popularity": jnp.asarray(history.sum(axis=0), jnp.float32),
        "n_users": jnp.float32(n_users),
        "genres": jnp.asarray(genres, jnp.float32),
        "vectors": jnp.asarray(random.standard_normal((n_items, VECTOR_WIDTH)), jnp.float32),
    }
    known = {name: partial(lambda fact: fact, fact) for name, fact in facts.items()}
    return {**METRICS, **named_metrics(FAMILIES, known, CUTOFFS)}


def network_scorer(n_items: int) -> Scorer:
    """Mult-VAE with the paper's network, untrained: what it computes does not depend on that."""
    model = mult_vae()
    return scorer_of(model, model.init(jax.random.key(0), n_items))


def prepare(folder: Path, which: str, scores: str) -> Callable[[], None]:
    """Put everything on the device; return the work of a round.

    Args:
        folder: the scores.
        which: `few`, recall and NDCG, or `all` metrics.
        scores: `given` or those of a `network`, which are computed in each round; its metrics are
            not written, because they are not those of the others.
    """
    given = read(folder)
    users = np.arange(given.scores.shape[0]).astype(object)
    prepared = prepare_users(HeldOut(given.history, given.targets, users), given.batch_size)
    is_given = scores == "given"
    scorer = given_scorer(given.scores) if is_given else network_scorer(given.scores.shape[1])
    metrics = METRICS if which == "few" else all_metrics(given.history)

    def work() -> None:
        result = evaluate(scorer, prepared, metrics)
        means = {metric: result.mean(metric) for metric in metrics}
        if is_given:
            write_means(folder, f"ours_{which}", means)

    return work


if __name__ == "__main__":
    serve_rounds(prepare(Path(sys.argv[1]), *sys.argv[2:]))

"""Ranking metrics of one user, as pure functions.

Each takes `hits`, whether the item at each rank is a target, best rank first, and
`n_targets`, how many items the user has held out; and a cut-off k, which may exceed the
length of the list. With no target every metric is 0: leave such users out of a mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def _discounts(ranks: int) -> Float[Array, " ranks"]:
    return 1.0 / jnp.log2(jnp.arange(ranks, dtype=jnp.float32) + 2.0)


def _count(hits: Bool[Array, " ranks"], k: int) -> Float[Array, ""]:
    return hits[:k].sum().astype(jnp.float32)


def recall(hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int) -> Float[Array, ""]:
    """Hits in the top k, divided by min(k, n_targets): the paper's Recall@k (section 4.2)."""
    return _count(hits, k) / jnp.clip(n_targets, 1, k).astype(jnp.float32)


def uncapped_recall(
    hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int
) -> Float[Array, ""]:
    """Hits in the top k, divided by n_targets: recall in LightGCN's line of papers."""
    return _count(hits, k) / jnp.maximum(n_targets, 1).astype(jnp.float32)


def precision(hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int) -> Float[Array, ""]:
    """Hits in the top k, divided by k."""
    del n_targets
    return _count(hits, k) / k


def hit_rate(hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int) -> Float[Array, ""]:
    """1 if there is a hit in the top k, else 0."""
    del n_targets
    return hits[:k].any().astype(jnp.float32)


def reciprocal_rank(
    hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int
) -> Float[Array, ""]:
    """1 / rank of the first hit in the top k, 0 without one; its mean is MRR@k."""
    del n_targets
    return jnp.where(
        hits[:k], 1.0 / (jnp.arange(hits[:k].shape[0], dtype=jnp.float32) + 1.0), 0.0
    ).max()


def ndcg(hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int) -> Float[Array, ""]:
    """DCG over the best DCG possible, discount 1 / log2(rank + 1) (section 4.2).

    The best puts min(k, n_targets) targets at the top.
    """
    dcg = jnp.where(hits[:k], _discounts(hits[:k].shape[0]), 0.0).sum()
    best = jnp.where(jnp.arange(k) < n_targets, _discounts(k), 0.0).sum()
    return dcg / jnp.where(n_targets > 0, best, 1.0)


class Metric(NamedTuple):
    """A metric at its cut-off; equal ones compare equal, so that none compiles twice."""

    function: Callable[..., Array]
    cutoff: int

    def __call__(self, hits: Bool[Array, " ranks"], n_targets: Int[Array, ""]) -> Float[Array, ""]:
        """The value of one user."""
        return self.function(hits, n_targets, self.cutoff)


PAPER_METRICS = {
    "recall@20": Metric(recall, 20),
    "recall@50": Metric(recall, 50),
    "ndcg@100": Metric(ndcg, 100),
}


def at_cutoffs(cutoffs: Iterable[int]) -> dict[str, Metric]:
    """Every metric of this module at every cut-off, named like `ndcg@100`."""
    families = {
        "recall": recall,
        "uncapped_recall": uncapped_recall,
        "ndcg": ndcg,
        "precision": precision,
        "hit_rate": hit_rate,
        "mrr": reciprocal_rank,
    }
    return {
        f"{name}@{k}": Metric(function, k) for k in cutoffs for name, function in families.items()
    }

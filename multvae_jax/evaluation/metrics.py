"""Ranking metrics of one user, as pure functions.

Every metric takes three arguments:

- `hits`: whether the item at each rank is a target, best rank first.
- `n_targets`: number of items held out for the user.
- `k`: the cutoff; it may exceed the length of the list.

A metric is 0 for a user without targets; leave such users out of a mean.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from multvae_jax.checks.bounds import Cutoff, check_ids, check_number, described
from multvae_jax.errors import InputError, names_like


def _discounts(ranks: int) -> Float[Array, " ranks"]:
    return 1.0 / jnp.log2(jnp.arange(ranks, dtype=jnp.float32) + 2.0)


def _count(hits: Bool[Array, " ranks"], k: int) -> Float[Array, ""]:
    return hits[:k].sum().astype(jnp.float32)


def recall(hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int) -> Float[Array, ""]:
    """Recall@k of the paper (section 4.2): hits in the top k, divided by min(k, n_targets).

    Example:
        >>> hits = jnp.array([True, False, True, False])
        >>> float(recall(hits, jnp.int32(4), 2))
        0.5
    """
    return _count(hits, k) / jnp.clip(n_targets, 1, k).astype(jnp.float32)


def uncapped_recall(
    hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int
) -> Float[Array, ""]:
    """Hits in the top k, divided by n_targets, as in LightGCN and the papers that build on it.

    Example:
        >>> hits = jnp.array([True, False, True, False])
        >>> float(uncapped_recall(hits, jnp.int32(4), 2))
        0.25
    """
    return _count(hits, k) / jnp.maximum(n_targets, 1).astype(jnp.float32)


def precision(hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int) -> Float[Array, ""]:
    """Hits in the top k, divided by k.

    Example:
        >>> hits = jnp.array([True, False, True, False])
        >>> float(precision(hits, jnp.int32(4), 2))
        0.5
    """
    del n_targets
    return _count(hits, k) / k


def hit_rate(hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int) -> Float[Array, ""]:
    """1 if any of the top k is a hit, else 0; the mean over users is HR@k.

    Example:
        >>> hits = jnp.array([False, True, False])
        >>> float(hit_rate(hits, jnp.int32(4), 1)), float(hit_rate(hits, jnp.int32(4), 2))
        (0.0, 1.0)
    """
    del n_targets
    return hits[:k].any().astype(jnp.float32)


def reciprocal_rank(
    hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int
) -> Float[Array, ""]:
    """1 / rank of the first hit in the top k, or 0 without a hit; the mean over users is MRR@k.

    Example:
        >>> hits = jnp.array([False, True, True])
        >>> float(reciprocal_rank(hits, jnp.int32(4), 3))
        0.5
    """
    del n_targets
    return jnp.where(
        hits[:k], 1.0 / (jnp.arange(hits[:k].shape[0], dtype=jnp.float32) + 1.0), 0.0
    ).max()


def ndcg(hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int) -> Float[Array, ""]:
    """NDCG@k of the paper (section 4.2): DCG divided by the best possible DCG.

    A hit is discounted by 1 / log2(rank + 1). The best possible list has min(k, n_targets)
    targets at the top.

    Example:
        >>> hits = jnp.array([False, True, False])
        >>> round(float(ndcg(hits, jnp.int32(1), 3)), 4)
        0.6309
    """
    dcg = jnp.where(hits[:k], _discounts(hits[:k].shape[0]), 0.0).sum()
    best = jnp.where(jnp.arange(k) < n_targets, _discounts(k), 0.0).sum()
    return dcg / jnp.where(n_targets > 0, best, 1.0)


def _precisions_at_hits(hits: Bool[Array, " ranks"], k: int) -> Float[Array, ""]:
    """Sum of the precisions at the ranks of the hits in the top k."""
    top = hits[:k].astype(jnp.float32)
    ranks = jnp.arange(top.shape[0], dtype=jnp.float32) + 1.0
    return (top * jnp.cumsum(top) / ranks).sum()


def average_precision(
    hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int
) -> Float[Array, ""]:
    """Average precision AP@k, whose mean over users is MAP@k; 1 for a perfect list.

    With P(i) the precision of the first i ranks,

        AP@k = sum over hits of rank i <= k of P(i) / min(k, n_targets)

    as in WarpRec, RecBole and implicit. RecTools, ranx and trec_eval divide by n_targets: see
    `uncapped_average_precision`.

    Example:
        >>> hits = jnp.array([True, False, True])
        >>> round(float(average_precision(hits, jnp.int32(4), 3)), 4)
        0.5556
    """
    return _precisions_at_hits(hits, k) / jnp.clip(n_targets, 1, k).astype(jnp.float32)


def uncapped_average_precision(
    hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int
) -> Float[Array, ""]:
    """Average precision divided by n_targets, as in RecTools, ranx and trec_eval (`AP@k`).

    Example:
        >>> hits = jnp.array([True, False, True])
        >>> round(float(uncapped_average_precision(hits, jnp.int32(4), 3)), 4)
        0.4167
    """
    return _precisions_at_hits(hits, k) / jnp.maximum(n_targets, 1).astype(jnp.float32)


def rank_biased_precision(
    hits: Bool[Array, " ranks"], n_targets: Int[Array, ""], k: int, persistence: float = 0.8
) -> Float[Array, ""]:
    """Rank-biased precision (Moffat and Zobel, TOIS 2008) of the top k.

    A user reads the first item, and goes on from each item to the next with the probability p, the
    persistence. RBP is the expected rate of hits among the items that are read:

        RBP@k = (1 - p) * sum over hits of rank i <= k of p^(i - 1)

    A list of k hits has the value 1 - p^k. For another persistence than 0.8, the default of
    ir-measures, make a metric with `functools.partial(rank_biased_precision, persistence=0.95)`.

    Example:
        >>> hits = jnp.array([True, False, True])
        >>> round(float(rank_biased_precision(hits, jnp.int32(4), 3)), 4)
        0.328
    """
    del n_targets
    ranks = jnp.arange(hits[:k].shape[0], dtype=jnp.float32)
    return jnp.where(hits[:k], (1.0 - persistence) * persistence**ranks, 0.0).sum()


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric of the hits of one list, and its cutoff.

    Metrics with the same function and cutoff are equal, and share one compiled program.

    Attributes:
        function: `(hits, n_targets, k) -> value`, such as `ndcg`.
        cutoff: k.

    Example:
        A metric of your own, for `evaluate` or `fit`:

        >>> def first_hit(hits, n_targets, k):
        ...     return hits[0].astype(jnp.float32)
        >>> metrics = PAPER_METRICS | {"first": Metric(first_hit, 1)}
    """

    function: Callable[..., Array]
    cutoff: int

    def __call__(self, hits: Bool[Array, " ranks"], n_targets: Int[Array, ""]) -> Float[Array, ""]:
        """Return the value for one user."""
        return self.function(hits, n_targets, self.cutoff)


PAPER_METRICS = {
    "recall@20": Metric(recall, 20),
    "recall@50": Metric(recall, 50),
    "ndcg@100": Metric(ndcg, 100),
}
"""The metrics of the paper's tables (section 4.2)."""


FAMILIES: Mapping[str, Callable[..., Array]] = {
    "recall": recall,
    "uncapped_recall": uncapped_recall,
    "ndcg": ndcg,
    "precision": precision,
    "hit_rate": hit_rate,
    "mrr": reciprocal_rank,
    "map": average_precision,
    "uncapped_map": uncapped_average_precision,
    "rbp": rank_biased_precision,
}
"""The metrics of this module by the names that tables and options call them."""

USUAL = ("recall", "uncapped_recall", "ndcg", "precision", "hit_rate", "mrr")
"""The metrics that a report has unless others are asked for."""


def at_cutoffs(cutoffs: Iterable[int], names: Iterable[str] = USUAL) -> dict[str, Metric]:
    """Return metrics of this module at every cutoff, by names such as `ndcg@100`.

    Args:
        cutoffs: the cutoffs.
        names: names in `FAMILIES`; give `FAMILIES` itself for all of them.

    Example:
        >>> sorted(at_cutoffs([10]))
        ['hit_rate@10', 'mrr@10', 'ndcg@10', 'precision@10', 'recall@10', 'uncapped_recall@10']
        >>> sorted(at_cutoffs([5, 10], ["map"]))
        ['map@10', 'map@5']
    """
    if isinstance(cutoffs, str) or not isinstance(cutoffs, Iterable):
        raise InputError(f"cutoffs: {described(cutoffs)}; give a list of whole numbers, [10, 100]")
    if not isinstance(names, Mapping):
        check_ids("names", names, of_text=True)
    names, cutoffs = list(names), list(cutoffs)
    for cutoff in cutoffs:
        check_number("cutoffs", cutoff, Cutoff)
    for name in names:
        if name not in FAMILIES:
            raise InputError(f"{name}: no such metric{names_like(str(name), FAMILIES)}")
    return {f"{name}@{k}": Metric(FAMILIES[name], k) for k in cutoffs for name in names}


def heading(metric: str) -> str:
    """Return a metric's name as a table shows it.

    Example:
        >>> heading("ndcg@100"), heading("hit_rate@10"), heading("uncapped_map@20")
        ('NDCG@100', 'Hit rate@10', 'Uncapped MAP@20')
    """
    name, at, cutoff = metric.partition("@")
    first, *others = (
        word.upper() if word in _ACRONYMS else _NAMES.get(word, word) for word in name.split("_")
    )
    return " ".join([first[:1].upper() + first[1:], *others]) + at + cutoff


_ACRONYMS = ("ndcg", "mrr", "hr", "map", "rbp", "auc", "aplt", "aclt")
_NAMES = {"gini": "Gini", "shannon": "Shannon"}

"""The metrics of a batch of users, as compiled programs that many evaluations share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from multvae_jax.batching import Batch, take
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric
from multvae_jax.evaluation.evaluation_set import EvaluationSet
from multvae_jax.evaluation.history_means import mean_of_history
from multvae_jax.evaluation.list_metrics import ListMetric, UserList
from multvae_jax.evaluation.metrics import Metric
from multvae_jax.evaluation.ranking import (
    Candidates,
    all_items,
    count_items,
    is_among,
    item_mask,
    mean_ranks,
    scores_are_valid,
    target_hits,
    unseen_scores,
)
from multvae_jax.evaluation.shared_arrays import Together
from multvae_jax.ops.top_k import top_k
from multvae_jax.parallel.meshes import placed
from multvae_jax.types import Scorer, scores_of

AnyMetric = Metric | ListMetric | CatalogueMetric
"""A metric of the hits of one list, of one list, or of all lists together."""


class Values(NamedTuple):
    """The metrics that were computed, in the order in which they were given.

    Attributes:
        of_users: metrics of the hits or of the list of each user, in the order of the batches.
        of_all: metrics of all lists together.
    """

    of_users: Float[Array, "metrics places"]
    of_all: Float[Array, " metrics"]


MakeLists = Callable[[Int[Array, " users"], Batch, Batch], tuple[UserList, Bool[Array, " users"]]]
"""`(rows, history, targets) -> lists, are_valid`: the lists of a batch of users."""


_Counts = dict[int, Int[Array, " items"]]
"""Cutoff -> in how many lists each item is."""


_Found = tuple[_Counts, Bool[Array, ""]]
"""The counts of the lists so far, and whether all of their scores are numbers."""


def _nothing_found(n_items: int, metrics: Iterable[AnyMetric]) -> Any:
    of_all = [metric for metric in metrics if isinstance(metric, CatalogueMetric)]
    return {metric.cutoff: np.zeros(n_items, np.int32) for metric in of_all}, np.bool_(True)


def _batch_of(users: EvaluationSet, rows: Int[Array, " users"]) -> tuple[Batch, Batch]:
    """The histories and the targets of some of the users."""
    history = take(users.history, rows, users.capacities[0])
    return history, take(users.targets, rows, users.capacities[1])


def _of_lists(
    lists: UserList,
    are_valid: Bool[Array, " users"],
    rows: Int[Array, " users"],
    history: Batch,
    found: _Found,
    metrics: tuple[AnyMetric, ...],
) -> tuple[_Found, Float[Array, "users metrics"]]:
    """The metrics of the lists of a batch, and what was found with them added."""
    of_users = [metric for metric in metrics if not isinstance(metric, CatalogueMetric)]

    def of_user(place: Array, mine: UserList, histories: Batch) -> Float[Array, " metrics"]:
        mine = mine._replace(history_mean=partial(mean_of_history, place, histories))
        values = [
            metric(mine.hits, mine.n_targets) if isinstance(metric, Metric) else metric(mine)
            for metric in of_users
        ]
        return jnp.stack(values) if values else jnp.zeros(0)

    counts, all_valid = found
    places = jnp.arange(rows.shape[0], dtype=jnp.int32)
    values = jax.vmap(of_user, in_axes=(0, 0, None))(places, lists, history)
    values = jnp.where(are_valid[:, None], values, jnp.nan)
    is_real = rows >= 0
    shown = jnp.where(lists.shown & is_real[:, None], lists.items, history.n_items)
    counts = {k: count.at[shown[:, :k]].add(1, mode="drop") for k, count in counts.items()}
    return (counts, all_valid & (are_valid | ~is_real).all()), values


def _of_all_lists(found: _Found, metrics: tuple[AnyMetric, ...]) -> Float[Array, " metrics"]:
    """The metrics of all lists together."""
    of_all = [metric for metric in metrics if isinstance(metric, CatalogueMetric)]
    counts, all_valid = found
    overall = [jnp.where(all_valid, metric(counts[metric.cutoff]), jnp.nan) for metric in of_all]
    return jnp.stack(overall) if overall else jnp.zeros(0)


def _values_of(
    make_lists: MakeLists, users: EvaluationSet, metrics: tuple[AnyMetric, ...]
) -> Values:
    """Return the metrics of lists that are made batch by batch."""

    def add_batch(
        found: _Found, rows: Int[Array, " users"]
    ) -> tuple[_Found, Float[Array, "users metrics"]]:
        history, targets = _batch_of(users, rows)
        lists, are_valid = make_lists(rows, history, targets)
        return _of_lists(lists, are_valid, rows, history, found, metrics)

    nothing = jax.tree.map(jnp.asarray, _nothing_found(users.history.n_items, metrics))
    found, values = jax.lax.scan(add_batch, nothing, users.order)
    # In the order of the batches, padding included.
    by_place = jnp.moveaxis(values, 2, 0).reshape(values.shape[2], users.order.size)
    # On every device of a mesh, so that each of several processes can read them.
    return placed(users.history.mesh, Values(by_place, _of_all_lists(found, metrics)))


def deepest(metrics: Iterable[AnyMetric]) -> int:
    """The largest cutoff of some metrics."""
    return max(metric.cutoff for metric in metrics)


class _Wanted(NamedTuple):
    """The parts of the lists that metrics need.

    Attributes:
        k: the deepest rank.
        items: whether the items in the lists; hits alone are found without sorting.
        ranks: whether the mean rank of the targets.
    """

    k: int
    items: bool
    ranks: bool


def _wanted_by(metrics: Iterable[AnyMetric], n_items: int) -> _Wanted:
    metrics = tuple(metrics)
    return _Wanted(
        min(deepest(metrics), n_items),
        any(not isinstance(metric, Metric) for metric in metrics),
        any(isinstance(metric, ListMetric) and metric.of_ranking for metric in metrics),
    )


def _ranked_lists(
    scores: Float[Array, "users items"],
    rows: Int[Array, " users"],
    history: Batch,
    targets: Batch,
    wanted: _Wanted,
    candidates: Candidates,
) -> tuple[UserList, Bool[Array, " users"]]:
    """The lists of a batch of users, best first, and whether their scores are numbers."""
    known, held_out = item_mask(history), item_mask(targets)
    allowed = candidates(rows, known, held_out)
    scores = jnp.where(allowed, scores, -jnp.inf)
    unseen = unseen_scores(scores, history)
    if wanted.items:
        # Without the barrier, XLA cuts the sorted items off at each cutoff, no longer sees
        # that few of them are needed, and sorts them all: fifteen times the time.
        best, items = jax.lax.optimization_barrier(top_k(unseen, wanted.k, history.mesh))
        shown = best > -jnp.inf
        hits = shown & is_among(items, targets)
        are_valid = scores_are_valid(best, scores, history)
    else:
        hits, _, are_valid = target_hits(scores, history, targets, wanted.k)
        items, shown = jnp.zeros(hits.shape, jnp.int32), jnp.ones(hits.shape, bool)
    unknown = jnp.full(rows.shape, jnp.nan)
    ranks = mean_ranks(unseen, targets) if wanted.ranks else unknown
    n_candidates = allowed.sum(axis=1, dtype=jnp.int32) - count_items(history, among=allowed)
    n_targets = count_items(targets)
    return UserList(items, shown, hits, n_targets, known, held_out, ranks, n_candidates), are_valid


def ranked_values(
    scorer: Scorer,
    users: EvaluationSet,
    metrics: tuple[AnyMetric, ...],
    candidates: Candidates = all_items,
) -> Values:
    """Return the metrics of a recommender. Pure, and not jitted.

    The metrics of a user with a NaN score are NaN, and so are then those of all lists.

    Args:
        scorer: any scorer.
        users: held-out users on the device.
        metrics: the metrics to compute.
        candidates: the items to rank.
    """

    def make_lists(
        rows: Int[Array, " users"], history: Batch, targets: Batch
    ) -> tuple[UserList, Bool[Array, " users"]]:
        scores = scores_of(scorer, history)
        return _ranked_lists(scores, rows, history, targets, wanted, candidates)

    wanted = _wanted_by(metrics, users.history.n_items)
    return _values_of(make_lists, users, metrics)


@partial(jax.jit, static_argnames="wanted")
def ranked_scores(
    scores: Float[Array, "users items"],
    rows: Int[Array, " users"],
    history: Batch,
    targets: Batch,
    wanted: _Wanted,
    candidates: Candidates,
) -> tuple[Any, Bool[Array, " users"]]:
    """The lists of a batch of users, without masks; one program for all recommenders."""
    lists: Any
    lists, are_valid = _ranked_lists(scores, rows, history, targets, wanted, candidates)
    # Ranks that no metric needs are NaN, and JAX_DEBUG_NANS stops at a program that returns one.
    ranks = lists.mean_target_rank if wanted.ranks else None
    return lists._replace(history=None, targets=None, mean_target_rank=ranks), are_valid


@jax.jit
def measured_lists(
    lists: Any,
    are_valid: Bool[Array, " users"],
    rows: Int[Array, " users"],
    history: Batch,
    targets: Batch,
    found: _Found,
    metrics: tuple[AnyMetric, ...],
) -> tuple[_Found, Float[Array, "users metrics"]]:
    """The metrics of the lists of a batch; one program for all recommenders."""
    lists = lists._replace(history=item_mask(history), targets=item_mask(targets))
    if lists.mean_target_rank is None:
        lists = lists._replace(mean_target_rank=jnp.full(rows.shape, jnp.nan))
    return _of_lists(lists, are_valid, rows, history, found, metrics)


compiled_ranked_values, _compiled_overall = jax.jit(ranked_values), jax.jit(_of_all_lists)
_compiled_batch, _compiled_scores = jax.jit(_batch_of), jax.jit(scores_of)


def values_of_one_batch(
    scorer: Scorer, users: EvaluationSet, metrics: Together, candidates: Candidates
) -> Values:
    """Return what `ranked_values` does for one batch, by programs that recommenders share.

    Most of the time to compile it is that of the ranks and the metrics, which for a few users is
    far more than that of the computation. Other metrics of the same depth share the program of the
    ranks. Several batches are a loop within one program instead, which allocates its memory only
    once.

    Args:
        scorer: as in `ranked_values`.
        users: as in `ranked_values`, as one batch.
        metrics: as in `ranked_values`, as one argument.
        candidates: as in `ranked_values`.
    """
    (rows,) = np.asarray(users.order)
    history, targets = _compiled_batch(users, rows)
    scores = _compiled_scores(scorer, history)
    nothing = _nothing_found(users.history.n_items, metrics)
    wanted = _wanted_by(metrics, users.history.n_items)
    lists, are_valid = ranked_scores(scores, rows, history, targets, wanted, candidates)
    found, values = measured_lists(lists, are_valid, rows, history, targets, nothing, metrics)
    overall = _compiled_overall(found, metrics) if found[0] else np.zeros(0, np.float32)
    return Values(jax.device_put(np.asarray(values).T), jax.device_put(overall))


@jax.jit
def listed_values(
    items: Int[Array, "users k"], users: EvaluationSet, metrics: tuple[AnyMetric, ...]
) -> Values:
    """Return the metrics of lists that are given, by one compiled program.

    Args:
        items: the list of each user, best first; negative where there is no item.
        users: as in `ranked_values`.
        metrics: as in `ranked_values`, without those of the whole ranking.
    """

    def make_lists(
        rows: Int[Array, " users"], history: Batch, targets: Batch
    ) -> tuple[UserList, Bool[Array, " users"]]:
        known, wanted = item_mask(history), item_mask(targets)
        mine = items.at[rows].get(mode="clip")
        shown = mine >= 0
        hits = shown & is_among(mine, targets)
        nothing = jnp.full(rows.shape, jnp.nan)
        n_candidates = known.shape[1] - count_items(history)
        n_targets = count_items(targets)
        lists = UserList(mine, shown, hits, n_targets, known, wanted, nothing, n_candidates)
        return lists, jnp.ones(rows.shape, bool)

    return _values_of(make_lists, users, metrics)

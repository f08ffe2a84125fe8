"""Metrics of the recommendation lists of many users, on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from multvae_jax.batching import Batch, take
from multvae_jax.bounds import Count, Size, check_function, check_kind, check_number
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric
from multvae_jax.evaluation.evaluation_set import EvaluationSet, padded, prepare_users
from multvae_jax.evaluation.history_means import mean_of_history
from multvae_jax.evaluation.list_metrics import ListMetric, UserList
from multvae_jax.evaluation.lists import NO_ITEM, Lists
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric
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
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.shared_arrays import Together
from multvae_jax.signatures import cannot_take
from multvae_jax.types import Scorer, as_scorer, scores_of

AnyMetric = Metric | ListMetric | CatalogueMetric
"""A metric of the hits of one list, of one list, or of all lists together."""


class Values(NamedTuple):
    """The metrics that were computed, in the order in which they were given.

    Attributes:
        of_users: metrics of the hits or of the list of each user.
        of_all: metrics of all lists together.
    """

    of_users: Float[Array, "metrics users"]
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
    # Back to the order of the users; only the last batch has padding.
    by_user = jnp.moveaxis(values, 2, 0).reshape(values.shape[2], users.order.size)
    return Values(
        of_users=by_user[:, : users.history.n_users], of_all=_of_all_lists(found, metrics)
    )


def _deepest(metrics: Iterable[AnyMetric]) -> int:
    return max(metric.cutoff for metric in metrics)


def _ranked_lists(
    scores: Float[Array, "users items"],
    rows: Int[Array, " users"],
    history: Batch,
    targets: Batch,
    metrics: tuple[AnyMetric, ...],
    candidates: Candidates,
) -> tuple[UserList, Bool[Array, " users"]]:
    """The lists of a batch of users, best first, and whether their scores are numbers."""
    k = min(_deepest(metrics), history.n_items)
    # Hits alone are found without sorting.
    needs_items = any(not isinstance(metric, Metric) for metric in metrics)
    needs_ranks = any(isinstance(metric, ListMetric) and metric.of_ranking for metric in metrics)
    known, wanted = item_mask(history), item_mask(targets)
    allowed = candidates(rows, known, wanted)
    scores = jnp.where(allowed, scores, -jnp.inf)
    unseen = unseen_scores(scores, history)
    if needs_items:
        # Without the barrier, XLA cuts the sorted items off at each cutoff, no longer sees
        # that few of them are needed, and sorts them all: fifteen times the time.
        best, items = jax.lax.optimization_barrier(jax.lax.top_k(unseen, k))
        shown = best > -jnp.inf
        hits = shown & is_among(items, targets)
        are_valid = scores_are_valid(best, scores, history)
    else:
        hits, _, are_valid = target_hits(scores, history, targets, k)
        items, shown = jnp.zeros(hits.shape, jnp.int32), jnp.ones(hits.shape, bool)
    unknown = jnp.full(rows.shape, jnp.nan)
    ranks = mean_ranks(unseen, targets) if needs_ranks else unknown
    n_candidates = allowed.sum(axis=1, dtype=jnp.int32) - count_items(history, among=allowed)
    n_targets = count_items(targets)
    return UserList(items, shown, hits, n_targets, known, wanted, ranks, n_candidates), are_valid


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
        return _ranked_lists(scores, rows, history, targets, metrics, candidates)

    return _values_of(make_lists, users, metrics)


@jax.jit
def measured_scores(
    scores: Float[Array, "users items"],
    rows: Int[Array, " users"],
    history: Batch,
    targets: Batch,
    found: _Found,
    metrics: tuple[AnyMetric, ...],
    candidates: Candidates,
) -> tuple[_Found, Float[Array, "users metrics"]]:
    """The metrics of the scores of a batch of users; one program for all recommenders."""
    lists, are_valid = _ranked_lists(scores, rows, history, targets, metrics, candidates)
    return _of_lists(lists, are_valid, rows, history, found, metrics)


_ranked_values, _compiled_overall = jax.jit(ranked_values), jax.jit(_of_all_lists)
_compiled_batch, _compiled_scores = jax.jit(_batch_of), jax.jit(scores_of)


def _values_of_one_batch(
    scorer: Scorer, users: EvaluationSet, metrics: Together, candidates: Candidates
) -> Values:
    """Return what `ranked_values` does, by programs that recommenders have in common.

    Most of the time to compile it is that of the ranks and the metrics, which for a few users is
    far more than that of the computation. Several batches are a loop within one program instead,
    which allocates its memory only once.
    """
    (rows,) = np.asarray(users.order)
    history, targets = _compiled_batch(users, rows)
    scores = _compiled_scores(scorer, history)
    nothing = _nothing_found(users.history.n_items, metrics)
    found, values = measured_scores(scores, rows, history, targets, nothing, metrics, candidates)
    overall = _compiled_overall(found, metrics) if found[0] else np.zeros(0, np.float32)
    return Values(jnp.asarray(np.asarray(values).T), jnp.asarray(overall))


@jax.jit
def _listed_values(
    items: Int[Array, "users k"], users: EvaluationSet, metrics: tuple[AnyMetric, ...]
) -> Values:
    """Return the metrics of lists that are given, one row per user; negative where no item is."""

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


def evaluation_of(
    values: Values, users: EvaluationSet, metrics: Mapping[str, AnyMetric]
) -> Evaluation:
    """Return the result of `ranked_values` by name, in float64.

    Args:
        values: what was computed.
        users: the users that were evaluated.
        metrics: the metrics, in the order in which they were computed.
    """
    of_all = [name for name, metric in metrics.items() if isinstance(metric, CatalogueMetric)]
    of_users = [name for name in metrics if name not in of_all]
    n_users = users.history.n_users
    return Evaluation(
        dict(zip(of_users, np.asarray(values.of_users, np.float64)[:, :n_users], strict=True)),
        users.users_without_target,
        dict(zip(of_all, np.asarray(values.of_all, np.float64).tolist(), strict=True)),
        users.user_ids,
    )


def evaluate(
    scorer: Scorer,
    users: HeldOut | EvaluationSet,
    metrics: Mapping[str, AnyMetric] = PAPER_METRICS,
    candidates: Candidates = all_items,
    *,
    batch_size: int = 500,
) -> Evaluation:
    """Rank the items outside each user's history, and measure how high the targets come.

    This is the protocol of the paper (section 4.2). Users without targets are left out. If any
    of a user's scores is NaN, so are all of the user's metrics.

    Args:
        scorer: any scorer, such as `Run.scorer` or a baseline. Its arrays are arguments of the
            compiled program, which all scorers with the same function share.
        users: held-out users; use `prepare_users` first to evaluate them repeatedly.
        metrics: the metrics to compute, by the names that they get in the result.
        candidates: the items to rank: all of them unless given, or `sampled_items`.
        batch_size: number of users ranked at once; ignored for prepared users.

    Raises:
        InputError: if no user has anything held out, or an argument is of another type.

    Example:
        >>> import scipy.sparse as sp
        >>> import multvae_jax as mv
        >>> history = sp.csr_array(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
        >>> targets = sp.csr_array(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        >>> users = mv.HeldOut(history, targets, np.array(["ann", "bob"], object))
        >>> most_popular = mv.baselines.popularity(np.array([5, 3, 1]))
        >>> mv.evaluate(most_popular, users, mv.metrics.at_cutoffs([1])).mean("recall@1")
        0.5
    """
    users = _checked(users, metrics, batch_size)
    scorer = as_scorer(scorer)
    what = "a function of (rows, history, targets), such as sampled_items(100)"
    check_function("candidates", candidates, what)
    if cannot_take(candidates, 3):
        raise InputError(f"candidates: it must be {what}")
    compute = _values_of_one_batch if len(users.order) == 1 else _ranked_values
    values = compute(scorer, padded(users), Together(metrics.values()), candidates)
    return evaluation_of(values, users, metrics)


def evaluate_lists(
    lists: Lists,
    users: HeldOut | EvaluationSet,
    metrics: Mapping[str, AnyMetric] = PAPER_METRICS,
    *,
    batch_size: int = 500,
) -> Evaluation:
    """Measure recommendation lists that are given, such as those of another system.

    Every metric of `evaluate` is defined on them, except those of the whole ranking, such as AUC.
    A user without a list counts as one to whom nothing was recommended. An item that is not in the
    catalogue keeps its place in the list, and is never a hit; no metric of items counts it.

    Args:
        lists: the lists, over the catalogue of the users.
        users: as in `evaluate`.
        metrics: as in `evaluate`.
        batch_size: as in `evaluate`.

    Raises:
        InputError: as in `evaluate`, a metric needs the whole ranking, the lists are over another
            catalogue, a user has several lists, or an item is twice in a list.

    Example:
        >>> import scipy.sparse as sp
        >>> import multvae_jax as mv
        >>> history = sp.csr_array(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
        >>> targets = sp.csr_array(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        >>> ids = np.array(["ann", "bob"], object)
        >>> items = mv.Catalogue(np.array(["x", "y", "z"], object), np.array([5, 3, 1]), {})
        >>> scores = np.zeros((2, 1), np.float32)
        >>> lists = mv.Lists(ids, np.array([[1], [0]], np.int32), scores, items)
        >>> users = mv.HeldOut(history, targets, ids)
        >>> mv.evaluate_lists(lists, users, mv.metrics.at_cutoffs([1])).mean("recall@1")
        0.5
    """
    check_kind("lists", lists, Lists, "read_lists(path, catalogue)")
    users = _checked(users, metrics, batch_size)
    for name, metric in metrics.items():
        if isinstance(metric, ListMetric) and metric.of_ranking:
            raise InputError(f"{name}: needs the whole ranking, which lists do not tell")
    if users.user_ids is None:
        raise InputError("users: without ids, their lists cannot be found")
    n_items = users.history.n_items
    if len(lists.catalogue.ids) != n_items:
        raise InputError(
            f"lists: over {len(lists.catalogue.ids):,} items, but the users have {n_items:,}"
        )
    deepest = _deepest(metrics.values())
    mine = lists.at(deepest).of_users(users.user_ids)
    mine.check_repeats()
    room = ((0, users.order.size - len(mine.items)), (0, deepest - mine.k))
    items = np.pad(mine.items, room, constant_values=NO_ITEM)
    values = _listed_values(jnp.asarray(items), padded(users), Together(metrics.values()))
    return evaluation_of(values, users, metrics)


def check_named_metrics(metrics: Any) -> None:
    """Refuse what are not metrics by name.

    Raises:
        InputError: naming what to give.
    """
    if not isinstance(metrics, Mapping) or not metrics:
        raise InputError("metrics: give metrics by name, such as metrics.at_cutoffs([10])")
    for name, metric in metrics.items():
        if not isinstance(name, str):
            raise InputError(f"metrics: {name!r} is not a name")
        if not isinstance(metric, AnyMetric):
            example = f"Metric({getattr(metric, '__name__', 'function')}, 10)"
            got = "a function" if callable(metric) else f"of type {type(metric).__name__}"
            raise InputError(f"metrics['{name}']: {got}; use a metric, such as {example}")
        check_number(f"metrics['{name}']: its cutoff", metric.cutoff, Count)


def _checked(users: Any, metrics: Any, batch_size: int) -> EvaluationSet:
    """The users on the device.

    Raises:
        InputError: they are not users, or there are no metrics by name.
    """
    check_named_metrics(metrics)
    check_number("batch_size", batch_size, Size)
    if isinstance(users, HeldOut):
        return prepare_users(users, batch_size)
    if not isinstance(users, EvaluationSet):
        hint = "; those of a split are split.test" if hasattr(users, "test") else ""
        raise InputError(f"users: {type(users).__name__} is not held-out users{hint}")
    return users

"""`evaluate` and `evaluate_lists`: metrics of the recommendation lists of many users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from multvae_jax.checks.bounds import (
    Count,
    Size,
    check_function,
    check_kind,
    check_mapping,
    check_number,
)
from multvae_jax.checks.signatures import cannot_take
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric
from multvae_jax.evaluation.evaluation_set import EvaluationSet, padded, prepare_users
from multvae_jax.evaluation.list_metrics import ListMetric
from multvae_jax.evaluation.lists import NO_ITEM, Lists
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.evaluation.ranking import Candidates, all_items
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.shared_arrays import Together
from multvae_jax.evaluation.traced_metrics import check_traced_metrics
from multvae_jax.evaluation.values import (
    AnyMetric,
    Values,
    compiled_ranked_values,
    deepest,
    listed_values,
    values_of_one_batch,
)
from multvae_jax.parallel.partition import mesh_of
from multvae_jax.types import Scorer, as_scorer


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
    order = np.asarray(users.order).ravel()
    found = np.asarray(values.of_users, np.float64)
    by_user = np.zeros((len(of_users), users.history.n_users))
    by_user[:, order[order >= 0]] = found[:, order >= 0]
    return Evaluation(
        dict(zip(of_users, by_user, strict=True)),
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
    """Rank the items outside each user's history, and measure how high the targets rank.

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
    users = _checked(users, metrics, batch_size, mesh_of(scorer))
    check_traced_metrics(metrics, users.history.n_items)
    scorer = as_scorer(scorer)
    what = "a function of (rows, history, targets), such as sampled_items(100)"
    check_function("candidates", candidates, what)
    if cannot_take(candidates, 3):
        raise InputError(f"candidates: it must be {what}")
    alone = len(users.order) == 1 and users.history.mesh is None
    compute = values_of_one_batch if alone else compiled_ranked_values
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
            catalogue, none of the users has a list, a user has several, or an item is twice in one.

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
    check_traced_metrics(metrics, n_items)
    cutoff = deepest(metrics.values())
    if lists.n_users and {*lists.user_ids}.isdisjoint(users.user_ids):
        raise InputError(
            f"lists: none of their {lists.n_users:,} users is among the {len(users.user_ids):,} to "
            "evaluate; the ids must be the same"
        )
    mine = lists.at(cutoff).of_users(users.user_ids)
    mine.check_repeats()
    room = ((0, users.order.size - len(mine.items)), (0, cutoff - mine.k))
    items = np.pad(mine.items, room, constant_values=NO_ITEM)
    values = listed_values(jnp.asarray(items), padded(users), Together(metrics.values()))
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
        check_function(f"metrics['{name}']: its function", metric.function, "a function")
        about = getattr(metric, "about", {})
        check_mapping(f"metrics['{name}']: about", about, "arrays by the name of an argument")


def _checked(users: Any, metrics: Any, batch_size: int, mesh: Mesh | None = None) -> EvaluationSet:
    """The users on the device.

    Raises:
        InputError: they are not users, or there are no metrics by name.
    """
    check_named_metrics(metrics)
    check_number("batch_size", batch_size, Size)
    if not isinstance(users, HeldOut | EvaluationSet):
        hint = "; those of a split are split.test" if hasattr(users, "test") else ""
        raise InputError(f"users: {type(users).__name__} is not held-out users{hint}")
    return prepare_users(users, batch_size, mesh) if isinstance(users, HeldOut) else users

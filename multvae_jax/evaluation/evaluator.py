"""Ranking metrics of many users, on the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from multvae_jax.batching import Histories, capacity_of, sequential_order, take, to_device
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric
from multvae_jax.evaluation.ranking import Candidates, all_items, item_mask, target_hits
from multvae_jax.types import Scorer, as_scorer, scores_of


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The metrics of each user with at least one target.

    Attributes:
        values: metric -> one float64 value per user, in the order of the held-out users.
        users_without_target: number of held-out users that were left out because nothing of
            theirs is held out.

    Example:
        >>> evaluation = Evaluation({"recall@20": np.array([0.5, 1.0])}, users_without_target=0)
        >>> evaluation.mean("recall@20"), evaluation.users
        (0.75, 2)
    """

    values: dict[str, np.ndarray]
    users_without_target: int

    @property
    def users(self) -> int:
        """Number of users that the means are over."""
        return next(iter(self.values.values())).size

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over the users."""
        return float(self.values[metric].mean())

    def standard_error(self, metric: str) -> float:
        """Return the standard error of the mean: the standard deviation over sqrt(users)."""
        return float(self.values[metric].std() / np.sqrt(self.users))

    def summary(self) -> dict[str, dict[str, float]]:
        """Return `{metric: {"mean": ..., "standard_error": ...}}`."""
        return {
            metric: {"mean": self.mean(metric), "standard_error": self.standard_error(metric)}
            for metric in self.values
        }


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class EvaluationSet:
    """Held-out users on the device, for repeated evaluation; made by `prepare_users`.

    Attributes:
        history: interactions that a recommender is shown, of the users with a target.
        targets: the interactions of the same users that are to be found.
        order: rows of the histories, batch by batch.
        capacities: chunks in a batch of histories, and in a batch of targets.
        users_without_target: number of held-out users that were left out.
    """

    history: Histories
    targets: Histories
    order: Int[Array, "batches users"]
    capacities: tuple[int, int] = dataclasses.field(metadata={"static": True})
    users_without_target: int = dataclasses.field(metadata={"static": True})


def prepare_users(held_out: HeldOut, batch_size: int = 500) -> EvaluationSet:
    """Put held-out users on the device, to evaluate them more than once.

    Args:
        held_out: the users; those with nothing held out are counted and left out.
        batch_size: number of users ranked at once; memory holds two `users x items` arrays of
            this many users.

    Raises:
        InputError: if no user has anything held out.
    """
    has_target = np.asarray((held_out.targets != 0).sum(axis=1)).ravel() > 0
    if not has_target.any():
        raise InputError(f"none of the {has_target.size} held-out users has an item held out")
    history = to_device(held_out.history[has_target])
    targets = to_device(held_out.targets[has_target])
    n_users = int(has_target.sum())
    order = sequential_order(n_users, min(batch_size, n_users))
    capacities = (capacity_of(history, order), capacity_of(targets, order))
    return EvaluationSet(history, targets, jnp.asarray(order), capacities, int((~has_target).sum()))


def ranked_values(
    scorer: Scorer,
    users: EvaluationSet,
    metrics: tuple[Metric, ...],
    candidates: Candidates = all_items,
) -> Float[Array, "metrics users"]:
    """Return the metrics of each user; NaN for a user with a NaN score. Pure, and not jitted.

    Args:
        scorer: any scorer.
        users: held-out users on the device.
        metrics: the metrics to compute.
        candidates: the items to rank.
    """
    deepest = min(max(metric.cutoff for metric in metrics), users.history.n_items)

    def of_batch(rows: Int[Array, " users"]) -> Float[Array, "metrics users"]:
        history = take(users.history, rows, users.capacities[0])
        targets = take(users.targets, rows, users.capacities[1])
        allowed = candidates(rows, item_mask(history), item_mask(targets))
        scores = jnp.where(allowed, scores_of(scorer, history), -jnp.inf)
        hits, n_targets, is_valid = target_hits(scores, history, targets, deepest)
        values = jnp.stack([jax.vmap(metric.__call__)(hits, n_targets) for metric in metrics])
        return jnp.where(is_valid[None], values, jnp.nan)

    values = jax.lax.map(of_batch, users.order)
    # Back to the order of the users; only the last batch has padding.
    n_users = users.history.n_users
    return jnp.moveaxis(values, 1, 0).reshape(len(metrics), -1)[:, :n_users]


_ranked_values = jax.jit(ranked_values, static_argnames="metrics")


def evaluation_of(
    values: Float[np.ndarray, "metrics users"], users: EvaluationSet, metrics: Iterable[str]
) -> Evaluation:
    """Return the result of `ranked_values` by name, in float64.

    Args:
        values: one row per metric.
        users: the users that were evaluated.
        metrics: names of the metrics, in the order of the rows.
    """
    by_name = dict(zip(metrics, values.astype(np.float64), strict=True))
    return Evaluation(by_name, users.users_without_target)


def evaluate(
    scorer: Scorer,
    users: HeldOut | EvaluationSet,
    metrics: Mapping[str, Metric] = PAPER_METRICS,
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
    if not isinstance(metrics, Mapping) or not metrics:
        raise InputError("metrics: give metrics by name, such as metrics.at_cutoffs([10])")
    if isinstance(users, HeldOut):
        users = prepare_users(users, batch_size)
    elif not isinstance(users, EvaluationSet):
        hint = "; those of a split are split.test" if hasattr(users, "test") else ""
        raise InputError(f"users: {type(users).__name__} is not held-out users{hint}")
    scorer = as_scorer(scorer)
    values = _ranked_values(scorer, users, tuple(metrics.values()), candidates)
    return evaluation_of(np.asarray(values), users, metrics)

"""What the metrics make of the ranking of many users, on the device."""

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
from multvae_jax.types import Scorer


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Metrics of each user that has a target.

    Attributes:
        values: metric -> one value a user, in the order of the held-out users.
        users_without_target: how many held-out users were left out for want of a target.
    """

    values: dict[str, np.ndarray]
    users_without_target: int

    @property
    def users(self) -> int:
        """How many users the means are over."""
        return next(iter(self.values.values())).size

    def mean(self, metric: str) -> float:
        """Mean over the users."""
        return float(self.values[metric].mean())

    def standard_error(self, metric: str) -> float:
        """Standard deviation over the users, divided by the root of their number."""
        return float(self.values[metric].std() / np.sqrt(self.users))

    def summary(self) -> dict[str, dict[str, float]]:
        """Metric -> its mean and standard error."""
        return {
            metric: {"mean": self.mean(metric), "standard_error": self.standard_error(metric)}
            for metric in self.values
        }


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class EvaluationSet:
    """Held-out users on the device, ready to be evaluated any number of times.

    Attributes:
        history: what the model is shown of the users with a target.
        targets: what it is to find.
        order: rows of the histories, batch by batch.
        capacities: chunks of a batch of histories and of targets.
        users_without_target: held-out users left out.
    """

    history: Histories
    targets: Histories
    order: Int[Array, "batches users"]
    capacities: tuple[int, int] = dataclasses.field(metadata={"static": True})
    users_without_target: int = dataclasses.field(metadata={"static": True})


def prepare_users(held_out: HeldOut, batch_size: int = 500) -> EvaluationSet:
    """Put held-out users on the device.

    Args:
        held_out: users with nothing held out take no part, and are counted.
        batch_size: users ranked at once; two users x items arrays of them are in memory.

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
    """The metrics of each user. Pure, and not yet jitted.

    Args:
        scorer: any scorer.
        users: held-out users on the device.
        metrics: what is measured.
        candidates: which items are ranked.
    """
    deepest = min(max(metric.cutoff for metric in metrics), users.history.n_items)

    def of_batch(rows: Int[Array, " users"]) -> Float[Array, "metrics users"]:
        known = take(users.history, rows, users.capacities[0])
        wanted = take(users.targets, rows, users.capacities[1])
        allowed = candidates(rows, item_mask(known), item_mask(wanted))
        scores = jnp.where(allowed, scorer(known), -jnp.inf)
        hits, n_targets, ranked = target_hits(scores, known, wanted, deepest)
        values = jnp.stack([jax.vmap(metric.__call__)(hits, n_targets) for metric in metrics])
        return jnp.where(ranked[None], values, jnp.nan)

    values = jax.lax.map(of_batch, users.order)
    # In the order of the users, of whom only the last batch has places to spare.
    n_users = users.history.n_users
    return jnp.moveaxis(values, 1, 0).reshape(len(metrics), -1)[:, :n_users]


_ranked_values = jax.jit(ranked_values, static_argnames="metrics")


def evaluation_of(
    values: Float[np.ndarray, "metrics users"], users: EvaluationSet, metrics: Iterable[str]
) -> Evaluation:
    """What `ranked_values` gave, by name, to be averaged in double precision."""
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
    """Rank the items that each user does not have, and measure where the targets come.

    If a user has a score that is NaN, all of the user's metrics are NaN.

    Args:
        scorer: any scorer, such as `Run.scorer` or a baseline. Its arrays are arguments of the
            compiled program, which is shared by all scorers with the same function.
        users: held-out users; prepare them with `prepare_users` to evaluate them repeatedly.
        metrics: metrics by the names they get in the result.
        candidates: which items are ranked; by default all of them.
        batch_size: users ranked at once, unless the users are prepared already.

    Raises:
        InputError: if no user has anything held out.
    """
    if isinstance(users, HeldOut):
        users = prepare_users(users, batch_size)
    values = _ranked_values(scorer, users, tuple(metrics.values()), candidates)
    return evaluation_of(np.asarray(values), users, metrics)

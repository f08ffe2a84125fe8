"""What the metrics make of the ranking of many users, on the device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from multvae_jax.batching import (
    Histories,
    capacity_of,
    in_order,
    take,
    to_device,
)
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric
from multvae_jax.evaluation.ranking import Candidates, every_item, find, mark
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
class Prepared:
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


def prepare(held_out: HeldOut, batch_size: int = 500) -> Prepared:
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
    order = in_order(n_users, min(batch_size, n_users))
    capacities = (capacity_of(history, order), capacity_of(targets, order))
    return Prepared(history, targets, jnp.asarray(order), capacities, int((~has_target).sum()))


def ranked_values(
    score: Scorer,
    prepared: Prepared,
    metrics: tuple[Metric, ...],
    candidates: Candidates = every_item,
) -> Float[Array, "metrics users"]:
    """The metrics of each user. Pure, and not yet jitted.

    Args:
        score: any scorer.
        prepared: the users.
        metrics: what is measured.
        candidates: which items are ranked.
    """
    n_items = prepared.history.n_items
    deepest = min(max(metric.cutoff for metric in metrics), n_items)

    def of_batch(users: Int[Array, " users"]) -> Float[Array, "metrics users"]:
        known = take(prepared.history, users, prepared.capacities[0])
        wanted = take(prepared.targets, users, prepared.capacities[1])
        allowed = candidates(users, mark(known, n_items), mark(wanted, n_items))
        scores = jnp.where(allowed, score(known), -jnp.inf)
        hits, n_targets, ranked = find(scores, known, wanted, deepest)
        values = jnp.stack([jax.vmap(metric.__call__)(hits, n_targets) for metric in metrics])
        return jnp.where(ranked[None], values, jnp.nan)

    values = jax.lax.map(of_batch, prepared.order)
    # In the order of the users, of whom only the last batch has places to spare.
    n_users = prepared.history.starts.shape[0] - 1
    return jnp.moveaxis(values, 1, 0).reshape(len(metrics), -1)[:, :n_users]


_ranked_values = jax.jit(ranked_values, static_argnames="metrics")


def evaluation_of(
    values: Float[np.ndarray, "metrics users"], prepared: Prepared, metrics: Iterable[str]
) -> Evaluation:
    """What `ranked_values` gave, by name, to be averaged in double precision."""
    by_name = dict(zip(metrics, values.astype(np.float64), strict=True))
    return Evaluation(by_name, prepared.users_without_target)


def measure(
    score: Scorer,
    prepared: Prepared,
    metrics: Mapping[str, Metric] = PAPER_METRICS,
    candidates: Candidates = every_item,
) -> Evaluation:
    """Rank the items a user does not have, and see where the targets come.

    A user with a score that is not a number has no value of any metric but NaN.

    Args:
        score: any scorer; its arrays are arguments of the compiled program, which is made
            once for all scorers that share a function.
        prepared: the users.
        metrics: by the names they get in the result.
        candidates: which of these items are ranked; all of them unless given.
    """
    values = _ranked_values(score, prepared, tuple(metrics.values()), candidates)
    return evaluation_of(np.asarray(values), prepared, metrics)


def evaluate(
    score: Scorer,
    held_out: HeldOut,
    metrics: Mapping[str, Metric] = PAPER_METRICS,
    batch_size: int = 500,
) -> Evaluation:
    """`measure` on users that are not on the device yet.

    Raises:
        InputError: if no user has anything held out.
    """
    return measure(score, prepare(held_out, batch_size), metrics)

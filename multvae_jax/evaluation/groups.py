"""Metrics by group of users: means, differences and tests of them.

The users of a group are compared with all other users, by intervals and tests that let the spread
differ from group to group (Welch, 1947).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Bool, Float

from multvae_jax.checks.bounds import Count, check_ids, check_kind, check_number
from multvae_jax.errors import InputError, names_like
from multvae_jax.evaluation.partitions import FEWEST, Partition, merged, partition_of
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.significance import (
    confidence_half_width,
    difference_half_width,
    holm,
)

Labels = Partition | Mapping[str, Hashable] | Sequence[Hashable] | np.ndarray
"""The group of each user, in the order of an evaluation, or by the id of the user."""


class GroupMean(NamedTuple):
    """A metric of one group of users.

    What cannot be computed is None: the spread of a single user, the difference of the only group.

    Attributes:
        mean: over the users of the group.
        interval: half of the 95% interval of the mean over users (Student).
        difference: the mean minus that of all users of the other groups together.
        difference_interval: half of the 95% interval of the difference (Welch).
        p_value: of Welch's two-sided test that the difference is 0.
        corrected: the p-value after Holm's correction for all groups and metrics. The one
            difference of two groups counts as one test.
    """

    mean: float
    interval: float | None
    difference: float | None
    difference_interval: float | None
    p_value: float | None
    corrected: float | None


class Group(NamedTuple):
    """A group of users.

    Attributes:
        users: number of users.
        values: metric -> what was found.
    """

    users: int
    values: dict[str, GroupMean]


class GroupedEvaluation(NamedTuple):
    """An evaluation by group of users.

    Attributes:
        groups: label -> group, in the order of the partition.
        notes: remarks on users without a group, and on groups that were merged.
    """

    groups: dict[str, Group]
    notes: tuple[str, ...]


def by_group(
    evaluation: Evaluation,
    labels: Labels,
    metrics: Sequence[str] | None = None,
    fewest: int = FEWEST,
) -> GroupedEvaluation:
    """Compare groups of users by the metrics of their lists.

    Metrics of all lists together, such as coverage, have no value per user, and are left out.
    The intervals and tests take the users as a sample, and the recommender as fixed. They are
    those of means, good for groups of a few dozen users, and rough for smaller ones.

    Args:
        evaluation: the metrics of each user.
        labels: the group of each user, in the order of the evaluation, or by the id of the user;
            None, "" or NaN for a user without one, who is left out of all groups. Of numbers with
            more than `MOST_NUMBERS` different values, the groups are quarters.
        metrics: metrics to compare; all unless given.
        fewest: groups of fewer users are merged into `SMALL_GROUPS`; at least 2.

    Raises:
        InputError: if there are not as many labels as users, no group has enough users, there are
            more than `MOST_GROUPS` groups, or a metric was not evaluated.

    Example:
        >>> evaluation = Evaluation({"recall@20": np.array([0.1, 0.2, 0.3, 0.6, 0.7, 0.5])}, 0)
        >>> found = by_group(evaluation, ["a", "a", "a", "b", "b", "b"], fewest=3)
        >>> round(found.groups["b"].values["recall@20"].difference, 4)
        0.4
    """
    check_kind("evaluation", evaluation, Evaluation, "evaluate(run.scorer, split.test)")
    if not isinstance(labels, Mapping):
        check_ids("labels", labels)
    check_number("fewest", fewest, Count)
    if metrics is not None:
        check_ids("metrics", metrics, of_text=True)
    metrics = list(evaluation.values if metrics is None or not len(metrics) else metrics)
    for metric in metrics:
        if metric not in evaluation.values:
            raise InputError(
                f"{metric}: has no value per user{names_like(metric, evaluation.values)}"
            )
    partition = merged(_users_in_groups(evaluation, labels), max(fewest, 2))
    grouped = partition.group_of >= 0
    rows = {
        label: (partition.group_of == number, grouped & (partition.group_of != number))
        for number, label in enumerate(partition.labels)
    }
    found = {
        label: {metric: _compared(evaluation.values[metric], *parts) for metric in metrics}
        for label, parts in rows.items()
    }
    # The second of two groups differs from the first as the first does from the second.
    tested = list(found)[: 1 if len(found) == 2 else None]
    tests = [
        (label, metric, found[label][metric].p_value) for label in tested for metric in metrics
    ]
    finite = [(label, metric, p) for label, metric, p in tests if p is not None]
    corrected = holm(np.array([p for *_, p in finite]))
    by_test = {one[:2]: float(p) for one, p in zip(finite, corrected, strict=True)}
    groups = {
        label: Group(
            int(mine.sum()),
            {
                metric: found[label][metric]._replace(
                    corrected=by_test.get((label if label in tested else tested[0], metric))
                )
                for metric in metrics
            },
        )
        for label, (mine, _) in rows.items()
    }
    return GroupedEvaluation(groups, partition.notes)


def _users_in_groups(
    evaluation: Evaluation,
    labels: Labels,
) -> Partition:
    """Return the groups of the users of an evaluation."""
    if isinstance(labels, Mapping):
        if evaluation.user_ids is None:
            raise InputError(
                "labels by user id: the evaluation does not have the ids of its users; give one "
                "label per user"
            )
        labels = [labels.get(user) for user in evaluation.user_ids]
    found = labels if isinstance(labels, Partition) else partition_of(labels)
    if len(found.group_of) != evaluation.users:
        raise InputError(
            f"labels of {len(found.group_of):,} users for an evaluation of {evaluation.users:,}"
        )
    return found


def _compared(
    values: Float[np.ndarray, " users"],
    mine: Bool[np.ndarray, " users"],
    others: Bool[np.ndarray, " users"],
) -> GroupMean:
    """Compare the users of a group with the others; the p-value is not corrected yet."""
    one, other = values[mine], values[others]
    mean, interval = float(one.mean()), confidence_half_width(one)
    if len(one) < 2 or len(other) < 2:
        return GroupMean(mean, interval, None, None, None, None)
    difference, half = mean - float(other.mean()), difference_half_width(one, other)
    p_value = None
    # Without any spread, equal or not, the test is undefined.
    if half:
        sizes = [(part.mean(), part.std(ddof=1), part.size) for part in (one, other)]
        test = scipy.stats.ttest_ind_from_stats(*sizes[0], *sizes[1], equal_var=False)
        p_value = float(test.pvalue) if math.isfinite(test.pvalue) else None
    return GroupMean(mean, interval, difference, half, p_value, None)

"""Users in groups: by label, by number, or by the length of their history."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Real

from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError, listed

MOST_NUMBERS = 25
"""Different numbers that are groups of their own; of more, the users are cut into quarters."""

MOST_GROUPS = 100
"""Groups at most; a column with more values does not tell groups of users apart."""

FEWEST = 5
"""Users of the smallest group that is shown."""

SMALL_GROUPS = "other groups"
"""Label of the users of all groups that are too small to be shown."""


class Partition(NamedTuple):
    """Users in groups.

    Attributes:
        labels: of the groups, in the order in which they are shown.
        group_of: the group of each user; -1 for a user without one.
        notes: remarks on how the groups were made.
    """

    labels: tuple[str, ...]
    group_of: Int[np.ndarray, " users"]
    notes: tuple[str, ...] = ()


def activity(held_out: HeldOut) -> Partition:
    """Return the quarters of the users by the number of items in their histories.

    Args:
        held_out: the users; those without a target, who are not evaluated, are left out.

    Example:
        >>> import scipy.sparse
        >>> history = scipy.sparse.csr_array(np.tri(8))
        >>> users = HeldOut(history, history, np.arange(8))
        >>> activity(users).labels
        ('1 to 2', '3 to 4', '5 to 6', '7 to 8')
    """
    return quantile_partition(history_lengths(held_out))


def history_lengths(held_out: HeldOut) -> Int[np.ndarray, " users"]:
    """Return the number of history items of each user that has a target, in their order."""
    has_target = held_out.targets.count_nonzero(axis=1) > 0
    return held_out.history.count_nonzero(axis=1)[has_target]


def quantiles(values: Real[np.ndarray, " users"], parts: int) -> Int[np.ndarray, " users"]:
    """Return the part of each value, from 0 (the lowest); equal values share a part.

    Args:
        values: one per user.
        parts: number of parts, which have as many users each as equal values allow.

    Example:
        >>> quantiles(np.array([5, 1, 9, 1]), 2).tolist()
        [1, 0, 1, 0]
    """
    ends = np.quantile(values, np.arange(1, parts) / parts)
    return np.searchsorted(ends, values, side="left")


def quantile_partition(values: Real[np.ndarray, " users"], parts: int = 4) -> Partition:
    """Return groups of users with low to high values, labeled by the first and the last of each.

    Args:
        values: one per user; NaN for a user without a group.
        parts: number of groups at most; equal values share a group.
    """
    known = np.isfinite(values)
    group_of = np.full(len(values), -1)
    labels: list[str] = []
    if known.any():
        some = np.asarray(values)[known]
        distinct, group_of[known] = np.unique(quantiles(some, parts), return_inverse=True)
        for number in range(len(distinct)):
            mine = np.asarray(values)[group_of == number]
            ends = dict.fromkeys((_number(float(mine.min())), _number(float(mine.max()))))
            labels.append(" to ".join(ends))
    return Partition(tuple(labels), group_of)


def partition_of(labels: Sequence[Hashable] | np.ndarray) -> Partition:
    """Return the groups of users by their labels, as `by_group` makes them.

    The groups are ascending: by number if all labels are numbers, or else as text.
    """
    texts = [_text(label) for label in labels]
    distinct = {text for text in texts if text}
    numbers = {text: number for text in distinct if (number := _finite(text)) is not None}
    if distinct and len(numbers) == len(distinct) and len(distinct) > MOST_NUMBERS:
        found = quantile_partition(np.array([numbers.get(text, np.nan) for text in texts]))
        note = f"{len(distinct):,} different numbers are cut into {len(found.labels)} groups"
        return found._replace(notes=(note,))
    if len(numbers) == len(distinct):
        ordered = sorted(distinct, key=lambda text: (numbers[text], text))
    else:
        ordered = sorted(distinct)
    place = {text: number for number, text in enumerate(ordered)}
    return Partition(tuple(ordered), np.array([place.get(text, -1) for text in texts], np.int64))


def merged(found: Partition, fewest: int) -> Partition:
    """Merge the groups of fewer users into one, which stays only if it is large enough itself.

    Args:
        found: the groups.
        fewest: users of the smallest group to keep.

    Raises:
        InputError: if no group is large enough, or there are more than `MOST_GROUPS`.
    """
    notes = list(found.notes)
    without = int((found.group_of < 0).sum())
    if without:
        notes.append(f"{without:,} of {len(found.group_of):,} users are in no group")
    counts = np.bincount(found.group_of[found.group_of >= 0], minlength=len(found.labels))
    kept = [number for number, count in enumerate(counts) if count >= fewest]
    small = [found.labels[number] for number, count in enumerate(counts) if 0 < count < fewest]
    if not kept:
        raise InputError(
            f"no group has {fewest} users or more: {len(small):,} labels "
            f"({listed(small)}) of {int(counts.sum()):,} users"
        )
    if len(kept) > MOST_GROUPS:
        raise InputError(f"{len(kept):,} groups of users; at most {MOST_GROUPS} are compared")
    labels = [found.labels[number] for number in kept]
    renumbered = np.full(len(found.labels) + 1, -1)
    renumbered[kept] = np.arange(len(kept))
    group_of = renumbered[found.group_of]
    if small:
        is_small = (found.group_of >= 0) & (group_of < 0)
        users, groups = int(is_small.sum()), "group" if len(small) == 1 else "groups"
        named = f"{len(small):,} {groups} of fewer than {fewest} users ({listed(small)})"
        if users >= fewest:
            group_of[is_small] = len(labels)
            label = SMALL_GROUPS if SMALL_GROUPS not in labels else f"all {SMALL_GROUPS}"
            labels.append(label)
            notes.append(f"{named}: shown together as '{label}'")
        else:
            notes.append(f"{named}: left out")
    return Partition(tuple(labels), group_of, tuple(notes))


def _text(label: Hashable) -> str:
    """Return a label as text, "" for none."""
    if label is None or (isinstance(label, float | np.floating) and math.isnan(label)):
        return ""
    if isinstance(label, float | np.floating):
        return _number(float(label))
    return str(label).strip()


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else f"{value:g}"

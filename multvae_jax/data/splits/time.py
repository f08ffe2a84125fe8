"""Interactions held out from points in time on, the same for all users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float64

from multvae_jax.checks.bounds import LeastCount, check_is_number, check_number
from multvae_jax.data.ids import with_min_count
from multvae_jax.data.splits.parts import (
    catalogue_of,
    check_data,
    counted,
    earliest_of_each,
    held_out_count,
    item_columns,
    matrix_of,
    sentence,
    times_of,
)
from multvae_jax.data.types import HeldOut, Interactions, Split
from multvae_jax.errors import InputError


def hold_out_time(
    data: Interactions,
    test: float = 0.1,
    validation: float = 0.1,
    *,
    min_user_count: int = 0,
    min_item_count: int = 0,
) -> Split:
    """Hold out what happened from a point in time on, the same for all users.

    The test begins at the time from which on the latest share `test` of all interactions happened,
    and the validation at the time from which on the share `validation` before them did;
    interactions of equal times are on one side, the later one. The model is trained on what
    happened before the validation. A user's history is what the user had done before the part
    begins, so that in the test it includes the validation. The targets are the user's items in
    the part that are trained on and not in the history. Nothing that happened in a part, or after
    it, has an effect on what came before, except on the two points in time.

    Users without a history in a part, who are seen first in it, are left out of it, and so are
    items that are not trained on. A note counts them.

    Args:
        data: interactions with times. `read_interactions` should read them with
            `min_user_count=0` and `repeats="earliest"`, because its filters see all of the file.
        test: share of the interactions to test on, between 0 and 1.
        validation: share of the interactions to select the epoch on, or 0 for none.
        min_user_count: train on users with at least this many interactions before the validation,
            and evaluate users with at least this many in their history.
        min_item_count: keep items with at least this many interactions before the validation.

    Raises:
        InputError: the data has no times, a share is out of its bounds, or a part is empty.

    Example:
        >>> data = mv.read_interactions("ratings.csv", min_user_count=0, repeats="earliest")
        >>> split = mv.hold_out_time(data, test=0.1, validation=0.1, min_user_count=5)
    """
    check_data(data)
    for name, share in (("test", test), ("validation", validation)):
        check_is_number(name, share)
    for name, count in (("min_user_count", min_user_count), ("min_item_count", min_item_count)):
        check_number(name, count, LeastCount)
    if not 0 < test < 1:
        raise InputError(f"test share {test}: must be between 0 and 1")
    if not 0 <= validation < 1 - test:
        raise InputError(f"validation share {validation}: must be 0 or more, and below 1 - {test}")
    data, repeats = earliest_of_each(data, times_of(data, "a split by time"))
    times = times_of(data, "a split by time")
    test_from = _start(times, test, times.size)
    train_to = test_from
    before = times[times < test_from]
    if validation and before.size:
        train_to = _start(before, validation, times.size)
    is_train = times < train_to
    kept = with_min_count(data.items, is_train, min_item_count)
    few_items = _distinct(data.items[is_train]) - _distinct(data.items[kept])
    with_items = kept
    kept = with_min_count(data.users, kept, min_user_count)
    few_users = _distinct(data.users[with_items]) - _distinct(data.users[kept])
    if not kept.any():
        raise InputError(
            f"no interaction is left to train on before {shown_time(train_to)}, where the held-out "
            f"ones begin; the minimum counts are {min_user_count} for a user and {min_item_count} "
            "for an item"
        )
    trained_on, column = item_columns(data, kept)
    (users,) = np.nonzero(np.bincount(data.users[kept]))
    train = _cells(data, kept, users, column, trained_on.size)

    def part(name: str, start: float, end: float) -> _Part:
        return _part(data, times, start, end, column, trained_on.size, max(1, min_user_count), name)

    tested = part("test", test_from, np.inf)
    validated = part("validation", train_to, test_from) if validation else None
    parts = [tested] if validated is None else [validated, tested]
    left_out = [
        counted(few_items, "item", f" with fewer than {min_item_count} training interactions"),
        counted(few_users, "user", f" with fewer than {min_user_count} training interactions"),
        *(text for each in parts for text in each.left_out),
    ]
    note = sentence(
        f"split by time: trained on {train.nnz:,} interactions before {shown_time(train_to)}, "
        + ", ".join(each.about for each in parts),
        left_out,
    )
    return Split(
        train=train,
        validation=None if validated is None else validated.held_out,
        test=tested.held_out,
        user_ids=data.user_ids[users],
        catalogue=catalogue_of(data, trained_on, train),
        notes=(*data.notes, *repeats, note),
    )


class _Part(NamedTuple):
    held_out: HeldOut
    about: str
    left_out: list[str]


def _part(
    data: Interactions,
    times: Float64[np.ndarray, " interactions"],
    start: float,
    end: float,
    column: np.ndarray,
    n_items: int,
    least: int,
    name: str,
) -> _Part:
    """The users of a part: histories before its start, targets from there until its end."""

    def by_user(which: Bool[np.ndarray, " interactions"]) -> np.ndarray:
        return np.bincount(data.users[which], minlength=data.n_users)

    known = column[data.items] >= 0
    earlier, during = times < start, (times >= start) & (times < end)
    is_seen, is_active = by_user(earlier) > 0, by_user(during) > 0
    is_evaluated = is_active & (by_user(earlier & known) >= least)
    (users,) = np.nonzero(is_evaluated)
    held_out = HeldOut(
        history=_cells(data, earlier & known, users, column, n_items),
        targets=_cells(data, during & known, users, column, n_items),
        user_ids=data.user_ids[users],
    )
    n_new = int(np.sum(is_active & ~is_seen))
    if not held_out.targets.nnz:
        raise InputError(
            f"no {name} user: of the {int(is_active.sum()):,} users seen from {shown_time(start)} "
            f"on, {n_new:,} are new, and none of the others has {least} items before that and a "
            "new one after it that is trained on"
        )
    share = during.sum() / times.size
    verb = {"test": "tested", "validation": "validated"}[name]
    return _Part(
        held_out,
        f"{verb} on the {int(during.sum()):,} ({share:.1%}) from {shown_time(start)} on",
        [
            counted(n_new, "user", f" seen only from then on ({name})"),
            counted(
                int(np.sum(is_active & is_seen & ~is_evaluated)),
                "user",
                f" with fewer than {least} known items before it ({name})",
            ),
            counted(
                int(np.sum(during & ~known & is_evaluated[data.users])),
                "interaction",
                f" with items not trained on ({name})",
            ),
        ],
    )


def _cells(
    data: Interactions, which: np.ndarray, users: np.ndarray, column: np.ndarray, n_items: int
) -> sp.csr_array:
    """The matrix of some interactions of some users, in the order of the users."""
    row = np.full(data.n_users, -1, np.int32)
    row[users] = np.arange(users.size)
    (where,) = np.nonzero(which & (row[data.users] >= 0))
    rows, columns = row[data.users[where]], column[data.items[where]]
    return matrix_of(rows, columns, data.values[where], (users.size, n_items))


def _start(times: Float64[np.ndarray, " n"], share: float, n_interactions: int) -> float:
    """The time from which on a share of all interactions is, or more if times are equal."""
    n = min(held_out_count(share, n_interactions), times.size)
    if n < 1:
        raise InputError(
            f"a share of {share:g} of {n_interactions:,} interactions is not one to hold out"
        )
    return float(np.partition(times, times.size - n)[times.size - n])


def _distinct(numbers: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(numbers))) if numbers.size else 0


_DATES = (1e8, 1e11)
"""Numbers between these are taken for seconds since 1970: from 1973 on."""


def shown_time(seconds: float) -> str:
    """A time for messages: a date in UTC, or the number if it is hardly one."""
    if not _DATES[0] <= seconds < _DATES[1]:
        return f"{seconds:.15g}"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"

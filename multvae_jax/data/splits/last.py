"""Held-out last items of each user."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from multvae_jax.checks.bounds import Count, check_number
from multvae_jax.data.splits.parts import (
    PAPER_SEED,
    catalogue_of,
    check_data,
    counted,
    earliest_of_each,
    item_columns,
    matrix_of,
    sentence,
    times_of,
)
from multvae_jax.data.types import HeldOut, Interactions, Split
from multvae_jax.errors import InputError


def hold_out_last(data: Interactions, n_items: int = 1, validation: bool = True) -> Split:
    """Hold out each user's last items by time, and those before them for validation.

    All users are trained on (weak generalization). Of equal times, the later interaction in the
    file is the later one. The history holds all items before the targets, so that in the test it
    includes the validation items. The items are those trained on, in order of first appearance.

    The last items of one user may be earlier than the training items of another, so that a model
    sees what became popular after the time of a target. `hold_out_time` does not allow that.

    Args:
        data: interactions with times. Reading them with `repeats="earliest"` keeps the first time
            that a user had an item, if there are several.
        n_items: number of items per user to test on, and as many to validate on.
        validation: hold out items for validation as well. A user with too few items to leave one
            to train on has none held out.

    Raises:
        InputError: the data has no times, or no user has enough items.

    Example:
        >>> data = mv.read_interactions("ratings.csv", repeats="earliest")
        >>> split = mv.hold_out_last(data, n_items=2)
    """
    check_data(data)
    check_number("n_items", n_items, Count)
    check_number("validation", validation, bool)
    data, repeats = earliest_of_each(data, times_of(data, "a split of the last items by time"))
    times = times_of(data, "a split of the last items by time")
    place, lengths = places = _places_from_last(data, times)
    split = _without_last(data, places, n_items, validation)
    n_held_out = n_items * (2 if validation else 1)
    enough = lengths > n_held_out

    def times_at(number: int) -> np.ndarray:
        """The time of the interaction at a place of each user with enough items."""
        (where,) = np.nonzero((place == number) & enough[data.users])
        return times[where[np.argsort(data.users[where])]]

    n_few = int(np.sum(~enough))
    n_tied = int(np.sum(times_at(n_items - 1) == times_at(n_items)))
    kinds = f"the last {n_items} to test on"
    kinds += f" and the {n_items} before to validate on" if validation else ""
    note = sentence(
        f"split by each user's order in time: {kinds}, the others to train on; what others did "
        "later than a target may be trained on",
        [counted(n_few, "user", f" with {n_held_out} items or fewer, who are trained on only")],
    )
    users = "user has" if n_tied == 1 else "users have"
    tied = f"{n_tied:,} {users} a target of the same time as a history item: the order in the file"
    notes = (*repeats, note, *([f"{tied} decides"] if n_tied else []))
    return dataclasses.replace(split, notes=(*split.notes, *notes))


def leave_one_out(data: Interactions, validation: bool = True, seed: int = PAPER_SEED) -> Split:
    """Hold out each user's last item, and the one before it for validation (He et al., WWW 2017).

    All users are trained on (weak generalization). The last item is the one with the latest time,
    and of equal times the later one in the file; if the data has no times, each user's items are
    ordered at random. The history holds all items before the target, so that in the test it
    includes the validation item. The items are those trained on, in order of first appearance.
    `hold_out_last` holds out more than one item, and refuses data without times.

    Args:
        data: interactions in the order of their file.
        validation: hold out the second to last item as well. A user with too few items to leave
            one to train on has none held out.
        seed: seed of the order if there are no times.

    Raises:
        InputError: no user has enough items.

    Example:
        >>> split = mv.leave_one_out(data)
        >>> split.test.targets.sum(axis=1).tolist() == [1.0] * data.n_users
        True
    """
    check_data(data, seed)
    check_number("validation", validation, bool)
    times = data.times
    if times is None:
        times = np.random.default_rng(seed).permutation(data.users.size)
    return _without_last(data, _places_from_last(data, times), 1, validation)


def _without_last(
    data: Interactions, places: tuple[np.ndarray, np.ndarray], n_items: int, validation: bool
) -> Split:
    """The split that holds out the last items of each user, with a note on what it drops.

    Args:
        data: interactions in the order of their file.
        places: those of `_places_from_last`.
        n_items: number of items per user to test on, and as many to validate on.
        validation: whether to hold out items for validation.
    """
    from_last, lengths = places
    n_held_out = n_items * (2 if validation else 1)
    enough = lengths > n_held_out
    if not enough.any():
        raise InputError(
            f"none of the {data.n_users} users has the {n_held_out + 1} items needed to "
            f"hold out {n_held_out} and train on another"
        )
    held_out = enough[data.users] & (from_last < n_held_out)
    is_test = held_out & (from_last < n_items)
    trained_on, column = item_columns(data, ~held_out)
    known = column[data.items] >= 0

    def matrix(which: np.ndarray) -> sp.csr_array:
        which = which & known
        shape = (data.n_users, trained_on.size)
        return matrix_of(data.users[which], column[data.items[which]], data.values[which], shape)

    train = matrix(~held_out)
    dropped = int(np.sum(~known))
    noun = "interaction" if dropped == 1 else "interactions"
    note = f"{dropped:,} held-out {noun} dropped: no user has the item in training"
    return Split(
        train=train,
        validation=HeldOut(train, matrix(held_out & ~is_test), data.user_ids)
        if validation
        else None,
        test=HeldOut(matrix(~is_test), matrix(is_test), data.user_ids),
        user_ids=data.user_ids,
        catalogue=catalogue_of(data, trained_on, train),
        notes=(*data.notes, *([note] if dropped else [])),
    )


def _places_from_last(
    data: Interactions, times: np.ndarray
) -> tuple[Int[np.ndarray, " interactions"], Int[np.ndarray, " users"]]:
    """The place of each interaction from the last of its user, 0; and the number of each user."""
    # Two stable sorts: interactions of equal times stay in file order. The second counts, as the
    # conversion of sparse matrices does; a lexsort takes several times as long.
    by_time = np.argsort(times, kind="stable").astype(np.int32)
    numbers = np.arange(times.size, dtype=np.int32)
    shape = (data.n_users, times.size)
    by_user = sp.coo_array((by_time, (data.users[by_time], numbers)), shape=shape).tocsr()
    ordered, lengths = by_user.data, np.diff(by_user.indptr).astype(np.int64)
    from_last = np.empty(times.size, np.int64)
    from_last[ordered] = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(times.size)
    return from_last, lengths

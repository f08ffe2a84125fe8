"""Splits of interactions into training, validation and test data."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection

import numpy as np
import polars as pl
import scipy.sparse as sp

from multvae_jax.bounds import problem_of_number_or_share
from multvae_jax.data.types import Catalogue, HeldOut, Interactions, Split
from multvae_jax.errors import InputError

PAPER_SEED = 98765
MOST_VALIDATED = 5_000
"""Users that an epoch of many users is validated on: to rank for all may take longer than training,
and the standard error of the mean of so many is below .005."""
FEWEST_TO_HOLD_OUT = 5
"""A held-out user with fewer items keeps them all as history (the authors' code)."""


def held_out_count(held_out: float, n_users: int) -> int:
    """Return a number of users from a number (1 or more) or a share (below 1), rounded down."""
    # Rounded first: in floating point, 0.29 * 100 is 28.999999999999996.
    return int(round(held_out * n_users, 9)) if held_out < 1 else int(held_out)


def hold_out_users(
    data: Interactions,
    validation: float = 0.1,
    test: float = 0.1,
    fold_in: float = 0.8,
    seed: int = PAPER_SEED,
) -> Split:
    """Split the users, not the interactions: strong generalization (section 4.1).

    The random numbers are those of the authors' code: the users in ascending order of id are
    permuted; the last `test` of them are the test users and the `validation` before them the
    validation users. The items are those of the training users, numbered in order of first
    appearance. Of the n items of a held-out user, `int((1 - fold_in) n)` drawn at random are the
    targets and the others the history; a user with fewer than five items has no targets.

    Args:
        data: interactions in the order of their file.
        validation: users to select the epoch on, a number or a share below 1.
        test: users to report on, a number or a share below 1.
        fold_in: share of a held-out user's items that the model is shown.
        seed: seed of numpy's legacy generator, which starts anew for the users and for each of the
            two held-out sets.

    Raises:
        InputError: no user is left to train on, or none is held out.
    """
    counts = {}
    for name, share in (("validation", validation), ("test", test)):
        if problem := problem_of_number_or_share(share):
            raise InputError(f"{name} users: {problem}")
        counts[name] = held_out_count(share, data.n_users)
        if counts[name] < 1:
            raise InputError(f"no {name} users: 0 of {data.n_users} users held out")
    n_held_out = sum(counts.values())
    if n_held_out >= data.n_users:
        raise InputError(
            f"{counts['validation']} validation and {counts['test']} test users leave no one "
            f"to train on: the data has {data.n_users} users"
        )
    if not 0 < fold_in < 1:
        raise InputError(f"fold-in share {fold_in} is not between 0 and 1")

    order = np.random.RandomState(seed).permutation(data.n_users)
    bounds = [data.n_users - n_held_out, data.n_users - counts["test"]]
    parts = [np.sort(users) for users in np.split(order, bounds)]
    part, row = np.empty(data.n_users, np.int8), np.empty(data.n_users, np.int32)
    for number, users in enumerate(parts):
        part[users] = number
        row[users] = np.arange(users.size)
    part_of = part[data.users]
    trained_on, column = _columns(data, part_of == 0)
    known = column[data.items] >= 0

    def cells(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        which = np.flatnonzero((part_of == number) & known)
        return row[data.users[which]], column[data.items[which]], data.values[which]

    def held_out(number: int) -> HeldOut:
        users = parts[number]
        rows, items, values = cells(number)
        is_target = draw_targets(rows, users.size, round(1 - fold_in, 12), seed)
        shape = (users.size, trained_on.size)
        return HeldOut(
            history=_matrix(rows[~is_target], items[~is_target], values[~is_target], shape),
            targets=_matrix(rows[is_target], items[is_target], values[is_target], shape),
            user_ids=data.user_ids[users],
        )

    dropped = known.size - np.count_nonzero(known)
    noun = "interaction" if dropped == 1 else "interactions"
    note = f"{dropped:,} {noun} of held-out users dropped: no training user has such an item"
    train = _matrix(*cells(0), (parts[0].size, trained_on.size))
    return Split(
        train=train,
        validation=held_out(1),
        test=held_out(2),
        user_ids=data.user_ids[parts[0]],
        catalogue=_catalogue(data, trained_on, train),
        notes=(*data.notes, *([note] if dropped else [])),
    )


def hold_out_all(
    data: Interactions,
    catalogue: Catalogue,
    users: Collection[str],
    fold_in: float = 0.8,
    seed: int = PAPER_SEED,
) -> HeldOut:
    """Make held-out users over a given catalogue, such as that of a model trained before.

    Users and items are found by id. The targets are drawn as in `hold_out_users`, so that its
    held-out users come out again from the same data.

    Args:
        data: interactions in the order of their file; those with other items are left out.
        catalogue: the items.
        users: ids of the users; those without interactions are left out.
        fold_in: share of a user's items that the model is shown.
        seed: seed of numpy's legacy generator.
    """
    column = _column_in(catalogue, data.item_ids)
    (chosen,) = np.nonzero([user in users for user in data.user_ids])
    row = np.full(data.n_users, -1, np.int32)
    row[chosen] = np.arange(chosen.size)
    (which,) = np.nonzero((row[data.users] >= 0) & (column[data.items] >= 0))
    rows, items, values = row[data.users[which]], column[data.items[which]], data.values[which]
    is_target = draw_targets(rows, chosen.size, round(1 - fold_in, 12), seed)
    shape = (chosen.size, len(catalogue.ids))
    return HeldOut(
        history=_matrix(rows[~is_target], items[~is_target], values[~is_target], shape),
        targets=_matrix(rows[is_target], items[is_target], values[is_target], shape),
        user_ids=data.user_ids[chosen],
    )


def over_catalogue(held_out: HeldOut, item_ids: np.ndarray, catalogue: Catalogue) -> HeldOut:
    """The same held-out users over the items of another catalogue, found by id.

    Args:
        held_out: the users.
        item_ids: id of each item of theirs.
        catalogue: the other catalogue; interactions with items that it lacks are left out.
    """
    column = _column_in(catalogue, item_ids)

    def moved(matrix: sp.csr_array) -> sp.csr_array:
        cells = matrix.tocoo()
        known = column[cells.col] >= 0
        shape = (matrix.shape[0], len(catalogue.ids))
        return _matrix(cells.row[known], column[cells.col[known]], cells.data[known], shape)

    return HeldOut(moved(held_out.history), moved(held_out.targets), held_out.user_ids)


def draw_targets(
    rows: np.ndarray, n_users: int, share: float, seed: int, fewest: int = 0
) -> np.ndarray:
    """Return a mask of the interactions to hold out, with one draw per user in ascending order.

    Args:
        rows: the user of each interaction, in file order.
        n_users: number of users.
        share: share of a user's interactions to hold out, rounded down to a whole number.
        seed: seed of numpy's legacy generator.
        fewest: number of interactions of a user to hold out at least.
    """
    random = np.random.RandomState(seed)
    by_user = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[by_user], np.arange(n_users + 1)).tolist()
    places = [np.empty(0, np.int64)]
    for start, end in itertools.pairwise(starts):
        if end - start >= FEWEST_TO_HOLD_OUT:
            # The draw of `choice` without replacement, without its checks.
            chosen = random.permutation(end - start)[: max(fewest, int(share * (end - start)))]
            places.append(start + chosen)
    marked = np.zeros(rows.size, bool)
    marked[by_user[np.concatenate(places)]] = True
    return marked


def leave_one_out(data: Interactions, validation: bool = True, seed: int = PAPER_SEED) -> Split:
    """Hold out each user's last item, and the one before it for validation (He et al., WWW 2017).

    All users are trained on (weak generalization). The last item is the one with the latest time,
    and of equal times the later one in the file; if the data has no times, each user's items are
    ordered at random. The history holds all items before the target, so that in the test it
    includes the validation item. The items are those trained on, in order of first appearance.

    Args:
        data: interactions in the order of their file.
        validation: hold out the second to last item as well. A user with too few items to leave
            one to train on has none held out.
        seed: seed of the order if there are no times.

    Raises:
        InputError: no user has enough items.
    """
    times = data.times
    if times is None:
        times = np.random.default_rng(seed).permutation(data.users.size)
    # A stable sort: interactions of equal times stay in file order.
    ordered = np.lexsort((times, data.users))
    lengths = np.bincount(data.users, minlength=data.n_users)
    from_last = np.empty(data.users.size, np.int64)
    from_last[ordered] = np.repeat(np.cumsum(lengths), lengths) - 1 - np.arange(data.users.size)
    n_held_out = 2 if validation else 1
    enough = lengths > n_held_out
    if not enough.any():
        raise InputError(
            f"none of the {data.n_users} users has the {n_held_out + 1} items needed to "
            f"hold out {n_held_out} and train on another"
        )
    held_out = enough[data.users] & (from_last < n_held_out)
    is_test = held_out & (from_last == 0)
    trained_on, column = _columns(data, ~held_out)
    known = column[data.items] >= 0

    def matrix(which: np.ndarray) -> sp.csr_array:
        which = which & known
        shape = (data.n_users, trained_on.size)
        return _matrix(data.users[which], column[data.items[which]], data.values[which], shape)

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
        catalogue=_catalogue(data, trained_on, train),
        notes=(*data.notes, *([note] if dropped else [])),
    )


def given_split(train: Interactions, validation: Interactions | None, test: Interactions) -> Split:
    """Make a split of parts that are given; a user's history is the user's training row.

    The parts share their id maps, as `read_given_split` returns them. For the test, all items
    except those of the training row are ranked, the validation items included.
    """
    shape = (train.n_users, train.n_items)
    history = _matrix(train.users, train.items, train.values, shape)

    def held_out(part: Interactions) -> HeldOut:
        targets = _matrix(part.users, part.items, part.values, shape)
        return HeldOut(history, targets, train.user_ids)

    has_history = np.diff(history.indptr) > 0
    return Split(
        train=history[has_history],
        validation=None if validation is None else held_out(validation),
        test=held_out(test),
        user_ids=train.user_ids[has_history],
        catalogue=_catalogue(train, np.arange(train.n_items), history),
        notes=tuple(
            note for part in (train, validation, test) if part is not None for note in part.notes
        ),
    )


def hold_out_interactions(
    split: Split, share: float = 0.1, seed: int = PAPER_SEED, most_users: int | None = None
) -> Split:
    """Make validation data of a split that has none by holding out training interactions.

    Of the n items of each training user, `int(share n)` drawn at random, but at least one, become
    validation targets and the others stay in the training data; a user with fewer than five items
    keeps them all. A model that is tuned on the result is trained again on all of `split.train`.

    Args:
        split: a split; its test users are unchanged.
        share: share of each user's interactions to hold out, between 0 and 1.
        seed: seed of numpy's legacy generator.
        most_users: number of users to validate on at most, drawn at random; the interactions of
            the others are held out as well. By default all of them.

    Raises:
        InputError: the share is not between 0 and 1, or no user has five items.
    """
    if not 0 < share < 1:
        raise InputError(f"{share} of each user's interactions: the share must be between 0 and 1")
    all_of_it = split.train.tocoo()
    row, item, value = all_of_it.row, all_of_it.col, all_of_it.data
    held = draw_targets(row, split.train.shape[0], share, seed, fewest=1)
    rest = _matrix(row[~held], item[~held], value[~held], split.train.shape)
    targets = _matrix(row[held], item[held], value[held], split.train.shape)
    if not targets.nnz:
        raise InputError(
            f"none of the {split.train.shape[0]:,} users has the {FEWEST_TO_HOLD_OUT} interactions "
            "that it takes to hold some out"
        )
    counts = np.bincount(rest.indices, minlength=split.train.shape[1])
    validation = HeldOut(rest, targets, split.user_ids)
    (with_target,) = np.nonzero(np.diff(targets.indptr))
    if most_users is not None and most_users < with_target.size:
        users = np.sort(np.random.RandomState(seed).permutation(with_target)[:most_users])
        validation = HeldOut(rest[users], targets[users], split.user_ids[users])
    return dataclasses.replace(
        split,
        train=rest,
        validation=validation,
        catalogue=dataclasses.replace(split.catalogue, counts=counts),
    )


def _column_in(catalogue: Catalogue, item_ids: np.ndarray) -> np.ndarray:
    """Return the column of each item in a catalogue, or -1."""
    number = {item: column for column, item in enumerate(catalogue.ids)}
    return np.array([number.get(item, -1) for item in item_ids], np.int32)


def _columns(data: Interactions, in_train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the items trained on, by first appearance, and the column of every item, or -1."""
    trained_on = pl.Series(data.items[in_train]).unique(maintain_order=True).to_numpy()
    column = np.full(data.n_items, -1, np.int32)
    column[trained_on] = np.arange(trained_on.size)
    return trained_on, column


def _catalogue(data: Interactions, items: np.ndarray, train: sp.csr_array) -> Catalogue:
    counts = np.bincount(train.indices, minlength=items.size)
    ids = data.item_ids[items]
    titles = {item: data.titles[item] for item in ids if item in data.titles}
    return Catalogue(ids, counts, titles)


def _matrix(
    row: np.ndarray, column: np.ndarray, value: np.ndarray, shape: tuple[int, int]
) -> sp.csr_array:
    cells = sp.coo_array((value.astype(np.float32, copy=False), (row, column)), shape=shape)
    # Converted by way of columns, each row's items are in order; that is faster than sorting.
    return cells.tocsc().tocsr()

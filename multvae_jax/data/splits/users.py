"""Held-out users: strong generalization, as in the paper (section 4.1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from multvae_jax.checks.bounds import (
    check_flag,
    check_is_number,
    check_number,
    problem_of_number_or_share,
)
from multvae_jax.data.splits.parts import (
    PAPER_SEED,
    catalogue_of,
    check_data,
    column_in,
    draw_targets,
    held_out_count,
    item_columns,
    matrix_of,
)
from multvae_jax.data.types import Catalogue, HeldOut, Interactions, Split
from multvae_jax.errors import InputError


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
        validation: users to select the epoch on, a number or a share below 1; 0 for a split
            without validation.
        test: users to report on, a number or a share below 1; 0 for a test without users.
        fold_in: share of a held-out user's items that the model is shown.
        seed: seed of numpy's legacy generator, which starts anew for the users and for each of the
            two held-out sets.

    Raises:
        InputError: no user is left to train on, or a share is less than one user.

    Example:
        >>> split = mv.hold_out_users(data, validation=8, test=8)
        >>> split.train.shape[0], len(split.test.user_ids)
        (44, 8)
    """
    check_data(data, seed)
    check_fold_in(fold_in)
    counts = {}
    for name, share in (("validation", validation), ("test", test)):
        if problem := problem_of_number_or_share(share):
            raise InputError(f"{name} users: {problem}")
        counts[name] = held_out_count(share, data.n_users)
        if share != 0 and counts[name] < 1:
            raise InputError(f"no {name} users: 0 of {data.n_users} users held out")
    n_held_out = sum(counts.values())
    if n_held_out >= data.n_users:
        raise InputError(
            f"{counts['validation']} validation and {counts['test']} test users leave no one "
            f"to train on: the data has {data.n_users} users"
        )
    order = np.random.RandomState(seed).permutation(data.n_users)
    return _hold_out(data, order, counts["validation"], counts["test"], fold_in, seed)


def user_folds(
    data: Interactions,
    n_folds: int = 5,
    validation: float = 0.1,
    fold_in: float = 0.8,
    seed: int = PAPER_SEED,
    *,
    all_items: bool = False,
) -> Iterator[Split]:
    """Split the users into folds, for a cross-validation: one split per fold, made when asked for.

    Each user is a test user in one of the splits. The users are permuted as in `hold_out_users`
    and cut into `n_folds` groups whose sizes differ by one at most; each group in turn is the test
    users, and the `validation` users before it, from the first around to the last, select the
    epoch. The last fold is the split of `hold_out_users` with as many test users. The targets are
    drawn as there.

    The items of a split are those of its own training users. Folds therefore differ in their items
    if some have few users, and each `fit` compiles anew. With `all_items`, all splits have all
    items of the data in one order: all trainings share their programs, and a target that no
    training user has counts as missed, where it is left out otherwise.

    The folds share most of their training users. An interval of the mean over folds takes them for
    independent, and is therefore approximate.

    Args:
        data: interactions in the order of their file.
        n_folds: number of folds, 2 or more.
        validation: users to select the epoch on, a number or a share below 1.
        fold_in: share of a held-out user's items that the model is shown.
        seed: seed of numpy's legacy generator, as in `hold_out_users`.
        all_items: whether every split has all items of the data, in the order of the data.

    Raises:
        InputError: there are fewer users than folds, no user is left to train on, or none is to
            be validated on.

    Example:
        >>> [len(split.test.user_ids) for split in mv.user_folds(data, n_folds=5)]
        [12, 12, 12, 12, 12]
    """
    check_data(data, seed)
    check_fold_in(fold_in)
    check_flag("all_items", all_items)
    for number in (1, n_folds):
        _sizes_of_fold(data, number, n_folds, validation)
    return (
        user_fold(data, number, n_folds, validation, fold_in, seed, all_items=all_items)
        for number in range(1, n_folds + 1)
    )


def user_fold(
    data: Interactions,
    number: int,
    n_folds: int = 5,
    validation: float = 0.1,
    fold_in: float = 0.8,
    seed: int = PAPER_SEED,
    *,
    all_items: bool = False,
) -> Split:
    """One of the splits of `user_folds`.

    Args:
        data: interactions in the order of their file.
        number: number of the fold, from 1 to `n_folds`.
        n_folds: number of folds.
        validation: as in `user_folds`.
        fold_in: as in `user_folds`.
        seed: as in `user_folds`.
        all_items: as in `user_folds`.

    Raises:
        InputError: as in `user_folds`, or there is no such fold.
    """
    check_data(data, seed)
    check_fold_in(fold_in)
    check_flag("all_items", all_items)
    end, n_test, n_validation = _sizes_of_fold(data, number, n_folds, validation)
    order = np.roll(np.random.RandomState(seed).permutation(data.n_users), data.n_users - end)
    split = _hold_out(data, order, n_validation, n_test, fold_in, seed, all_items)
    note = (
        f"fold {number} of {n_folds}: tested on {n_test:,} of {data.n_users:,} users, validated on "
        f"{n_validation:,} others; each user is tested on in one fold"
    )
    return dataclasses.replace(split, notes=(*split.notes, note))


def _sizes_of_fold(
    data: Interactions, number: Any, n_folds: Any, validation: Any
) -> tuple[int, int, int]:
    """Where the test users of a fold end among all users, their number, and that of validation.

    Raises:
        InputError: as in `user_fold`.
    """
    check_number("n_folds", n_folds, int)
    check_number("number", number, int)
    if not 2 <= n_folds <= data.n_users:
        raise InputError(
            f"{n_folds} folds: give 2 or more, and no more than the {data.n_users:,} users"
        )
    if not 1 <= number <= n_folds:
        raise InputError(f"fold {number}: there are folds 1 to {n_folds}")
    if problem := problem_of_number_or_share(validation):
        raise InputError(f"validation users: {problem}")
    groups = np.array_split(np.arange(data.n_users), n_folds)
    n_test, n_validation = groups[number - 1].size, held_out_count(validation, data.n_users)
    if n_validation < 1:
        raise InputError(f"no validation users: 0 of {data.n_users} users held out")
    if n_validation + n_test >= data.n_users:
        raise InputError(
            f"{n_validation} validation and {n_test} test users of a fold leave no one to train "
            f"on: the data has {data.n_users} users"
        )
    return int(groups[number - 1][-1]) + 1, n_test, n_validation


def check_fold_in(fold_in: Any) -> None:
    """Refuse a share of the items that a model cannot be shown."""
    check_is_number("fold_in", fold_in)
    if not 0 < fold_in < 1:
        raise InputError(f"fold-in share {fold_in} is not between 0 and 1")


def _hold_out(
    data: Interactions,
    order: np.ndarray,
    n_validation: int,
    n_test: int,
    fold_in: float,
    seed: int,
    all_items: bool = False,
) -> Split:
    """Hold out the last users of an order to test on, and those before them to validate on."""
    bounds = [data.n_users - n_validation - n_test, data.n_users - n_test]
    parts = [np.sort(users) for users in np.split(order, bounds)]
    part, row = np.empty(data.n_users, np.int8), np.empty(data.n_users, np.int32)
    for number, users in enumerate(parts):
        part[users] = number
        row[users] = np.arange(users.size)
    part_of = part[data.users]
    trained_on, column = item_columns(data, (part_of == 0) | all_items)
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
            history=matrix_of(rows[~is_target], items[~is_target], values[~is_target], shape),
            targets=matrix_of(rows[is_target], items[is_target], values[is_target], shape),
            user_ids=data.user_ids[users],
        )

    dropped = known.size - np.count_nonzero(known)
    noun = "interaction" if dropped == 1 else "interactions"
    note = f"{dropped:,} {noun} of held-out users dropped: no training user has such an item"
    train = matrix_of(*cells(0), (parts[0].size, trained_on.size))
    catalogue = catalogue_of(data, trained_on, train)
    if untrained := int(np.count_nonzero(catalogue.counts == 0)):
        noun = "item has" if untrained == 1 else "items have"
        note = f"{untrained:,} of {trained_on.size:,} {noun} no training user"
    return Split(
        train=train,
        validation=held_out(1) if n_validation else None,
        test=held_out(2),
        user_ids=data.user_ids[parts[0]],
        catalogue=catalogue,
        notes=(*data.notes, *([note] if dropped or untrained else [])),
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
    column = column_in(catalogue, data.item_ids)
    (chosen,) = np.nonzero([user in users for user in data.user_ids])
    row = np.full(data.n_users, -1, np.int32)
    row[chosen] = np.arange(chosen.size)
    (which,) = np.nonzero((row[data.users] >= 0) & (column[data.items] >= 0))
    rows, items, values = row[data.users[which]], column[data.items[which]], data.values[which]
    is_target = draw_targets(rows, chosen.size, round(1 - fold_in, 12), seed)
    shape = (chosen.size, len(catalogue.ids))
    return HeldOut(
        history=matrix_of(rows[~is_target], items[~is_target], values[~is_target], shape),
        targets=matrix_of(rows[is_target], items[is_target], values[is_target], shape),
        user_ids=data.user_ids[chosen],
    )

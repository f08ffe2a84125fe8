"""Splits that are given."""

from __future__ import annotations

import numpy as np

from multvae_jax.checks.bounds import check_kind
from multvae_jax.data.splits.parts import catalogue_of, counted, item_columns, matrix_of, sentence
from multvae_jax.data.types import HeldOut, Interactions, Split
from multvae_jax.errors import InputError


def given_split(
    train: Interactions,
    validation: Interactions | None,
    test: Interactions,
    *,
    validation_history: Interactions | None = None,
    test_history: Interactions | None = None,
) -> Split:
    """Make a split of parts that are given.

    The parts share their id maps, as `read_given_split` and `read_held_out_split` return them.

    Without histories, a user's history is the user's training row. For the test, all items except
    those of the training row are ranked, the validation items included.

    With histories, the users of validation and test are held out: a history is what the model is
    shown of a user, and none of them may be trained on. Items that no training user has are left
    out.

    Args:
        train: interactions to train on.
        validation: interactions to select the epoch on, or None.
        test: interactions to predict.
        validation_history: history of the validation users, if they are held out.
        test_history: history of the test users, if they are held out.

    Raises:
        InputError: a history is missing, a user with a history is trained on as well, or no item
            of the test is trained on.

    Example:
        >>> train, validation, test = mv.read_given_split("train.csv", "valid.csv", "test.csv")
        >>> split = mv.given_split(train, validation, test)
        >>> split.train.shape == (train.n_users, train.n_items)
        True
    """
    needed = {"train": train, "test": test}
    others = {
        "validation": validation,
        "validation_history": validation_history,
        "test_history": test_history,
    }
    given = {name: part for name, part in others.items() if part is not None}
    for name, part in (needed | given).items():
        check_kind(name, part, Interactions, "those of read_given_split(...)")
    ids = {name: (part.user_ids, part.item_ids) for name, part in (needed | given).items()}
    for name, own in ids.items():
        if not all(map(np.array_equal, own, ids["train"])):
            raise InputError(
                f"{name}: its ids are not those of train; read_given_split and "
                "read_held_out_split number the users and items of all parts alike"
            )
    if test_history is not None:
        return _of_held_out_users(train, validation, test, validation_history, test_history)
    if validation_history is not None:
        raise InputError("test_history: is missing; validation and test have both a history")
    shape = (train.n_users, train.n_items)
    history = matrix_of(train.users, train.items, train.values, shape)

    def held_out(part: Interactions) -> HeldOut:
        targets = matrix_of(part.users, part.items, part.values, shape)
        return HeldOut(history, targets, train.user_ids)

    has_history = np.diff(history.indptr) > 0
    return Split(
        train=history[has_history],
        validation=None if validation is None else held_out(validation),
        test=held_out(test),
        user_ids=train.user_ids[has_history],
        catalogue=catalogue_of(train, np.arange(train.n_items), history),
        notes=tuple(
            note for part in (train, validation, test) if part is not None for note in part.notes
        ),
    )


def _of_held_out_users(
    train: Interactions,
    validation: Interactions | None,
    test: Interactions,
    validation_history: Interactions | None,
    test_history: Interactions,
) -> Split:
    if (validation is None) != (validation_history is None):
        raise InputError("validation and validation_history: give both, or neither")
    trained_on, column = item_columns(train, np.ones(train.users.size, bool))
    is_trained = _is_user_of(train)
    (users,) = np.nonzero(is_trained)
    row = np.cumsum(is_trained) - 1
    matrix = matrix_of(
        row[train.users], column[train.items], train.values, (users.size, trained_on.size)
    )
    left_out: list[str] = []

    def held_out(name: str, history: Interactions, targets: Interactions) -> HeldOut:
        is_held_out = _is_user_of(history) | _is_user_of(targets)
        if (both := is_held_out & is_trained).any():
            first = train.user_ids[np.argmax(both)]
            raise InputError(
                f"{name}: {counted(int(both.sum()), 'user')} with a history of their own, such as "
                f"'{first}', are in the training as well; a held-out user may not be trained on"
            )
        (own,) = np.nonzero(is_held_out)
        number, shape = np.cumsum(is_held_out) - 1, (own.size, trained_on.size)
        matrices = []
        for part, what in ((history, "history"), (targets, "held-out")):
            known = column[part.items] >= 0
            unknown = int(np.sum(~known))
            left_out.append(
                counted(unknown, f"{what} interaction", f" of {name} with items not trained on")
            )
            cells = number[part.users[known]], column[part.items[known]], part.values[known]
            matrices.append(matrix_of(*cells, shape))
        if not matrices[1].nnz:
            raise InputError(f"{name}: none of its items is trained on")
        return HeldOut(matrices[0], matrices[1], train.user_ids[own])

    validated = None
    if validation is not None and validation_history is not None:
        validated = held_out("validation", validation_history, validation)
    tested = held_out("test", test_history, test)
    note = f"given split: {counted(len(tested.user_ids), 'test user')} with histories of their own"
    if validated is not None:
        note = f"{note}, and {counted(len(validated.user_ids), 'validation user')}"
        shared = np.intersect1d(validated.user_ids.astype(str), tested.user_ids.astype(str)).size
        if shared:
            note = f"{note}, of whom {shared:,} are test users, too"
    parts = (train, validation_history, validation, test_history, test)
    return Split(
        train=matrix,
        validation=validated,
        test=tested,
        user_ids=train.user_ids[users],
        catalogue=catalogue_of(train, trained_on, matrix),
        notes=(
            *(note for part in parts if part is not None for note in part.notes),
            sentence(note, left_out),
        ),
    )


def _is_user_of(part: Interactions) -> np.ndarray:
    """Return whether each user has interactions."""
    return np.bincount(part.users, minlength=part.n_users) > 0

"""Splits that are given."""

from __future__ import annotations

import numpy as np

from multvae_jax.data.splits._parts import catalogue_of, matrix_of
from multvae_jax.data.types import HeldOut, Interactions, Split


def given_split(train: Interactions, validation: Interactions | None, test: Interactions) -> Split:
    """Make a split of parts that are given; a user's history is the user's training row.

    The parts share their id maps, as `read_given_split` returns them. For the test, all items
    except those of the training row are ranked, the validation items included.
    """
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

"""Held-out last items of each user."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from multvae_jax.data.splits._parts import PAPER_SEED, catalogue_of, item_columns, matrix_of
from multvae_jax.data.types import HeldOut, Interactions, Split
from multvae_jax.errors import InputError


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

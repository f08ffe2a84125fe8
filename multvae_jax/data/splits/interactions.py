"""Validation data taken from the training interactions of a split."""

from __future__ import annotations

import dataclasses

import numpy as np

from multvae_jax.checks.bounds import Count, Seed, check_is_number, check_kind, check_number
from multvae_jax.data.splits.parts import (
    FEWEST_TO_HOLD_OUT,
    PAPER_SEED,
    draw_targets,
    matrix_of,
)
from multvae_jax.data.types import HeldOut, Split
from multvae_jax.errors import InputError

MOST_VALIDATED = 5_000
"""Users that an epoch of many users is validated on: to rank for all may take longer than training,
and the standard error of the mean of so many is below .005."""


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

    Example:
        >>> split = mv.hold_out_users(data, validation=0, test=0.1)
        >>> part = mv.hold_out_interactions(split, 0.1)
        >>> part.train.nnz < split.train.nnz
        True
    """
    check_kind("split", split, Split, "hold_out_users(data)")
    check_is_number("share", share)
    check_number("seed", seed, Seed)
    check_number("most_users", most_users, Count | None)
    if not 0 < share < 1:
        raise InputError(f"{share} of each user's interactions: the share must be between 0 and 1")
    all_of_it = split.train.tocsr().tocoo()
    row, item, value = all_of_it.row, all_of_it.col, all_of_it.data
    held = draw_targets(row, split.train.shape[0], share, seed, fewest=1)
    rest = matrix_of(row[~held], item[~held], value[~held], split.train.shape)
    targets = matrix_of(row[held], item[held], value[held], split.train.shape)
    if not targets.nnz:
        raise InputError(
            f"none of the {split.train.shape[0]:,} users has the {FEWEST_TO_HOLD_OUT} interactions "
            "that it takes to hold some out"
        )
    counts = np.bincount(rest.indices, minlength=split.train.shape[1])
    validation = HeldOut(rest, targets, split.user_ids, split.user_features)
    (with_target,) = np.nonzero(np.diff(targets.indptr))
    if most_users is not None and most_users < with_target.size:
        users = np.sort(np.random.RandomState(seed).permutation(with_target)[:most_users])
        validation = validation.rows(users)
    return dataclasses.replace(
        split,
        train=rest,
        validation=validation,
        catalogue=dataclasses.replace(split.catalogue, counts=counts),
    )

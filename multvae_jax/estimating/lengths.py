"""Lengths of the histories of users, from which the sizes of all arrays follow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multvae_jax.data.types import Split

SIGMA = 1.2
"""Spread of the logarithm of drawn lengths, as that of ML-20M."""


class Lengths(NamedTuple):
    """Number of items of each user.

    Attributes:
        n_items: size of the catalogue.
        train: items of each training user.
        history: items that the model sees of each validation user.
        targets: items of each validation user that are to be found.
    """

    n_items: int
    train: np.ndarray
    history: np.ndarray
    targets: np.ndarray

    @property
    def n_users(self) -> int:
        """Number of training users."""
        return len(self.train)

    @property
    def n_interactions(self) -> int:
        """Number of interactions, with those of as many test users as validation users."""
        return int(self.train.sum() + 2 * (self.history.sum() + self.targets.sum()))


def lengths_of(split: Split) -> Lengths:
    """The lengths of a split."""
    nobody = np.zeros(0, int)
    train, history, targets = np.diff(split.train.indptr).astype(np.int64), nobody, nobody
    if split.validation is not None:
        history, targets = (
            np.diff(rows.indptr).astype(np.int64)
            for rows in (split.validation.history, split.validation.targets)
        )
        # Users with nothing to find are left out of an evaluation.
        history, targets = history[targets > 0], targets[targets > 0]
    return Lengths(split.train.shape[1], train, history, targets)


def drawn_lengths(
    n_users: int, n_items: int, n_clicks: int, held_out: int, fold_in: float
) -> Lengths:
    """Lengths of data that is not there yet: long-tailed, log-normal as in ML-20M.

    Args:
        n_users: users, with those that are held out.
        n_items: items.
        n_clicks: interactions of all users.
        held_out: number of validation users, and of test users.
        fold_in: share of their items that the model sees.
    """
    random = np.random.default_rng(0)
    drawn = random.lognormal(0.0, SIGMA, n_users)
    lengths = np.clip(np.rint(drawn * (n_clicks / drawn.sum())), 1, n_items).astype(int)
    validation, train = lengths[:held_out], lengths[2 * held_out :]
    history = np.minimum(np.rint(fold_in * validation).astype(int), validation - 1)
    return Lengths(n_items, train, history, validation - history)


_INTERACTION, _USER, _ITEM = 8, 4, 73
"""Bytes of an interaction and of a user in a CSR matrix, and of an item in the catalogue: its id as
a text of up to 8 letters, the reference to it, and its count."""


def bytes_on_host(lengths: Lengths) -> int:
    """Bytes of a split in the memory of the host, with as many test users as validation users."""
    rows = lengths.n_users + 4 * len(lengths.history)
    return _INTERACTION * lengths.n_interactions + _USER * rows + _ITEM * lengths.n_items

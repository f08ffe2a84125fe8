"""Interactions and splits as plain arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Float64, Int32


@dataclass(frozen=True, eq=False)
class Interactions:
    """Interactions of users with items, in the order of the file.

    The order matters: the paper numbers items by first appearance and draws a user's fold-in by
    position within the user's rows.

    Attributes:
        users: index into `user_ids` of each interaction.
        items: index into `item_ids` of each interaction.
        values: 1 for each interaction (feedback is implicit).
        times: time of each interaction in seconds; None if the file has no times.
        user_ids: each user's id as the file spells it (str), ascending: by number if all are 64-bit
            integers in their usual spelling, else by code point.
        item_ids: each item's id as the file spells it (str), in order of first appearance.
        titles: item id to title, for the items that have one.
        notes: remarks on how the file was read, such as the number of duplicates.
    """

    users: Int32[np.ndarray, " interactions"]
    items: Int32[np.ndarray, " interactions"]
    values: Float32[np.ndarray, " interactions"]
    times: Float64[np.ndarray, " interactions"] | None
    user_ids: np.ndarray
    item_ids: np.ndarray
    titles: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def n_users(self) -> int:
        """The number of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """The number of items."""
        return len(self.item_ids)

    def csr(self) -> sp.csr_array:
        """The matrix of values, users x items, float32; a row's items ascend by index."""
        shape = (self.n_users, self.n_items)
        return sp.csr_array((self.values, (self.users, self.items)), shape=shape)


class UserHistories(NamedTuple):
    """Histories of users to recommend items to.

    Attributes:
        user_ids: ids of the users, in order of first appearance.
        items: item ids of each user's history, each once and in file order; empty for a user
            without items or without items of the minimum rating.
        notes: remarks on how the file was read.
    """

    user_ids: list[str]
    items: list[list[str]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class HeldOut:
    """Users to evaluate on, with the history and the targets of each.

    Attributes:
        history: users x items, the input of the model.
        targets: users x items, the items to predict; disjoint from the history.
        user_ids: id of the user of each row.
    """

    history: sp.csr_array
    targets: sp.csr_array
    user_ids: np.ndarray


@dataclass(frozen=True)
class Catalogue:
    """The items, in the order of the matrices' columns.

    Attributes:
        ids: ids of the items, as the data spells them.
        counts: number of training users of each item.
        titles: id to title, for the items that have one.
    """

    ids: np.ndarray
    counts: np.ndarray
    titles: Mapping[str, str]


@dataclass(frozen=True)
class Split:
    """Training users and held-out users over one catalogue.

    Attributes:
        train: users x items, the interactions of the training users.
        validation: users to select the epoch on, or None.
        test: users to report on.
        user_ids: ids of the training users.
        catalogue: the items.
        notes: remarks on how the data was read and split.
    """

    train: sp.csr_array
    validation: HeldOut | None
    test: HeldOut
    user_ids: np.ndarray
    catalogue: Catalogue
    notes: tuple[str, ...] = ()

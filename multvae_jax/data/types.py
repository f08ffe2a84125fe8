"""Interactions and splits of them, as plain arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Float64, Int32


@dataclass(frozen=True, eq=False)
class Interactions:
    """Who interacted with what, one entry per interaction, in the order of the file.

    The order matters: the paper numbers items by first appearance and draws a user's fold-in by
    position within the user's rows.

    Attributes:
        users: index into `user_ids` of each interaction.
        items: index into `item_ids` of each interaction.
        values: 1 for each interaction (feedback is implicit).
        times: seconds, where the file has times; None where it has none.
        user_ids: each user's id as the file spells it (str), ascending: by number where all
            are integers of 64 bits in their usual spelling, else by code point.
        item_ids: each item's id as the file spells it (str), in order of first appearance.
        titles: item id to title, as far as known.
        notes: sentences worth telling the user, such as how many duplicates there were.
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
    """What users have, to recommend to them by.

    Attributes:
        user_ids: of all users, in order of first appearance.
        items: for each user the ids of the items in file order, each once; none where the user
            has no item or none of the rating.
        notes: sentences worth telling the user, such as how the file was read.
    """

    user_ids: list[str]
    items: list[list[str]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class HeldOut:
    """Users to evaluate on: what is known of each, and what is to be found.

    Attributes:
        history: users x items, what the model is shown.
        targets: users x items, disjoint from the history.
        user_ids: one id a row.
    """

    history: sp.csr_array
    targets: sp.csr_array
    user_ids: np.ndarray


@dataclass(frozen=True)
class Catalogue:
    """The items, by column of the matrices.

    Attributes:
        ids: the data's own ids.
        counts: how many training users have each.
        titles: id -> title, for what has one.
    """

    ids: np.ndarray
    counts: np.ndarray
    titles: Mapping[str, str]


@dataclass(frozen=True)
class Split:
    """Training users and held-out ones over one catalogue.

    Attributes:
        train: users x items.
        validation: to select on; None where there is none.
        test: to report on.
        user_ids: ids of the training users.
        catalogue: the items.
        notes: what a user should be told, a sentence each.
    """

    train: sp.csr_array
    validation: HeldOut | None
    test: HeldOut
    user_ids: np.ndarray
    catalogue: Catalogue
    notes: tuple[str, ...] = ()

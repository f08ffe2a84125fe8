"""`Lists`: the items recommended to many users, as one value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32

from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError

NO_ITEM = -1
"""Stands in `Lists.items` where a list is shorter than the longest."""

UNKNOWN_ITEM = -2
"""Stands in `Lists.items` for an item that the catalogue lacks.

It keeps its place, because whoever got the list saw something there, and it is never a hit.
"""


@dataclass(frozen=True, eq=False, repr=False)
class Lists:
    """Recommendation lists of many users, best item first.

    Attributes:
        user_ids: id of the user of each row (str).
        items: columns of the catalogue; `NO_ITEM` (-1) after the end of a list, `UNKNOWN_ITEM` (-2)
            for an item that the catalogue lacks.
        scores: scores of the items; NaN after the end of a list, and where there is no score.
        catalogue: the items.

    Raises:
        InputError: if the shapes do not fit together, or an item is not one of the catalogue.

    Example:
        >>> items = Catalogue(np.array(["a", "b", "c"], object), np.array([3, 2, 1]), {})
        >>> scores = np.array([[0.9, 0.5], [0.8, np.nan]], np.float32)
        >>> users = np.array(["ann", "bob"], object)
        >>> lists = Lists(users, np.array([[2, 0], [1, -1]], np.int32), scores, items)
        >>> lists
        <Lists of 2 users, up to 2 of 3 items each>
        >>> lists.at(1).item_ids()
        [['c'], ['b']]
    """

    user_ids: np.ndarray
    items: Int32[np.ndarray, "users k"]
    scores: Float32[np.ndarray, "users k"]
    catalogue: Catalogue

    def __post_init__(self) -> None:
        if self.items.ndim != 2 or self.items.shape != self.scores.shape:
            raise InputError(
                f"lists: items of shape {self.items.shape} and scores of shape "
                f"{self.scores.shape}; both are users x k"
            )
        if len(self.user_ids) != len(self.items):
            raise InputError(
                f"lists: {len(self.user_ids):,} user ids for {len(self.items):,} rows of items"
            )
        if self.items.size and not (
            self.items.min() >= UNKNOWN_ITEM and self.items.max() < len(self.catalogue.ids)
        ):
            raise InputError(
                f"lists: items from {self.items.min()} to {self.items.max()}; the columns of the "
                f"catalogue are 0 to {len(self.catalogue.ids) - 1}, and -1 stands for no item"
            )

    def __repr__(self) -> str:
        users = "1 user" if self.n_users == 1 else f"{self.n_users:,} users"
        n_items = len(self.catalogue.ids)
        return f"<Lists of {users}, up to {self.k:,} of {n_items:,} items each>"

    def __len__(self) -> int:
        return self.n_users

    @property
    def n_users(self) -> int:
        """The number of users."""
        return len(self.user_ids)

    @property
    def k(self) -> int:
        """The length of the longest list that there is room for."""
        return self.items.shape[1]

    @property
    def shown(self) -> Bool[np.ndarray, "users k"]:
        """Whether each place of a list has an item, known or not."""
        return self.items != NO_ITEM

    @property
    def lengths(self) -> Int[np.ndarray, " users"]:
        """The length of each list."""
        return self.shown.sum(axis=1)

    def at(self, k: int) -> Lists:
        """Return the first k items of each list."""
        return replace(self, items=self.items[:, :k], scores=self.scores[:, :k])

    def rows(self, rows: slice | Int[np.ndarray, " n"]) -> Lists:
        """Return the lists of some rows."""
        return Lists(self.user_ids[rows], self.items[rows], self.scores[rows], self.catalogue)

    def of_users(self, user_ids: Sequence[str] | np.ndarray) -> Lists:
        """Return the lists of users, in their order; an empty one for a user that has none."""
        row = {user: number for number, user in enumerate(self.user_ids)}
        rows = np.array([row.get(user, -1) for user in user_ids], np.int64)
        found = (rows >= 0)[:, None]
        if not self.n_users:
            return empty_lists(user_ids, self.k, self.catalogue)
        return Lists(
            np.asarray(user_ids, object),
            np.where(found, self.items[rows], np.int32(NO_ITEM)),
            np.where(found, self.scores[rows], np.float32(np.nan)),
            self.catalogue,
        )

    def item_ids(self) -> list[list[str | None]]:
        """Return the item ids of each list; None for an item that the catalogue lacks."""
        names = np.array([*self.catalogue.ids, None], object)
        return [
            names[np.maximum(items[shown], -1)].tolist()
            for items, shown in zip(self.items, self.shown, strict=True)
        ]


def empty_lists(user_ids: Sequence[str] | np.ndarray, k: int, catalogue: Catalogue) -> Lists:
    """Return a list without an item for each user."""
    shape = (len(user_ids), k)
    items, scores = np.full(shape, NO_ITEM, np.int32), np.full(shape, np.nan, np.float32)
    return Lists(np.asarray(user_ids, object), items, scores, catalogue)


def concatenated(parts: Iterable[Lists]) -> Lists:
    """Return lists of the same length and catalogue as one value, one after the other.

    Args:
        parts: at least one.
    """
    found = list(parts)
    users, items, scores = (
        np.concatenate([getattr(part, name) for part in found])
        for name in ("user_ids", "items", "scores")
    )
    return Lists(users, items, scores, found[0].catalogue)

"""`Lists`: the items recommended to many users, as one value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int, Int32

from multvae_jax.checks.bounds import check_ids, check_kind
from multvae_jax.data.list_writer import Format, ListRows, list_file
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError, shortened
from multvae_jax.host.notebook import html_table

FEW = 5
"""Users, and items of each, that a notebook shows."""

NO_ITEM = -1
"""Stands in `Lists.items` where a list is shorter than the longest."""

UNKNOWN_ITEM = -2
"""Stands in `Lists.items` for an item that the catalogue lacks.

It keeps its place in the list, because the user was shown an item there, and is never a hit.
"""

_USERS_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False, repr=False)
class Lists:
    """Recommendation lists of many users, best item first.

    Attributes:
        user_ids: id of the user of each row (str).
        items: columns of the catalogue; `NO_ITEM` (-1) after the end of a list, `UNKNOWN_ITEM` (-2)
            for an item that the catalogue lacks.
        scores: scores of the items; NaN after the end of a list, and where there is no score.
        catalogue: the items.
        notes: remarks on how the lists were read.

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
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_ids("user_ids", self.user_ids)
        for name, array in (("items", self.items), ("scores", self.scores)):
            check_kind(name, array, np.ndarray, "an array of users x k")
        check_kind("catalogue", self.catalogue, Catalogue, "run.catalogue")
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

    def _repr_html_(self) -> str:
        few = self.items[:FEW, :FEW]
        ids, titles = self.catalogue.ids, self.catalogue.titles
        rows = [
            (user, *(titles.get(ids[item], ids[item]) if item >= 0 else "" for item in mine))
            for user, mine in zip(self.user_ids[:FEW], few, strict=True)
        ]
        return html_table(repr(self)[1:-1], ("user", *map(str, range(1, few.shape[1] + 1))), rows)

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
        """Return the lists of users, in their order; an empty one for a user that has none.

        Raises:
            InputError: if a user has several lists.
        """
        row = {user: number for number, user in enumerate(self.user_ids)}
        if len(row) < self.n_users:
            ((user, count),) = Counter(self.user_ids.tolist()).most_common(1)
            raise InputError(f"lists: the user '{shortened(str(user))}' has {count} of them")
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

    def flat(self) -> ListRows:
        """Return the items of all lists, one after the other.

        Raises:
            InputError: if the catalogue lacks one of them, so that its id is not there.
        """
        users, places = np.nonzero(self.shown)
        items = self.items[users, places]
        if (items == UNKNOWN_ITEM).any():
            count = int((items == UNKNOWN_ITEM).sum())
            raise InputError(
                f"lists: {count:,} places hold an item that is not in the catalogue, so that there "
                "is no id to write"
            )
        return ListRows(self.user_ids, users, places + 1, items, self.scores[users, places])

    def write(self, path: str | Path, format: Format | None = None) -> None:
        """Write the lists to a file, which appears whole or not at all.

        The columns are user, rank, item, title and score. `multvae_jax.read_lists` reads the file.

        Args:
            path: the file.
            format: "csv", "jsonl", "parquet" or "trec" (a run as TREC's tools read it, without
                titles); by default that of the ending: .csv, .jsonl, .parquet or .trec.

        Raises:
            InputError: if the file cannot be written, the ending is not known, an id cannot be
                written in the format, or the catalogue lacks an item of a list.
        """
        with list_file(path, self.catalogue, format) as write:
            for start in range(0, self.n_users, _USERS_AT_ONCE):
                write(self.rows(slice(start, start + _USERS_AT_ONCE)).flat())

    def check_repeats(self) -> None:
        """Refuse lists in which an item stands twice, which would be a hit twice.

        Raises:
            InputError: naming the first such user and item.
        """
        ordered = np.sort(self.items, axis=1)
        repeated = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
        if repeated.any():
            row, place = np.argwhere(repeated)[0]
            user, item = self.user_ids[row], self.catalogue.ids[ordered[row, place]]
            raise InputError(f"lists: the item '{item}' is twice in the list of the user '{user}'")

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

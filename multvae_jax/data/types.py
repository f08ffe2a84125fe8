"""Interactions and splits as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Float64, Int32

from multvae_jax.checks.bounds import (
    check_array,
    check_ids,
    check_kind,
    check_mapping,
    check_rows,
    described,
    take_rows,
)
from multvae_jax.data.checks import TITLES, check_axis, check_unique, check_users
from multvae_jax.data.user_encoder import UserEncoder
from multvae_jax.errors import InputError
from multvae_jax.host.notebook import html_table


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

    Example:
        >>> data = mv.read_interactions("ratings.csv", min_rating=4)
        >>> len(data.users) == len(data.items)
        True
    """

    users: Int32[np.ndarray, " interactions"]
    items: Int32[np.ndarray, " interactions"]
    values: Float32[np.ndarray, " interactions"]
    times: Float64[np.ndarray, " interactions"] | None
    user_ids: np.ndarray
    item_ids: np.ndarray
    titles: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the arrays.

        Raises:
            InputError: one is of another kind or length, an index has no id, or an id occurs twice.
        """
        for role, ids in (("users", self.user_ids), ("items", self.item_ids)):
            check_unique(f"{role[:-1]}_ids", ids)
            index = getattr(self, role)
            check_axis(role, index, None if role == "users" else len(self.users), "iu")
            if index.size and not (index.min() >= 0 and index.max() < len(ids)):
                raise InputError(
                    f"{role}: from {index.min()} to {index.max()}, and {role[:-1]}_ids has the "
                    f"numbers 0 to {len(ids) - 1}"
                )
        check_axis("values", self.values, len(self.users), "biuf")
        if self.times is not None:
            check_axis("times", self.times, len(self.users), "iuf")
        check_mapping("titles", self.titles, TITLES)

    def __repr__(self) -> str:
        return (
            f"<Interactions: {len(self.users):,} of {self.n_users:,} users with "
            f"{self.n_items:,} items>"
        )

    def _repr_html_(self) -> str:
        sizes = {"interactions": len(self.users), "users": self.n_users, "items": self.n_items}
        return _html_of("Interactions", sizes, self.notes)

    @property
    def n_users(self) -> int:
        """The number of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """The number of items."""
        return len(self.item_ids)

    def csr(self) -> sp.csr_array:
        """The matrix of values, users x items, float32; a row's items ascend by index.

        Example:
            >>> data.csr().shape == (data.n_users, data.n_items)
            True
        """
        shape = (self.n_users, self.n_items)
        return sp.csr_array((self.values, (self.users, self.items)), shape=shape)


def _html_of(caption: str, sizes: Mapping[str, int], notes: Sequence[str] = ()) -> str:
    rows = [(name, f"{number:,}") for name, number in sizes.items()]
    return html_table(caption, ("part", "size"), [*rows, *(("note", note) for note in notes)])


FEW = 10
"""Items of a catalogue that a notebook shows."""


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
        user_features: data about the users, an array or a dict of arrays with a row per user, see
            `multvae_jax.with_user_features`; None if there are none.

    Example:
        >>> users = split.test
        >>> users.history.shape == users.targets.shape
        True
    """

    history: sp.csr_array
    targets: sp.csr_array
    user_ids: np.ndarray
    user_features: Any = None

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises:
            InputError: a matrix is not one, or the numbers of users or items differ.
        """
        check_ids("user_ids", self.user_ids)
        for name, matrix in (("history", self.history), ("targets", self.targets)):
            check_users(name, matrix, len(self.user_ids))
        if self.history.shape != self.targets.shape:
            raise InputError(
                f"targets: of shape {self.targets.shape}, but the history of {self.history.shape}"
            )
        check_rows(self.user_features, len(self.user_ids))

    def rows(self, rows: Any) -> HeldOut:
        """Some of the users, with all that is known of them.

        Args:
            rows: numbers of the users, or a mask.

        Raises:
            InputError: they are neither, or a user is not there.
        """
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            check_axis("rows", rows, len(self.user_ids) if rows.dtype == bool else None, "biu")
            if rows.size and rows.dtype != bool and rows.max() >= len(self.user_ids):
                raise InputError(f"rows: {rows.max()}, and there are {len(self.user_ids):,} users")
        features = take_rows(self.user_features, rows)
        return HeldOut(self.history[rows], self.targets[rows], self.user_ids[rows], features)

    def sizes(self) -> dict[str, int]:
        """Return the number of users, and of interactions of both kinds."""
        return {
            "users": len(self.user_ids),
            "interactions as history": self.history.nnz,
            "interactions as targets": self.targets.nnz,
        }

    def __repr__(self) -> str:
        sizes = ", ".join(f"{number:,} {name}" for name, number in self.sizes().items())
        return f"<HeldOut: {sizes}>"

    def _repr_html_(self) -> str:
        return _html_of("HeldOut", self.sizes())


@dataclass(frozen=True)
class Catalogue:
    """The items, in the order of the matrices' columns.

    Attributes:
        ids: ids of the items, as the data spells them.
        counts: number of training users of each item.
        titles: id to title, for the items that have one.
        features: data about the items, an array or a dict of arrays with a row per item, see
            `multvae_jax.with_item_features`; None if there are none.
    """

    ids: np.ndarray
    counts: np.ndarray
    titles: Mapping[str, str]
    features: Any = None

    def __post_init__(self) -> None:
        """Check the arrays.

        Raises:
            InputError: one is of another kind or length.
        """
        check_array("ids", self.ids)
        check_ids("ids", self.ids, of_text=True)
        check_axis("counts", self.counts, len(self.ids), "iuf")
        check_mapping("titles", self.titles, TITLES)
        check_rows(self.features, len(self.ids), "features", "items")

    def __repr__(self) -> str:
        return f"<Catalogue: {len(self.ids):,} items, {len(self.titles):,} with titles>"

    def _repr_html_(self) -> str:
        rows = [
            (item, self.titles.get(item, ""), f"{count:,}")
            for item, count in zip(self.ids[:FEW], self.counts[:FEW].tolist(), strict=True)
        ]
        more = [("...", "", "")] if len(self.ids) > FEW else []
        caption = f"Catalogue of {len(self.ids):,} items"
        return html_table(caption, ("item", "title", "users"), [*rows, *more])


@dataclass(frozen=True)
class Split:
    """Training users and held-out users over one catalogue.

    Attributes:
        train: users x items, the interactions of the training users; in memory, or in the files of
            a store, see `multvae_jax.open_store`.
        validation: users to select the epoch on, or None.
        test: users to report on.
        user_ids: ids of the training users.
        catalogue: the items.
        notes: remarks on how the data was read and split.
        user_features: data about the training users, as in `HeldOut`.
        user_encoder: what the entries of the features are, if they come from a file.

    Example:
        >>> split = mv.hold_out_users(data)
        >>> split.train.shape == (len(split.user_ids), len(split.catalogue.ids))
        True
    """

    # A csr_array or a StoredMatrix: code for a matrix in memory need not exclude the other.
    train: Any
    validation: HeldOut | None
    test: HeldOut
    user_ids: np.ndarray
    catalogue: Catalogue
    notes: tuple[str, ...] = ()
    user_features: Any = None
    user_encoder: UserEncoder | None = None

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises:
            InputError: a part is of another kind, or the features are not of its users.
        """
        check_ids("user_ids", self.user_ids)
        check_users("train", self.train, len(self.user_ids))
        check_kind("catalogue", self.catalogue, Catalogue, "that of another split")
        n_items = self.train.shape[1]
        if n_items != len(self.catalogue.ids):
            raise InputError(
                f"catalogue: {len(self.catalogue.ids):,} items for {n_items:,} of train"
            )
        check_rows(self.user_features, self.train.shape[0])
        held_out = {"validation": self.validation, "test": self.test}
        for name, users in held_out.items():
            if users is None:
                if name == "validation":
                    continue
                raise InputError("test: is missing; use a HeldOut")
            # Nothing else is read of the test users, nor even their type.
            if isinstance(users, Split) or not hasattr(users, "user_features"):
                raise InputError(f"{name}: {described(users)}; use a HeldOut")
            if isinstance(users, HeldOut) and users.targets.shape[1] != n_items:
                raise InputError(
                    f"{name}: {users.targets.shape[1]:,} items for {n_items:,} of train"
                )
            if (users.user_features is None) != (self.user_features is None):
                lacking = "the training users" if self.user_features is None else "its users"
                raise InputError(
                    f"{name}: {lacking} have no user_features; with_user_features gives them to "
                    "all users of a split"
                )

    def sizes(self) -> dict[str, int]:
        """Return the number of users of each part, of training interactions, and of items."""
        validating = 0 if self.validation is None else len(self.validation.user_ids)
        return {
            "training users": self.train.shape[0],
            "training interactions": self.train.nnz,
            "validation users": validating,
            "test users": len(self.test.user_ids),
            "items": self.train.shape[1],
        }

    def __repr__(self) -> str:
        sizes = ", ".join(f"{number:,} {name}" for name, number in self.sizes().items())
        return f"<Split: {sizes}>"

    def _repr_html_(self) -> str:
        return _html_of("Split", self.sizes(), self.notes)

"""Histories of many users over the items of a catalogue, in arrays."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from jaxtyping import Int

from multvae_jax.checks.bounds import take_rows
from multvae_jax.data.ids import as_text, factorize
from multvae_jax.data.notes import spelled_differently
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.paths import Paths, files_of
from multvae_jax.data.readers.records import Records
from multvae_jax.data.readers.schema import INTERACTIONS, USUAL_COLUMNS, Columns
from multvae_jax.data.readers.several import read_files
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.host.stored_matrix import StoredMatrix


@dataclass(frozen=True, eq=False)
class KnownHistories:
    """Histories of users, as far as their items are in a catalogue.

    Attributes:
        ids: ids of the users, in order of first appearance.
        matrix: users x items of the catalogue, 1 for each interaction.
        unknown: number of items of each user that are not in the catalogue.
        below: number of interactions that were left out because of their rating.
        has_ratings: whether the file has ratings, if a threshold was given.
        name: name of the file in messages.
        notes: remarks on how the file was read.
    """

    ids: pl.Series
    matrix: sp.csr_array
    unknown: Int[np.ndarray, " users"]
    below: int
    has_ratings: bool
    name: str
    notes: tuple[str, ...]

    def user_ids(self, rows: slice = slice(None)) -> list[str]:
        """The ids of some users as text."""
        return as_text(self.ids[rows]).tolist()


def read_known_histories(
    path: Paths,
    catalogue: Catalogue,
    *,
    columns: Columns = USUAL_COLUMNS,
    dialect: Dialect = DETECTED,
    min_rating: float | None = None,
) -> KnownHistories:
    """Read the histories of users to recommend items to.

    They take a few bytes per interaction, where `read_histories` makes a list for each user.

    Args:
        path: the file, in any format of `read_interactions`.
        catalogue: the items.
        columns: names of the columns.
        dialect: how the files are written.
        min_rating: in a file with ratings, keep an interaction with at least this rating.

    Raises:
        InputError: as in `read_histories`, except that the file may lack ratings.
    """
    records = read_files(
        files_of(path), INTERACTIONS, columns.given(), dialect, with_ratings=min_rating is not None
    )
    return known_histories_of(records, catalogue, min_rating)


def known_histories_of(
    records: Records, catalogue: Catalogue, min_rating: float | None = None
) -> KnownHistories:
    """Return the histories in the rows of a table, as in `read_known_histories`."""
    rows = records.rows
    users, user_ids = factorize(rows["user"])
    has_ratings = min_rating is not None and "rating" in rows.columns
    has_item = rows["item"].is_not_null()
    kept = has_item & (rows["rating"] >= min_rating) if has_ratings else has_item
    below = int((has_item & ~kept).sum())
    matrix, unknown = _known(users[kept.to_numpy()], rows["item"].filter(kept), catalogue)
    shape = (len(user_ids), len(catalogue.ids))
    spelled: tuple[str, ...] = ()
    if len(unknown):
        items = rows["item"].filter(kept).unique(maintain_order=True).cast(pl.String)
        known = pl.Series(catalogue.ids, dtype=pl.String)
        strange = items.filter(~items.is_in(known.implode()))
        spelled = spelled_differently(records.name, "item", strange, known, "the training data")
    return KnownHistories(
        ids=user_ids,
        matrix=_csr(matrix, shape),
        unknown=np.bincount(unknown, minlength=shape[0]),
        below=below,
        has_ratings=has_ratings,
        name=records.name,
        notes=(*records.notes, *spelled),
    )


def known_users(ids: np.ndarray, matrix: sp.csr_array, name: str) -> KnownHistories:
    """Return histories over the items of a catalogue as `read_known_histories` does."""
    unknown = np.zeros(len(ids), np.int64)
    return KnownHistories(pl.Series(ids, dtype=pl.String), matrix, unknown, 0, False, name, ())


def histories_of_split(split: Split) -> tuple[np.ndarray, sp.csr_array]:
    """Return all that is known of each user of a split: ids, and a users x items matrix.

    The history and the targets of a held-out user are one history; a user of several parts is one
    user. The training users come first.
    """
    parts = [(split.user_ids, split.train.tocsr())]
    for users in (split.validation, split.test):
        if users is not None:
            parts += [(users.user_ids, users.history), (users.user_ids, users.targets)]
    ids = pl.concat([pl.Series(ids, dtype=pl.String) for ids, _ in parts])
    numbers, distinct = factorize(ids)
    starts = np.cumsum([0, *(len(ids) for ids, _ in parts)])
    pairs = [
        numbers[start + np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))].astype(
            np.int64
        )
        * matrix.shape[1]
        + matrix.indices
        for start, (_, matrix) in zip(starts[:-1], parts, strict=True)
    ]
    shape = (len(distinct), split.train.shape[1])
    return as_text(distinct), _csr(_distinct(np.concatenate(pairs)), shape)


def parts_of_split(split: Split) -> Iterator[Split]:
    """Cut a split into splits of some of its users each, with the training users in memory.

    A split in memory is a single part. In the parts of one in a store, held-out users who are not
    training users come last.
    """
    if not isinstance(split.train, StoredMatrix):
        yield split
        return
    held_out = {"validation": split.validation, "test": split.test}
    present = {name: users for name, users in held_out.items() if users is not None}
    row_of = {
        name: {user: row for row, user in enumerate(users.user_ids.tolist())}
        for name, users in present.items()
    }

    def part(rows: sp.csr_array, ids: Any, users: slice, found: Mapping[str, Any]) -> Split:
        features = take_rows(split.user_features, users)
        some: dict[str, Any] = {
            name: one.rows(np.array(found[name], np.int64)) for name, one in present.items()
        }
        return dataclasses.replace(split, train=rows, user_ids=ids, user_features=features, **some)

    for users, rows in split.train.blocks():
        ids = np.asarray(split.user_ids[users])
        found = {
            name: [own.pop(user) for user in ids.tolist() if user in own]
            for name, own in row_of.items()
        }
        yield part(rows, ids, users, found)
    others = {name: list(own.values()) for name, own in row_of.items()}
    if any(others.values()):
        nobody = sp.csr_array((0, split.train.shape[1]), dtype=np.float32)
        yield part(nobody, np.array([], object), slice(0), others)


def with_columns_of(
    matrix: sp.csr_array, item_ids: np.ndarray, catalogue: Catalogue
) -> sp.csr_array:
    """Return a users x items matrix with the columns of another catalogue.

    Args:
        matrix: users x items.
        item_ids: id of the item of each column.
        catalogue: the other catalogue; items that it lacks are left out.
    """
    if np.array_equal(item_ids, catalogue.ids):
        return matrix
    column = {item: number for number, item in enumerate(catalogue.ids)}
    new = np.array([column.get(item, -1) for item in item_ids], np.int64)[matrix.indices]
    users = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    known = new >= 0
    shape = (matrix.shape[0], len(catalogue.ids))
    return _csr(_distinct(users[known] * shape[1] + new[known]), shape)


def _known(
    users: np.ndarray, items: pl.Series, catalogue: Catalogue
) -> tuple[np.ndarray, np.ndarray]:
    """The distinct pairs of user and known item, as one number each, and the users of the others.

    A user is in the latter once for each item that is unknown.
    """
    n_items = len(catalogue.ids)
    if items.is_empty():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    numbers, distinct = factorize(items)
    column = {item: number for number, item in enumerate(catalogue.ids)}
    known = np.array([column.get(item, -1) for item in as_text(distinct)], np.int64)[numbers]
    is_known = known >= 0
    pairs = users[is_known].astype(np.int64) * n_items + known[is_known]
    others = users[~is_known].astype(np.int64) * len(distinct) + numbers[~is_known]
    return _distinct(pairs), _distinct(others) // len(distinct)


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """The distinct numbers, ascending; polars takes a tenth of the time of `np.unique`."""
    return pl.Series(numbers).unique().sort().to_numpy()


def _csr(pairs: np.ndarray, shape: tuple[int, int]) -> sp.csr_array:
    lengths = np.bincount(pairs // shape[1], minlength=shape[0])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    items = (pairs % shape[1]).astype(np.int32)
    return sp.csr_array((np.ones(len(items), np.float32), items, starts), shape=shape)

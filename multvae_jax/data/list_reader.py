"""Reading of recommendation lists that any system wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float32, Int

from multvae_jax.data.ids import as_text, factorize, first_of_each
from multvae_jax.data.notes import number_of, spelled_differently
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.paths import files_of
from multvae_jax.data.readers.records import Records
from multvae_jax.data.readers.schema import RECOMMENDATIONS, USUAL_COLUMNS, Columns
from multvae_jax.data.readers.several import read_files
from multvae_jax.errors import InputError

MISSING = -1
"""Stands for an item that is not in the catalogue."""


class ReadRows(NamedTuple):
    """Recommended items of some users, in the order of their lists.

    Attributes:
        user_ids: ids of the users, in order of first appearance or as they were asked for.
        users: index into `user_ids` of each item, ascending.
        places: place of each item in its user's list, from 0.
        items: column of each item in the catalogue, or `MISSING`.
        scores: score of each item; NaN if the files have none.
        notes: remarks on how the files were read.
    """

    user_ids: np.ndarray
    users: Int[np.ndarray, " rows"]
    places: Int[np.ndarray, " rows"]
    items: Int[np.ndarray, " rows"]
    scores: Float32[np.ndarray, " rows"]
    notes: tuple[str, ...]


def read_list_rows(
    files: Any,
    item_ids: np.ndarray,
    *,
    user_ids: Sequence[str] | np.ndarray | None = None,
    k: int | None = None,
    columns: Columns = USUAL_COLUMNS,
    dialect: Dialect = DETECTED,
) -> ReadRows:
    """Read the recommended items of one system.

    Args:
        files: one or several files, as `read_interactions` takes them.
        item_ids: the ids of the catalogue.
        user_ids: users to keep, in this order; None for all of the files.
        k: longest list to keep; None for whole lists.
        columns: names of the columns of the user, the item and the score (as a rating).
        dialect: how text files are written.

    Raises:
        InputError: as in `read_interactions`; a rank or a score is not a number; or none of the
            items is in the catalogue, or none of the users is asked for.
    """
    names = {"score" if role == "rating" else role: name for role, name in columns.given().items()}
    names.pop("time", None)
    records = read_files(files_of(files, "files"), RECOMMENDATIONS, names, dialect)
    name, rows = records.name, records.rows
    users, ids = factorize(rows["user"])
    found_ids, notes = as_text(ids), [*records.notes]
    if user_ids is not None:
        numbers, further = _chosen(name, found_ids, np.asarray(user_ids, object))
        users, found_ids = numbers[users], np.asarray(user_ids, object)
        notes += further
    rows = rows.with_columns(pl.Series("user", users))
    rows = rows.filter(pl.col("user") >= 0, pl.col("item").is_not_null())
    rows, order_notes = _ordered(records, rows)
    notes += order_notes
    items, distinct = factorize(rows["item"]) if rows.height else (np.zeros(0, np.int32), ids[:0])
    of_user = rows["user"].to_numpy()
    if rows.height:
        kept = first_of_each(of_user, items, len(distinct))
        repeated = int(kept.size - kept.sum())
        if repeated:
            what = number_of(repeated, "place")
            notes.append(f"{name}: {what} with an item that the list has already, left out")
            rows, items, of_user = rows.filter(pl.Series(kept)), items[kept], of_user[kept]
    places = _places(of_user)
    columns_of, further = _columns(name, distinct, items, item_ids)
    notes += further
    scores = np.full(rows.height, np.nan, np.float32)
    if "score" in rows.columns:
        scores = rows["score"].to_numpy().astype(np.float32)
    shown = places < (k or np.inf)
    of_user, places, items, scores = (
        each[shown] for each in (of_user, places, columns_of[items], scores)
    )
    return ReadRows(found_ids, of_user, places, items, scores, tuple(notes))


def _chosen(
    name: str, found: np.ndarray, wanted: np.ndarray
) -> tuple[Int[np.ndarray, " found"], list[str]]:
    """Return the row of each user that is wanted, -1 for the others, and notes on both.

    Raises:
        InputError: none of them is wanted.
    """
    row = {user: number for number, user in enumerate(wanted)}
    numbers = np.array([row.get(user, -1) for user in found], np.int32)
    others, missing = int((numbers < 0).sum()), len(wanted) - int((numbers >= 0).sum())
    notes = list(
        spelled_differently(
            name,
            "user",
            pl.Series(found[numbers < 0], dtype=pl.String),
            pl.Series(wanted, dtype=pl.String),
            "the run",
        )
    )
    if others == len(found):
        reason = notes[0].removeprefix(f"{name}: ") if notes else "the ids must be the same"
        raise InputError(
            f"{name}: none of its {number_of(others, 'user')} is among the "
            f"{number_of(len(wanted), 'user')} to evaluate; {reason}"
        )
    if others:
        notes.append(f"{name}: users who are not evaluated are left out: {others:,}")
    if missing:
        notes.append(
            f"{name}: has no list for {missing:,} of {number_of(len(wanted), 'user')}; they count "
            "with an empty list"
        )
    return numbers, notes


def _ordered(records: Records, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows user by user in the order of the lists, and what the order is by."""
    name = records.name
    rows = rows.with_row_index("row")
    key, order = [pl.col("row")], "the order of the file, as it has neither ranks nor scores"
    if "score" in rows.columns:
        key, order = [-pl.col("score"), *key], "descending order of the scores, as it has no ranks"
    if "rank" in rows.columns:
        key, order = [pl.col("rank"), pl.col("row")], "the order of the ranks"
    rows = rows.sort("user", *key)
    notes = [f"{name}: lists are in {order}"]
    if "rank" in rows.columns:
        ties = _lists_with(rows, pl.col("rank") == pl.col("rank").shift().over("user"))
        if ties:
            notes.append(
                f"{name}: {number_of(ties, 'list')} with the same rank twice; such items are in "
                "the order of the file"
            )
        if "score" in rows.columns:
            rises = _lists_with(rows, pl.col("score") > pl.col("score").shift().over("user"))
            if rises:
                other = number_of(rises, "list")
                notes.append(f"{name}: the scores are in another order than the ranks in {other}")
    return rows, notes


def _lists_with(rows: pl.DataFrame, condition: pl.Expr) -> int:
    return rows.filter(condition)["user"].n_unique()


def _places(users: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """Return the place of each row among those of its user, which stand together."""
    numbers = np.arange(len(users))
    starts = np.flatnonzero(np.diff(users, prepend=-1))
    return numbers - np.repeat(starts, np.diff(starts, append=len(users)))


def _columns(
    name: str, distinct: pl.Series, items: Int[np.ndarray, " rows"], item_ids: np.ndarray
) -> tuple[Int[np.ndarray, " distinct"], list[str]]:
    """Return the column of each distinct item, and notes on those that are not in the catalogue.

    Raises:
        InputError: none of them is.
    """
    column = {item: number for number, item in enumerate(item_ids)}
    text = as_text(distinct)
    found = np.array([column.get(item, MISSING) for item in text], np.int32)
    unknown = pl.Series(text[found < 0], dtype=pl.String)
    known = pl.Series(item_ids, dtype=pl.String)
    notes = list(spelled_differently(name, "item", unknown, known, "the catalogue"))
    if len(found) and len(unknown) == len(found):
        reason = notes[0].removeprefix(f"{name}: ") if notes else "the ids must be the same"
        raise InputError(
            f"{name}: none of its {number_of(len(found), 'item')} is in the catalogue; {reason}"
        )
    if len(unknown):
        places = int((found[items] < 0).sum())
        notes.append(
            f"{name}: {number_of(len(unknown), 'item')} not in the catalogue, at {places:,} of "
            f"{number_of(len(items), 'place')}; they count as misses"
        )
    return found, notes

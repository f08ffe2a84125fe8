"""Interactions of users with items, read from a file, filtered and numbered."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64

from multvae_jax.checks.bounds import LeastCount, check_choice, check_kind, check_number, check_path
from multvae_jax.data.ids import (
    factorize,
    first_of_each,
    refactorize,
    with_min_count,
)
from multvae_jax.data.notes import (
    duplicates,
    left_out_by_count,
    left_out_by_rating,
    low_ratings,
)
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.paths import Paths, files_of
from multvae_jax.data.readers.records import Records
from multvae_jax.data.readers.schema import INTERACTIONS, Columns
from multvae_jax.data.readers.several import read_files
from multvae_jax.data.titles import Titles, titles_of
from multvae_jax.data.types import Interactions, UserHistories
from multvae_jax.errors import InputError, listed, noted


def read_interactions(
    path: Paths,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    time: str | None = None,
    dialect: Dialect = DETECTED,
    min_rating: float | None = None,
    min_user_count: int = 5,
    min_item_count: int = 0,
    titles: Titles = None,
    repeats: Literal["first", "earliest"] = "first",
) -> Interactions:
    """Read interactions from a file and filter them as the paper does (section 4.1).

    In this order: ratings below the threshold are dropped; of rows with the same user and item the
    first is kept, or the earliest; items with too few interactions are dropped; then users with too
    few. Each count is taken once.

    The file is CSV, TSV, Parquet, Arrow, `::`-separated (.dat), RecBole's .inter, or lines of a
    user and its items; it may be compressed with gzip, bzip2, xz, Zstandard or zip. The format is
    recognized by the suffix and then by the content.

    Args:
        path: the file; or several files, a folder or a pattern such as `part-*.csv`, whose files
            have the same columns and are read as one table; or "-" for standard input; or a member
            of a zip file, as in "ml-1m.zip/ml-1m/ratings.dat".
        user: name of the column of users; by default each column is found by its usual names.
            A column of a file without a header is named by its number, starting with "1".
        item: name of the column of items.
        rating: name of the column of ratings or counts.
        time: name of the column of times: seconds, or dates as ISO 8601 writes them (UTC).
        dialect: encoding, separator, quotes and header of a text file; by default recognized.
        min_rating: keep an interaction with at least this rating; None keeps all.
        min_user_count: keep users with at least this many interactions.
        min_item_count: keep items with at least this many interactions.
        titles: a file of item ids and titles, or the titles by id; by default movies.csv,
            movies.dat or the .item file of the same stem in the same folder, if there is one.
        repeats: which of the rows with the same user and item to keep: the first in the file, or
            the earliest by time, for a split that depends on the times.

    Raises:
        InputError: the file is missing or broken or holds an invalid value, or fewer than two users
            are left; the message names the file, the line, the column and the value.

    Example:
        >>> data = mv.read_interactions("ratings.csv", min_rating=4)
        >>> data.n_users, data.n_items
        (60, 30)
    """
    columns = Columns(user, item, rating, time).given()
    files = files_of(path)
    check_reading(dialect, min_rating, titles)
    check_filters(min_rating, min_user_count, min_item_count, titles, repeats)
    return interactions_of(
        read_files(files, INTERACTIONS, columns, dialect, with_ratings=min_rating is not None),
        min_rating=min_rating,
        min_user_count=min_user_count,
        min_item_count=min_item_count,
        titles=titles,
        beside=files.folder,
        repeats=repeats,
    )


def interactions_of(
    records: Records,
    *,
    min_rating: float | None,
    min_user_count: int,
    min_item_count: int,
    titles: Titles,
    beside: Path | None,
    repeats: Literal["first", "earliest"],
) -> Interactions:
    """Filter and number the rows of a table, as `read_interactions` describes.

    Args:
        records: the rows.
        min_rating: keep an interaction with at least this rating; None keeps all.
        min_user_count: keep users with at least this many interactions.
        min_item_count: keep items with at least this many interactions.
        titles: the titles of items, or a file of them.
        beside: the file of interactions, beside which titles may be found.
        repeats: which of the rows with the same user and item to keep.

    Raises:
        InputError: as in `read_interactions`.
    """
    with noted(records.notes):
        records = above(min_rating, records)
    name = records.name
    all_users, all_user_ids = factorize(records.rows["user"])
    all_items, all_item_ids = factorize(records.rows["item"])
    times = times_in(records) if repeats == "earliest" else None
    first = first_of_each(all_users, all_items, len(all_item_ids), times)
    enough = with_min_count(all_items, first, min_item_count)
    kept = with_min_count(all_users, enough, min_user_count)
    with noted(records.notes):
        if not kept.any():
            raise InputError(
                f"{name}: none of the {len(all_user_ids)} users is left; the minimum counts "
                f"are {min_user_count} for a user and {min_item_count} for an item"
            )
        users, user_ids = refactorize(all_users[kept], all_user_ids, ascending=True)
        refuse_one_user(name, user_ids)
    items, item_ids = refactorize(all_items[kept], all_item_ids, ascending=False)
    few_users = len(all_user_ids) - len(user_ids)
    # Users that are left out take items with them, which have enough interactions.
    few_items = 0
    if min_item_count > 1:
        few_items = len(all_item_ids) - pl.Series(all_items[enough]).n_unique()
    found, title_notes = titles_of(item_ids.tolist(), titles, beside=beside)
    return Interactions(
        users=users,
        items=items,
        values=np.ones(len(users), np.float32),
        times=times_in(records, kept),
        user_ids=user_ids,
        item_ids=item_ids,
        titles=found,
        notes=(
            *records.notes,
            *duplicates(name, first),
            *left_out_by_count(name, "item", few_items, len(all_item_ids), min_item_count),
            *left_out_by_count(name, "user", few_users, len(all_user_ids), min_user_count),
            *title_notes,
        ),
    )


def read_histories(
    path: Paths,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    time: str | None = None,
    dialect: Dialect = DETECTED,
    min_rating: float | None = None,
) -> UserHistories:
    """Read the histories of users to recommend items to.

    Args:
        path: the file, in any format of `read_interactions`.
        user: name of the column of users; all columns are found as in `read_interactions`.
        item: name of the column of items.
        rating: name of the column of ratings or counts.
        time: name of the column of times.
        dialect: how the files are written, as in `read_interactions`.
        min_rating: keep an interaction with at least this rating; None keeps all.

    Raises:
        InputError: the file is missing or broken or holds an invalid value.

    Example:
        >>> histories = mv.read_histories("ratings.csv", min_rating=4)
        >>> found = mv.recommend(run.scorer, run.catalogue, histories.items, k=5)
        >>> len(found) == len(histories.user_ids)
        True
    """
    columns = Columns(user, item, rating, time).given()
    check_reading(dialect, min_rating)
    records = read_files(
        files_of(path), INTERACTIONS, columns, dialect, with_ratings=min_rating is not None
    )
    users, user_ids = factorize(records.rows["user"])
    rows = records.rows.with_columns(user=pl.Series(users)).drop_nulls("item")
    notes = records.notes
    if min_rating is not None:
        before, rows = rows.height, rows.filter(_at_least(min_rating, records))
        notes += left_out_by_rating(records.name, before, rows.height, min_rating)
    rows = rows.unique(["user", "item"], keep="first", maintain_order=True).sort(
        "user", maintain_order=True
    )
    names = rows["item"].cast(pl.String).to_list()
    stops = np.cumsum(np.bincount(rows["user"].to_numpy(), minlength=len(user_ids))).tolist()
    starts = [0, *stops[:-1]]
    histories = [names[start:stop] for start, stop in zip(starts, stops, strict=True)]
    return UserHistories(user_ids.cast(pl.String).to_list(), histories, notes)


def check_reading(dialect: Any, min_rating: Any, titles: Any = None) -> None:
    """Refuse what does not say how to read a file.

    Raises:
        InputError: naming the argument and what to give.
    """
    check_kind("dialect", dialect, Dialect, 'Dialect(separator=",")')
    check_number("min_rating", min_rating, float | None)
    if titles is not None and not isinstance(titles, Mapping):
        check_path("titles", titles)


def check_filters(
    min_rating: Any, min_user_count: Any, min_item_count: Any, titles: Any, repeats: Any = "first"
) -> None:
    """Refuse filters that are not numbers, and titles that are neither a file nor a mapping.

    Raises:
        InputError: naming the argument and what to give.
    """
    check_reading(DETECTED, min_rating, titles)
    for name, count in (("min_user_count", min_user_count), ("min_item_count", min_item_count)):
        check_number(name, count, LeastCount)
    check_choice("repeats", repeats, ("first", "earliest"))


def _at_least(min_rating: float, records: Records) -> pl.Expr:
    if "rating" not in records.rows.columns:
        raise InputError(
            f"{records.name}: a rating threshold needs a rating column; the columns are "
            f"{listed(records.columns)}"
        )
    return pl.col("rating") >= min_rating


def above(min_rating: float | None, records: Records) -> Records:
    """Keep the interactions with at least a rating, and drop users without items."""
    rows = records.rows.drop_nulls("item") if records.rows["item"].has_nulls() else records.rows
    if rows.is_empty():
        raise InputError(f"{records.name}: no user has an item")
    if min_rating is None:
        notes = low_ratings(records.name, rows)
        return replace(records, rows=rows, notes=(*records.notes, *notes))
    kept = rows.filter(_at_least(min_rating, records))
    if kept.is_empty():
        raise InputError(
            f"{records.name}: none of the {rows.height} interactions has a rating >= {min_rating:g}"
        )
    notes = left_out_by_rating(records.name, rows.height, kept.height, min_rating)
    return replace(records, rows=kept, notes=(*records.notes, *notes))


def times_in(
    records: Records, kept: Bool[np.ndarray, " n"] | slice = slice(None)
) -> Float64[np.ndarray, " interactions"] | None:
    """The times of the kept rows; None if there are none."""
    return records.rows["time"].to_numpy()[kept] if "time" in records.rows.columns else None


def refuse_one_user(name: str, user_ids: np.ndarray) -> None:
    """Refuse interactions of one user.

    Raises:
        InputError: naming the file.
    """
    if len(user_ids) == 1:
        raise InputError(
            f"{name}: only one user is left ('{user_ids[0]}'); at least two are needed"
        )

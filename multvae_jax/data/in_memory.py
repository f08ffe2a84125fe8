"""Interactions and histories from what is in memory: data frames and sparse matrices."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import narwhals as nw
import numpy as np
import polars as pl
import scipy.sparse as sp

from multvae_jax.checks.bounds import check_ids
from multvae_jax.data.histories import KnownHistories, known_histories_of
from multvae_jax.data.interactions import check_filters, interactions_of
from multvae_jax.data.readers.frames import frame_table
from multvae_jax.data.readers.records import Records, records_of
from multvae_jax.data.readers.schema import (
    INTERACTIONS,
    Columns,
    layout_of,
    missing_column,
)
from multvae_jax.data.readers.table import POLARS_FAILURES
from multvae_jax.data.spelling import as_arguments, in_python
from multvae_jax.data.titles import Titles
from multvae_jax.data.types import Catalogue, Interactions
from multvae_jax.errors import InputError, first_line, shortened


@in_python
def from_frame(
    frame: Any,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    time: str | None = None,
    min_rating: float | None = None,
    min_user_count: int = 5,
    min_item_count: int = 0,
    titles: Titles = None,
    repeats: Literal["first", "earliest"] = "first",
) -> Interactions:
    """Take the interactions of a data frame, with the filters and notes of `read_interactions`.

    The result is that of a file with the same rows. Ids become text: the integer 50 is "50".

    Args:
        frame: a data frame of pandas, Polars (eager or lazy) or PyArrow, a relation of DuckDB, or
            any other that Narwhals or the Arrow stream interface reads.
        user: name of the column of users; by default each column is found by its usual names.
        item: name of the column of items; its entries may be lists of items.
        rating: name of the column of ratings or counts.
        time: name of the column of times: seconds, dates, or text as in `read_interactions`.
        min_rating: keep an interaction with at least this rating; None keeps all.
        min_user_count: keep users with at least this many interactions.
        min_item_count: keep items with at least this many interactions.
        titles: the titles of items by id, or a file of them.
        repeats: which of the rows with the same user and item to keep, as in `read_interactions`.

    Raises:
        InputError: it is not a frame, a column or a value is missing or invalid, or fewer than two
            users are left.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"who": [7, 7, 9, 9], "what": ["a", "b", "b", "c"]})
        >>> data = mv.from_frame(frame, user="who", item="what", min_user_count=2)
        >>> data.user_ids.tolist(), data.item_ids.tolist()
        (['7', '9'], ['a', 'b', 'c'])
    """
    columns = Columns(user, item, rating, time)
    columns.given()
    check_filters(min_rating, min_user_count, min_item_count, titles, repeats)
    return interactions_of(
        frame_records(frame, columns, with_ratings=min_rating is not None),
        min_rating=min_rating,
        min_user_count=min_user_count,
        min_item_count=min_item_count,
        titles=titles,
        beside=None,
        repeats=repeats,
    )


@in_python
def from_csr(
    matrix: Any,
    user_ids: Sequence[Any] | np.ndarray | None = None,
    item_ids: Sequence[Any] | np.ndarray | None = None,
    *,
    min_rating: float | None = None,
    min_user_count: int = 5,
    min_item_count: int = 0,
    titles: Titles = None,
) -> Interactions:
    """Take the interactions of a sparse users x items matrix, row by row.

    The filters and notes are those of `read_interactions` for a file of the stored entries, whose
    ratings are the values of the matrix. An entry that is zero is not an interaction.

    Args:
        matrix: a sparse matrix or array of scipy, in any format.
        user_ids: id of the user of each row; by default its number, from 0.
        item_ids: id of the item of each column; by default its number, from 0.
        min_rating: keep an interaction with at least this value; None keeps all.
        min_user_count: keep users with at least this many interactions.
        min_item_count: keep items with at least this many interactions.
        titles: the titles of items by id, or a file of them.

    Raises:
        InputError: it is not a sparse matrix, the ids are not one per row and column or occur
            twice, a value is not a number, or fewer than two users are left.

    Example:
        >>> matrix = sp.csr_array([[5, 0, 1], [0, 4, 4]])
        >>> data = mv.from_csr(matrix, ["ann", "bob"], ["x", "y", "z"], min_user_count=2)
        >>> data.user_ids[data.users].tolist(), data.item_ids[data.items].tolist()
        (['ann', 'ann', 'bob', 'bob'], ['x', 'z', 'y', 'z'])
    """
    check_filters(min_rating, min_user_count, min_item_count, titles)
    if not sp.issparse(matrix):
        raise InputError(
            f"matrix: {type(matrix).__name__} is not a sparse matrix of scipy; "
            "scipy.sparse.csr_array makes one of an array, and from_frame takes frames"
        )
    for name, ids in (("user_ids", user_ids), ("item_ids", item_ids)):
        if ids is not None:
            check_ids(name, ids)
    rows = sp.csr_array(matrix, copy=True)
    try:
        rows.check_format()
    except ValueError as error:
        raise InputError(f"matrix: {first_line(error)}") from None
    rows.sum_duplicates()
    rows.eliminate_zeros()
    if min_rating is not None and not np.isfinite(rows.data).all():
        entries = rows.tocoo()
        (first, *_) = np.flatnonzero(~np.isfinite(entries.data))
        place = f"matrix[{entries.row[first]}, {entries.col[first]}]"
        raise InputError(f"{place}: {entries.data[first]} is not a finite number")
    users = _ids("user_ids", user_ids, rows.shape[0])
    items = _ids("item_ids", item_ids, rows.shape[1])
    if not rows.nnz:
        raise InputError("matrix: it has no entry other than 0")
    lengths = np.diff(rows.indptr)
    frame = pl.DataFrame(
        {
            "user": users.gather(np.repeat(np.arange(len(lengths)), lengths)),
            "item": items.gather(rows.indices.astype(np.int64)),
            "rating": pl.Series(np.asarray(rows.data, np.float64)),
        }
    )
    empty = int((lengths == 0).sum())
    table = frame_table("matrix", frame.lazy(), INTERACTIONS, {})
    found = interactions_of(
        records_of(table, INTERACTIONS, {}, with_ratings=min_rating is not None),
        min_rating=min_rating,
        min_user_count=min_user_count,
        min_item_count=min_item_count,
        titles=titles,
        beside=None,
        repeats="first",
    )
    if not empty:
        return found
    note = f"matrix: {empty:,} of {len(lengths):,} rows are empty"
    return dataclasses.replace(found, notes=(note, *found.notes))


def frame_records(frame: Any, columns: Columns, *, with_ratings: bool = False) -> Records:
    """Return the rows of a data frame as checked columns.

    Args:
        frame: as in `from_frame`.
        columns: names of the columns.
        with_ratings: whether ratings are used, as in `read_records`.

    Raises:
        InputError: it is not a frame, or as in `read_records`.
    """
    given = columns.given()
    table = frame_table("frame", _as_polars(frame, given), INTERACTIONS, given)
    return records_of(table, INTERACTIONS, given, with_ratings=with_ratings)


class FrameHistories(NamedTuple):
    """Histories of the users of a frame.

    Attributes:
        known: the histories.
        user: name of the column of users.
        item: name of the column of items.
    """

    known: KnownHistories
    user: str
    item: str


def frame_histories(
    frame: Any, catalogue: Catalogue, columns: Columns, min_rating: float | None = None
) -> FrameHistories:
    """Return the histories of the users of a data frame.

    Args:
        frame: as in `from_frame`.
        catalogue: the items.
        columns: names of the columns.
        min_rating: keep an interaction with at least this rating, if there are ratings.

    Raises:
        InputError: it is not a frame, or a column or a value is missing or invalid.
    """
    try:
        records = frame_records(frame, columns, with_ratings=min_rating is not None)
    except InputError as error:
        raise InputError(as_arguments(str(error), {})) from None
    layout = layout_of(INTERACTIONS, records.columns, columns.given())
    assert layout is not None
    names = (records.columns[layout.roles[role]] for role in ("user", "item"))
    return FrameHistories(known_histories_of(records, catalogue, min_rating), *names)


def frame_like(frame: Any, found: FrameHistories, result: pl.DataFrame) -> Any:
    """Return a frame of recommendations in the library of the frame of histories.

    Ids are numbers if they are there, and the columns of users and items have their names.

    Args:
        frame: the frame of the histories.
        found: the histories.
        result: frame with the columns user, rank, item, title and score.
    """
    given = _narwhals(frame)
    assert given is not None
    names = {"user": found.user, "item": found.item}
    schema = given.collect_schema()
    for role, name in names.items():
        if schema[name].is_numeric():
            column = result[role].cast(pl.Int64, strict=False)
            if column.null_count() == 0:
                result = result.with_columns(column)
    result = result.rename(names)
    if given.implementation.is_polars():
        return result.lazy() if isinstance(given, nw.LazyFrame) else result
    if isinstance(given, nw.LazyFrame):
        # DuckDB and the like, which take a frame of polars as a relation.
        backend: Any = given.implementation
        return nw.from_native(result).lazy(backend).to_native()
    columns = {name: result[name].to_list() for name in result.columns}
    return nw.from_dict(columns, backend=given.implementation).to_native()


def is_frame(value: Any) -> bool:
    """Return whether a value is a data frame, or can be read as one."""
    return _narwhals(value) is not None


def _narwhals(frame: Any) -> nw.DataFrame[Any] | nw.LazyFrame[Any] | None:
    _check_column_names(frame)
    found = nw.from_native(frame, pass_through=True)
    if isinstance(found, nw.DataFrame | nw.LazyFrame):
        return found
    if hasattr(frame, "__arrow_c_stream__") and not isinstance(found, nw.Series):
        return nw.from_native(pl.DataFrame(frame))
    return None


def _as_polars(frame: Any, column_names: Mapping[str, str]) -> pl.LazyFrame:
    """Return the columns that have a role; the others are null, whatever they hold."""
    try:
        found = _narwhals(frame)
        if found is None:
            raise InputError(
                f"frame: {type(frame).__name__} is not a data frame of pandas, Polars, PyArrow or "
                "DuckDB; from_csr takes a sparse matrix, and read_interactions a file"
            )
        columns = list(found.collect_schema().names())
        layout = layout_of(INTERACTIONS, columns, column_names)
        if layout is None:
            raise missing_column("frame", INTERACTIONS, columns, column_names)
        used = [columns[index] for index in dict.fromkeys(layout.roles.values())]
        chosen = found.select(used)
        if isinstance(chosen, nw.LazyFrame):
            chosen = chosen.collect("polars")
        values = {name: _series(chosen[name]) for name in used}
    except InputError:
        raise
    # Every library of frames has errors of its own, such as a column of mixed types.
    except (*POLARS_FAILURES, Exception) as error:
        raise InputError(f"frame: cannot be read: {first_line(error, with_type=True)}") from error
    height = chosen.shape[0]
    nothing = pl.repeat(None, height, dtype=pl.String, eager=True)
    return pl.DataFrame({name: values.get(name, nothing) for name in columns}).lazy()


def _check_column_names(frame: Any) -> None:
    """Refuse a frame of pandas with a column whose name is not text, or occurs twice.

    Raises:
        InputError: naming the column.
    """
    if not nw.dependencies.is_pandas_like_dataframe(frame):
        return
    names = frame.columns
    odd = next((name for name in names if not isinstance(name, str)), None)
    if odd is not None:
        raise InputError(
            f"frame: the column {shortened(repr(odd))} has a name that is not text; name the "
            "columns, as in frame.columns = ['user', 'item']"
        )
    if not names.is_unique:
        twice = shortened(names[names.duplicated()][0])
        raise InputError(f"frame: two columns have the name '{twice}'; rename or drop one")


def _series(column: nw.Series[Any]) -> pl.Series:
    """Return a column of any library; one by one where that needs a package that is not there."""
    try:
        return column.to_polars()
    except (ImportError, AttributeError):
        values = [None if value != value else value for value in column.to_list()]
        return pl.Series(column.name, values)


def _ids(name: str, ids: Sequence[Any] | np.ndarray | None, count: int) -> pl.Series:
    """Return the ids of rows or columns as text.

    Raises:
        InputError: they are not as many, one is missing, or one occurs twice.
    """
    if ids is None:
        return pl.int_range(count, eager=True).cast(pl.String)
    if len(ids) != count:
        axis = "rows" if name == "user_ids" else "columns"
        raise InputError(f"{name}: {len(ids):,} ids for {count:,} {axis}")
    listed = np.asarray(ids, object).tolist()
    missing = next((n for n, value in enumerate(listed) if value is None or value != value), None)
    if missing is not None:
        raise InputError(f"{name}[{missing}]: {listed[missing]} is not an id")
    found = pl.Series([str(value) for value in listed], dtype=pl.String)
    repeated = found.filter(found.is_duplicated())
    if len(repeated):
        raise InputError(f"{name}: '{repeated[0]}' occurs twice")
    return found

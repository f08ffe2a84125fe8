"""The rows of a table as checked columns: ids, ratings and times without missing values."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import polars as pl

from multvae_jax.data.ids import as_integers
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.formats import open_table
from multvae_jax.data.readers.schema import Schema
from multvae_jax.data.readers.table import SURPLUS, Row, Table, check_width, collect
from multvae_jax.errors import InputError

_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d")
_IDS = ("user", "item")
_SURPLUS = pl.col(SURPLUS).is_not_null()


@dataclass(frozen=True)
class Records:
    """The rows of one file.

    Attributes:
        name: name of the file in messages.
        rows: one column per role, in file order: `user` and `item` are Int64 if every id is an
            integer in its usual spelling, else text; `rating` and `time` (in seconds) are Float64;
            any other role is text. `item` is null for a user without items.
        columns: names of the file's columns in messages.
        notes: remarks on how the file was read.
    """

    name: str
    rows: pl.DataFrame
    columns: tuple[str, ...]
    notes: tuple[str, ...]


def read_records(
    path: str | Path, schema: Schema, column_names: Mapping[str, str], dialect: Dialect = DETECTED
) -> Records:
    """Read the rows of a file and check every value.

    Args:
        path: the file, as in `open_table`.
        schema: the roles of its columns.
        column_names: for some roles, the name of the column.
        dialect: how the file is written, if it is text.

    Raises:
        InputError: the file cannot be read, or a column or a value is missing or invalid; the
            message names the file, the line, the column and the value.
    """
    table = open_table(path, schema, column_names, dialect)
    table, rows = _read(table)
    rows, notes = _checked(table, rows, column_names)
    return Records(table.name, rows, table.layout.columns, (*table.notes, *notes))


def _read(table: Table) -> tuple[Table, pl.DataFrame]:
    """Read ids as integers if all of them are, else as text."""
    roles = table.layout.roles.items()
    typed = table.typed()
    if typed is not None:
        numbers = (_numeric(role, typed[str(column)]) for role, column in roles)
        rows = typed.lazy().select(numbers).collect(engine="streaming")
        whole = all(rows[role].dtype == pl.Int64 for role in _IDS if role in rows.columns)
        if whole and not _faulty(rows).any():
            return table, rows
    careful = [*(_careful(role, str(column)) for role, column in roles), _SURPLUS]
    table, rows = collect(table, careful)
    return table, rows.with_columns(
        as_integers(rows[role]) for role in _IDS if role in rows.columns
    )


def _numeric(role: str, column: pl.Series) -> pl.Expr:
    """Return the column of a role; ratings and numeric times are Float64."""
    values = pl.col(column.name).alias(role)
    numeric = role == "rating" or (role == "time" and column.dtype == pl.Int64)
    return values.cast(pl.Float64, strict=False) if numeric else values


def _careful(role: str, column: str) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    if role == "rating":
        return text.cast(pl.Float64, strict=False).alias(role)
    return pl.when(text != "").then(text).alias(role)


def _faulty(rows: pl.DataFrame, item_optional: bool = False) -> pl.Series:
    """Return a mask of the rows that lack an id or a finite rating, or have too many fields."""
    holes = [column.name for column in rows if column.name in _IDS and column.has_nulls()]
    faults = [pl.col(role).is_null() for role in holes if not (role == "item" and item_optional)]
    if SURPLUS in rows.columns:
        faults.append(pl.col(SURPLUS))
    if "rating" in rows.columns:
        faults.append(~pl.col("rating").is_finite().fill_null(False))
    return rows.select(pl.any_horizontal(pl.repeat(False, pl.len()), *faults)).to_series()


def _checked(
    table: Table, rows: pl.DataFrame, column_names: Mapping[str, str]
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Raise an error for the first faulty row, drop blank lines, and convert times to seconds."""
    blank = []
    for index in _faulty(rows, table.users_without_items).arg_true():
        row = table.row(index)
        if row.fields:
            raise _fault(row, table)
        blank.append(index)
    if len(blank) == rows.height:
        raise InputError(f"{table.name}: a header and no rows")
    kept = np.ones(rows.height, bool)
    kept[blank] = False
    notes: tuple[str, ...] = ()
    if "time" in rows.columns:
        times = _seconds(rows["time"])
        untimed = np.flatnonzero(times.is_null().to_numpy() & kept)
        rows = rows.with_columns(times)
        if len(untimed):
            notes = (_untimed(table, int(untimed[0]), column_names),)
            rows = rows.drop("time")
    rows = rows.drop(SURPLUS, strict=False)
    return (rows.filter(pl.Series(kept)) if blank else rows), notes


def _fault(row: Row, table: Table) -> InputError:
    check_width(row, table.layout)
    for role, column in table.layout.roles.items():
        value = row.fields[column].strip()
        named = f"{row.place}: column '{table.layout.columns[column]}'"
        if role in (*_IDS, "rating") and not value:
            return InputError(f"{named} is empty")
        if role == "rating" and not _is_number(value):
            return InputError(f"{named}: '{_short(value)}' is not a number")
        if role == "rating" and not isfinite(float(value)):
            return InputError(f"{named}: '{value}' is not a finite number")
    return InputError(f"{row.place}: cannot be read")


def _untimed(table: Table, index: int, column_names: Mapping[str, str]) -> str:
    """Return the note on a time column with a value that is not a time; an error if it is named."""
    row = table.row(index)
    check_width(row, table.layout)
    column = table.layout.roles["time"]
    value = _short(row.fields[column].strip())
    problem = (
        f"{row.place}: column '{table.layout.columns[column]}': '{value}' is not a time "
        "(seconds, or a date such as 2018-09-26 14:30:00)"
    )
    if "time" in column_names:
        raise InputError(problem)
    return f"{problem}; no times were read"


def _seconds(text: pl.Series) -> pl.Series:
    """Return times in seconds, null for a value that is neither a number nor a date."""
    if text.dtype == pl.Float64:
        return text
    numbers = text.str.strip_chars().cast(pl.Float64, strict=False)
    numbers = pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()
    if not numbers.has_nulls():
        return numbers.alias("time")
    plain = pl.col("time").str.strip_chars().str.strip_suffix("Z")
    dates = [plain.str.to_datetime(form, strict=False, time_unit="us") for form in _TIME_FORMATS]
    seconds = pl.coalesce(dates).dt.epoch("us") / 1e6
    return text.to_frame("time").select(pl.coalesce(numbers, seconds).alias("time")).to_series()


def _is_number(text: str) -> bool:
    return bool(pl.Series([text]).cast(pl.Float64, strict=False).is_not_null().all())


def _short(value: str, width: int = 40) -> str:
    return value if len(value) <= width else f"{value[:width]}..."

"""The rows of a table as checked columns: ids, ratings and times without missing values."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import numpy as np
import polars as pl

from multvae_jax.data.ids import MISSING, as_integers, with_fractions
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.formats import open_table
from multvae_jax.data.readers.lists import lists_in
from multvae_jax.data.readers.schema import NUMBERS, Schema
from multvae_jax.data.readers.table import SURPLUS, Row, Table, check_width, collect
from multvae_jax.data.readers.times import seconds_of
from multvae_jax.errors import InputError, shortened

_IDS = ("user", "item")
_ALWAYS = ("score", "rank")  # checked wherever there are any; ratings only if they are used
_SURPLUS = pl.col(SURPLUS).is_not_null()
_ROWS = 50  # rows from which a column without two equal values is not that of the users
_UNFINISHED = "unfinished"
_DECIMAL_COMMA = r"^[-+]?\d+,\d{1,2}$"


@dataclass(frozen=True)
class Records:
    """The rows of one file.

    Attributes:
        name: name of the file in messages.
        rows: one column per role, in file order: `user` and `item` are Int64 if every id is an
            integer in its usual spelling, else text; `rating`, `score`, `rank` and `time` (in
            seconds) are Float64; any other role is text. `item` is null for a user without items.
        columns: names of the file's columns in messages.
        notes: remarks on how the file was read.
        place: returns where a row stands, such as "a.csv:17"; slow. Of interactions it returns
            the number of the row.
    """

    name: str
    rows: pl.DataFrame
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    place: Callable[[int], str] = str


def read_records(
    path: str | Path,
    schema: Schema,
    column_names: Mapping[str, str],
    dialect: Dialect = DETECTED,
    *,
    with_ratings: bool = False,
) -> Records:
    """Read the rows of a file and check every value that is used.

    Args:
        path: the file, as in `open_table`.
        schema: the roles of its columns.
        column_names: for some roles, the name of the column.
        dialect: how the file is written, if it is text.
        with_ratings: whether ratings are used. If not, and their column is not named, they are
            read if all are numbers, and left out otherwise.

    Raises:
        InputError: the file cannot be read, or a column or a value is missing or invalid; the
            message names the file, the line, the column and the value.
    """
    table = open_table(path, schema, column_names, dialect)
    return records_of(table, schema, column_names, with_ratings=with_ratings)


def records_of(
    table: Table, schema: Schema, column_names: Mapping[str, str], *, with_ratings: bool = False
) -> Records:
    """Read the rows of a table and check every value that is used, as in `read_records`."""
    checked = {*schema.required, *column_names, *_ALWAYS, *(("rating",) if with_ratings else ())}
    table, rows = _read(table, checked)
    # A row with a rank is one item.
    lists = None if "rank" in rows.columns else lists_in(table, rows)
    if lists is not None:
        table = replace(table, users_without_items=True, notes=(*table.notes, lists.note))
    rows, kept, notes = _checked(table, rows, checked)
    pairs = schema.aliases.keys() >= set(_IDS)
    if pairs:
        _refuse_rows_as_users(table, rows, column_names)
    if lists is not None:
        rows = lists.exploded(rows)
        rows = rows.with_columns(as_integers(rows["item"]))
    layout_notes = (f"{table.name}: {note}" for note in table.layout.notes)
    return Records(
        table.name,
        rows,
        table.layout.columns,
        (*table.notes, *layout_notes, *_odd_ids(table, rows), *notes),
        # The text of interactions, which may be large, is not kept for this.
        str
        if pairs
        else lambda index: table.row(index if kept is None else int(kept[index])).place,
    )


def _read(table: Table, checked: AbstractSet[str]) -> tuple[Table, pl.DataFrame]:
    """Read ids as integers if all of them are, else as text."""
    roles = table.layout.roles.items()
    typed = table.typed()
    if typed is not None:
        numbers = (_numeric(role, typed[str(column)]) for role, column in roles)
        rows = typed.lazy().select(numbers).collect(engine="streaming")
        whole = all(rows[role].dtype == pl.Int64 for role in _IDS if role in rows.columns)
        if whole and not _faulty(rows, checked).any():
            return table, rows
    careful = [_careful(role, str(column), table.decimal_comma) for role, column in roles]
    last = pl.col(str(len(table.layout.columns) - 1)).is_null().alias(_UNFINISHED)
    width = [] if table.check_widths is None else [last]
    table, rows = collect(table, [*careful, _SURPLUS, *width])
    if table.check_widths is not None:
        table.check_widths(rows[_UNFINISHED])
    rows = rows.drop(_UNFINISHED, strict=False)
    return table, rows.with_columns(
        as_integers(rows[role]) for role in _IDS if role in rows.columns
    )


def _numeric(role: str, column: pl.Series) -> pl.Expr:
    """Return the column of a role; ratings and numeric times are Float64."""
    values = pl.col(column.name).alias(role)
    numeric = role in NUMBERS or (role == "time" and column.dtype == pl.Int64)
    return values.cast(pl.Float64, strict=False) if numeric else values


def _careful(role: str, column: str, decimal_comma: bool) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    if role not in NUMBERS:
        return pl.when(text != "").then(text).alias(role)
    if decimal_comma:
        point = text.str.replace(",", ".", literal=True)
        text = pl.when(text.str.contains(_DECIMAL_COMMA)).then(point).otherwise(text)
    return text.cast(pl.Float64, strict=False).alias(role)


def _faulty(
    rows: pl.DataFrame, checked: AbstractSet[str], item_optional: bool = False
) -> pl.Series:
    """Return a mask of the rows that lack an id or a finite rating, or have too many fields."""
    holes = [column.name for column in rows if column.name in _IDS and column.has_nulls()]
    faults = [pl.col(role).is_null() for role in holes if not (role == "item" and item_optional)]
    if SURPLUS in rows.columns:
        faults.append(pl.col(SURPLUS))
    for role in NUMBERS:
        if role in rows.columns and role in checked:
            faults.append(~pl.col(role).is_finite().fill_null(False))
    return rows.select(pl.any_horizontal(pl.repeat(False, pl.len()), *faults)).to_series()


def _checked(
    table: Table, rows: pl.DataFrame, checked: AbstractSet[str]
) -> tuple[pl.DataFrame, np.ndarray | None, tuple[str, ...]]:
    """Raise an error for the first faulty row, drop blank lines, and convert times to seconds.

    Returns:
        The rows, their indices in the table unless all were kept, and notes.
    """
    kept = np.ones(rows.height, bool)
    faulty = _faulty(rows, checked, table.users_without_items)
    notes: tuple[str, ...] = ()
    repeated = _repeated_headers(table, rows)
    if repeated.any():
        kept, faulty = ~repeated.to_numpy(), faulty & ~repeated
        notes = (f"{table.name}: rows that repeat the header are left out: {repeated.sum():,}",)
    if faulty.any() and table.blank is not None:
        blank = table.blank(faulty)
        kept[blank.to_numpy()] = False
        faulty &= ~blank
    if faulty.any():
        raise _fault(table.row(int(faulty.arg_true()[0])), table, checked)
    if not kept.any():
        raise InputError(f"{table.name}: a header and no rows")
    if "time" in rows.columns:
        times, note = seconds_of(rows["time"])
        notes += (f"{table.name}: {note}",) if note else ()
        untimed = np.flatnonzero(times.is_null().to_numpy() & kept)
        rows = rows.with_columns(times)
        if len(untimed):
            notes += (_untimed(table, int(untimed[0]), checked),)
            rows = rows.drop("time")
    rows = rows.drop(SURPLUS, strict=False)
    indices = None if kept.all() else np.flatnonzero(kept)
    rows = rows if indices is None else rows.filter(pl.Series(kept))
    if "rating" in rows.columns and not rows["rating"].is_finite().fill_null(False).all():
        rows = rows.drop("rating")
    return rows, indices, notes


def _repeated_headers(table: Table, rows: pl.DataFrame) -> pl.Series:
    """Return a mask of the rows that are the header again, as in files that were joined."""
    ids = [role for role in _IDS if role in rows.columns]
    if not table.layout.header or any(rows[role].dtype != pl.String for role in ids):
        return pl.repeat(False, rows.height, eager=True)
    names = [pl.col(role) == table.layout.columns[table.layout.roles[role]] for role in ids]
    return (
        rows.select(pl.all_horizontal(pl.repeat(True, pl.len()), *names))
        .to_series()
        .fill_null(False)
    )


def _refuse_rows_as_users(
    table: Table, rows: pl.DataFrame, column_names: Mapping[str, str]
) -> None:
    """Refuse users that were found by position alone, and of which each has one row."""
    positions = table.layout.columns[:1] == ("1",) and not table.layout.header
    if not positions or "user" in column_names or len(table.layout.columns) < 3:
        return
    if rows.height >= _ROWS and "user" in rows.columns and rows["user"].n_unique() == rows.height:
        raise InputError(
            f"{table.name}: no header, and no two rows have the same value in column 1, so that "
            "it does not look like the user; give --user-column and --item-column by number"
        )


def _odd_ids(table: Table, rows: pl.DataFrame) -> tuple[str, ...]:
    """Return notes on ids that stand for a missing value, or have a fraction.

    Raises:
        InputError: most ids do.
    """
    notes = []
    for role in _IDS:
        if role not in rows.columns or rows[role].dtype != pl.String:
            continue
        column = f"column '{shortened(table.layout.columns[table.layout.roles[role]])}'"
        if with_fractions(rows[role]):
            notes.append(
                f"{table.name}: {column} has ids such as '{rows[role][0]}', which do not meet the "
                "same ids without '.0'"
            )
        found = rows[role].filter(rows[role].is_in(MISSING)).value_counts(sort=True)
        for word, count in found.iter_rows():
            where = f"{table.name}: {column} is '{word}'"
            if count > rows.height / 2:
                raise InputError(
                    f"{where} in {count:,} of {rows.height:,} rows; name another --{role}-column"
                )
            noun = "row, where it" if count == 1 else "rows, where it"
            notes.append(f"{where} in {count:,} {noun} is read as the id of one {role}")
    return tuple(notes)


def _fault(row: Row, table: Table, checked: AbstractSet[str]) -> InputError:
    check_width(row, table.layout)
    for role, column in table.layout.roles.items():
        value = row.fields[column].strip()
        named = f"{row.place}: column '{shortened(table.layout.columns[column])}'"
        if role in checked and role in (*_IDS, *NUMBERS) and not value:
            return InputError(f"{named} is empty")
        if role in NUMBERS and role in checked and not _is_number(value):
            return InputError(f"{named}: '{shortened(value)}' is not a number")
        if role in NUMBERS and role in checked and not isfinite(float(value)):
            return InputError(f"{named}: '{shortened(value)}' is not a finite number")
    return InputError(f"{row.place}: cannot be read")


def _untimed(table: Table, index: int, checked: AbstractSet[str]) -> str:
    """Return the note on a time column with a value that is not a time; an error if it is named."""
    row = table.row(index)
    check_width(row, table.layout)
    column = table.layout.roles["time"]
    value = shortened(row.fields[column].strip())
    reason = "seconds, or a date such as 2018-09-26 14:30:00"
    if value.count("/") == 2:
        reason = f"{reason}; the month may come first or second"
    problem = (
        f"{row.place}: column '{shortened(table.layout.columns[column])}': "
        f"'{value}' is not a time ({reason})"
    )
    if "time" in checked:
        raise InputError(problem)
    return f"{problem}; no times were read"


def _is_number(text: str) -> bool:
    return bool(pl.Series([text]).cast(pl.Float64, strict=False).is_not_null().all())

"""Lazily read rows of a file, and the place of each row in the file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from multvae_jax.data.readers.schema import ColumnLayout
from multvae_jax.errors import InputError, first_line

# Non-null where a row has more fields than the table has columns.
SURPLUS = "surplus"

# A panic of polars, which a damaged Parquet file can cause, is not a subclass of Exception.
POLARS_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


def lines_of(data: bytes, skipped: int = 0) -> pl.LazyFrame:
    """Return text as one column "line", lazily.

    Args:
        data: UTF-8 text.
        skipped: number of lines to leave out at the start.
    """
    return pl.scan_lines(data, name="line").slice(skipped)


class Text(NamedTuple):
    """Lazy text columns "0", "1", ... and `SURPLUS`, and the number of rows that is expected."""

    rows: pl.LazyFrame
    height: int | None = None  # not known before reading


class Row(NamedTuple):
    """One row of the file: its place, such as "a.csv:17", and its fields."""

    place: str
    fields: Sequence[str]


@dataclass(frozen=True)
class Table:
    """The lazily read rows of one file.

    Attributes:
        name: name of the file in messages.
        layout: its columns and their roles.
        typed: reads the columns "0", "1", ..., integers as Int64, without nulls; returns None if
            that would lose information.
        text: reads the rows as text.
        row: finds one row in the file by its index; slow.
        reread: reads the table with a slower reader, which accepts more files and reports errors
            by line; None if there is no such reader.
        blank: returns which of some rows (a mask) are blank lines; None if no row is one.
        check_widths: raises an error for the first row that has too few fields, given the rows (a
            mask) whose last field is empty, or too many; None if no row can.
        decimal_comma: whether a comma may stand for the point in a number.
        users_without_items: whether a row without an item stands for a user without items.
        notes: remarks on how the file was read.
    """

    name: str
    layout: ColumnLayout
    text: Callable[[], Text]
    row: Callable[[int], Row]
    typed: Callable[[], pl.DataFrame | None] = lambda: None
    reread: "Callable[[], Table] | None" = None
    blank: Callable[[pl.Series], pl.Series] | None = None
    check_widths: Callable[[pl.Series], None] | None = None
    decimal_comma: bool = False
    users_without_items: bool = False
    notes: tuple[str, ...] = ()


def collect(table: Table, columns: Sequence[pl.Expr]) -> tuple[Table, pl.DataFrame]:
    """Read columns of a table from its text.

    Returns:
        The table that the columns were read from (perhaps reread), and the columns.

    Raises:
        InputError: the file cannot be read.
    """
    rows, height = table.text()
    try:
        frame = rows.select(columns).collect(engine="streaming")
        problem = "the rows are not one to a line"
    except POLARS_FAILURES as error:
        frame, problem = None, first_line(error)
    if frame is not None and height in (None, frame.height):
        return table, frame
    if table.reread is None:
        raise InputError(f"{table.name}: cannot be read: {problem}")
    return collect(table.reread(), columns)


def check_width(row: Row, layout: ColumnLayout) -> None:
    """Check that a row has one field per column; empty fields after the last column are ignored.

    Raises:
        InputError: with the place of the row and both numbers.
    """
    width, expected = len(row.fields), len(layout.columns)
    if width < expected or any(row.fields[expected:]):
        fields = "1 field" if width == 1 else f"{width} fields"
        model = "the header" if layout.header else "the first line"
        raise InputError(f"{row.place}: {fields} where {model} has {expected}")

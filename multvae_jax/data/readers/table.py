"""A file's rows, not read yet, and the way back from a row to its place in the file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from multvae_jax.data.readers.schema import ColumnLayout
from multvae_jax.errors import InputError, first_line

# Non-null where a row has more fields than the table has columns.
SURPLUS = "surplus"

# A panic of polars, which a damaged Parquet file can cause, is not an Exception.
POLARS_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


class Text(NamedTuple):
    """Text columns "0", "1", ... and `SURPLUS`, not read yet, and how many rows there must be."""

    rows: pl.LazyFrame
    height: int | None = None  # not known before reading


class Row(NamedTuple):
    """One row as it stands in the file: where ("a.csv:17") and its fields, none if blank."""

    place: str
    fields: Sequence[str]


@dataclass(frozen=True)
class Table:
    """The rows of one file, not read yet.

    Attributes:
        name: the file, as messages call it.
        layout: its columns and their roles.
        typed: the columns "0", "1", ..., those of integers as Int64, without nulls; None where
            that would not be what stands in the file.
        text: the rows as text.
        row: finds a row in the file again, by its index; slow.
        reread: reads the table in a slower way that accepts more and says what is wrong by line;
            None where there is no such way.
        users_without_items: whether a row may lack its item, to tell of a user that has none.
        notes: what a user should know of how the file was read.
    """

    name: str
    layout: ColumnLayout
    text: Callable[[], Text]
    row: Callable[[int], Row]
    typed: Callable[[], pl.DataFrame | None] = lambda: None
    reread: "Callable[[], Table] | None" = None
    users_without_items: bool = False
    notes: tuple[str, ...] = ()


def collect(table: Table, columns: Sequence[pl.Expr]) -> tuple[Table, pl.DataFrame]:
    """Read columns of a table from its text.

    Returns:
        The table that was read in the end, to find rows in, and the columns.

    Raises:
        InputError: the file is not what it seemed to be.
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
    """Refuse a row with more or fewer fields than there are columns; an empty last one is none.

    Raises:
        InputError: with the place and both numbers.
    """
    width, expected = len(row.fields), len(layout.columns)
    if width < expected or any(row.fields[expected:]):
        fields = "1 field" if width == 1 else f"{width} fields"
        model = "the header" if layout.header else "the first line"
        raise InputError(f"{row.place}: {fields} where {model} has {expected}")

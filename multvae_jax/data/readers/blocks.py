"""Reader of blocks of an item and its users, as Netflix published its ratings."""

import re

import polars as pl

from multvae_jax.data.readers.preamble import Body
from multvae_jax.data.readers.schema import ColumnLayout
from multvae_jax.data.readers.table import SURPLUS, Row, Table, Text, check_width, lines_of

_START = r"^\s*([^\s,]+):\s*$"
_ROLES = {1: ("user",), 2: ("user", "time"), 3: ("user", "rating", "time")}


def has_blocks(body: Body) -> bool:
    """Return whether the first line is the number of an item and a colon."""
    return re.fullmatch(r"\d+:[ \t]*", body.first()) is not None


def blocks_table(body: Body) -> Table:
    """Return the table of lines "item:", each followed by lines "user,rating,date".

    Raises:
        InputError: a line is neither.
    """
    lines = (
        lines_of(body.data)
        .select(pl.col("line").alias("text"))
        .with_row_index("line")
        .with_columns(pl.col("text").str.extract(_START).alias("item"))
        .with_columns(pl.col("item").is_null().alias("row"), pl.col("item").forward_fill())
        .filter(pl.col("row"), pl.col("text").str.contains(r"\S"))
        .with_columns(pl.col("text").str.strip_chars().str.split(",").alias("fields"))
        .collect()
    )
    width = min(3, int(lines["fields"].list.len()[0]))
    columns = (*_ROLES[width], "item")
    layout = ColumnLayout(False, columns, {name: columns.index(name) for name in columns})

    def row(index: int) -> Row:
        line, item, fields = lines.select("line", "item", "fields").row(index)
        return Row(body.place(line), [*fields[:width], item, *fields[width:]])

    def check_widths(unfinished: pl.Series) -> None:
        for index in unfinished.arg_true():
            check_width(row(index), layout)

    fields = [
        pl.col("fields").list.get(index, null_on_oob=True).alias(name)
        for index, name in enumerate([*map(str, range(width)), SURPLUS])
    ]
    rows = lines.lazy().select(*fields, pl.col("item").alias(str(width)))
    note = f"{body.name}: a line such as '{body.first().strip()}' starts the rows of an item"
    return Table(
        body.name, layout, lambda: Text(rows), row, check_widths=check_widths, notes=(note,)
    )

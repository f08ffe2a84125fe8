"""Readers of lines of words: a user and its items, or rows of a table between blanks."""

from collections.abc import Mapping

import polars as pl

from multvae_jax.data.readers.dialect import BLANKS
from multvae_jax.data.readers.fields import tokens_of
from multvae_jax.data.readers.preamble import Body
from multvae_jax.data.readers.schema import ColumnLayout, NoColumnError
from multvae_jax.data.readers.shape import Shape
from multvae_jax.data.readers.table import SURPLUS, Row, Table, Text, check_width, lines_of
from multvae_jax.errors import InputError, shortened

# A rating or a time.
_VALUE = r"^([-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|\d{4}-\d\d-\d\d([T ].*)?)$"
_PAIR = r"^\d+:[-+.\deE]+$"
_TABLE_WIDTHS = (3, 4)  # user, item, rating and perhaps time
_TABLE_SHARE, _LINES_SHARE = 0.5, 0.95  # users per line, at most of a table, at least of users
_FEWEST = 5  # lines from which repeated first words mean something
_ROLES = ("user", "item")


def words_of(body: Body, separator: str = BLANKS, quote: str | None = None) -> pl.DataFrame:
    """Return the words of each line that has any, and the index of the line.

    Args:
        body: the lines.
        separator: what stands between two words.
        quote: the character around words with blanks, or None.
    """
    line = pl.col("line")
    lines = lines_of(body.data).with_row_index("number").filter(line.str.contains(r"\S"))
    if separator != BLANKS:
        parts = line.str.strip_chars_end("\r").str.split(separator)
        words = parts.list.eval(pl.element().str.strip_chars().replace("", None).drop_nulls())
    elif quote is not None and body.data.find(quote.encode()) >= 0:
        kind = pl.List(pl.String)
        words = line.map_elements(lambda text: tokens_of(text, quote), return_dtype=kind)
    else:
        words = line.str.extract_all(r"\S+")
    return lines.select(pl.col("number").alias("line"), words.alias("words")).collect()


def blanks_table(body: Body, shape: Shape) -> Table:
    """Return the table of lines of fields with blanks between them."""
    words = words_of(body, quote=shape.quote).slice(shape.header_lines)
    width = len(shape.layout.columns)
    if words.is_empty():
        raise InputError(f"{body.name}: a header and no rows")

    def row(index: int) -> Row:
        line, fields = words.row(index)
        return Row(body.place(line), fields)

    def check_widths(unfinished: pl.Series) -> None:
        for index in unfinished.arg_true():
            check_width(row(index), shape.layout)

    names = [*map(str, range(width)), SURPLUS]
    fields = [
        pl.col("words").list.get(index, null_on_oob=True).alias(name)
        for index, name in enumerate(names)
    ]
    rows = words.lazy().select(fields)
    return Table(
        body.name,
        shape.layout,
        lambda: Text(rows),
        row,
        check_widths=check_widths,
        notes=(f"{body.name}: blanks separate the fields (--separator, --lines)",),
    )


def users_table(body: Body, column_names: Mapping[str, str], words: pl.DataFrame) -> Table:
    """Return the table of lines that hold a user and its items.

    Args:
        body: the lines.
        column_names: for some roles, the name of the column.
        words: the words of each line.

    Raises:
        InputError: a column is named that such lines do not have.
    """
    for role, column in column_names.items():
        if column != role or role not in _ROLES:
            raise NoColumnError(
                f"{body.name}: no column '{shortened(column)}'; each line is a user and its items"
            )
    first, note = pl.col("words").list.first(), "each line was read as a user and its items"
    if _counted(words):
        first = pl.col("line").cast(pl.String)
        note = "each line was read as the number of its items and the items; users count from 0"
    elif words["words"].list.first().str.ends_with(":").all():
        first = first.str.strip_suffix(":")
    items = pl.col("words").list.slice(1)
    pairs = words.select("line", first.alias("0"), items.alias("1")).explode(
        "1", empty_as_null=True
    )

    def row(index: int) -> Row:
        line, user, item = pairs.row(index)
        return Row(body.place(line), [user or "", item or ""])

    rows = pairs.lazy().select("0", "1", pl.lit(None, pl.String).alias(SURPLUS))
    layout = ColumnLayout(False, _ROLES, {"user": 0, "item": 1})
    return Table(
        body.name,
        layout,
        lambda: Text(rows),
        row,
        users_without_items=True,
        notes=(f"{body.name}: {note}",),
    )


def users_separator(body: Body) -> str:
    """Return what separates the words of lines that hold a user and its items."""
    first = body.first()
    return next((mark for mark in ("\t", "::", ",", ";", "|") if mark in first), BLANKS)


def is_table(body: Body, words: pl.DataFrame, column_names: Mapping[str, str]) -> bool:
    """Return whether lines of words are rows of a table; else each is a user and its items.

    They are if each has a user, an item and one or two numbers, and users have several lines, if
    columns are named by number, or after comments as KONECT writes them.

    Raises:
        InputError: the lines can be either, or are in another format.
    """
    rest = words.head(1000).select(pl.col("words").list.slice(1)).explode("words")["words"]
    if rest.null_count() < len(rest) and rest.drop_nulls().str.contains(_PAIR).all():
        raise InputError(
            f"{body.name}: pairs of a number and a value, as LIBSVM writes them; "
            "write one row per user and item"
        )
    if body.mark == "%":  # KONECT's networks
        return True
    if column_names:
        return all(name.isdecimal() for name in column_names.values())
    widths = words["words"].list.len()
    users = words["words"].list.first().n_unique() / words.height
    if widths.n_unique() > 1 or widths[0] < min(_TABLE_WIDTHS) or words.height < _FEWEST:
        return False
    if users >= _LINES_SHARE:
        return False
    numbers = words["words"].list.slice(2).explode().str.contains(_VALUE).all()
    if users <= _TABLE_SHARE and numbers and widths[0] in _TABLE_WIDTHS:
        return True
    raise InputError(
        f"{body.name}: each line has {widths[0]} words, and users have several lines; give "
        "--lines rows if a line is a row of a table, --lines users if it is a user and its items"
    )


def _counted(words: pl.DataFrame) -> bool:
    """Return whether each line starts with the number of its further words, as citeulike has it."""
    first = words["words"].list.first()
    counts = words["words"].list.len() - 1
    counted = words.height >= _FEWEST and first.n_unique() < words.height
    return counted and bool((first == counts.cast(pl.String)).all())

"""Lists of items in one field."""

from typing import NamedTuple

import polars as pl

from multvae_jax.data.readers.table import Table
from multvae_jax.errors import InputError, shortened

_ID = r"[A-Za-z]*\d[A-Za-z0-9]*"
_BLANKS_BETWEEN = rf"^{_ID}(?: +{_ID})*$"
_MARKS_BETWEEN = rf"^{_ID}(?: *[,;|] *{_ID})*$"
_CLICKS = rf"^{_ID}-[01](?: +{_ID}-[01])*$"  # as MIND marks what was shown and clicked
_IN_BRACKETS = r"^(?:\[.*\]|\(.*\)|\{.*\})$"
_ENTRY = r"'[^']*'|\"[^\"]*\"|[^,\s\[\](){}]+"


class Lists(NamedTuple):
    """How lists of items are taken apart, and the note on it."""

    entries: pl.Expr
    note: str

    def exploded(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return one row per item; a row without an item has null."""
        return rows.with_columns(self.entries.alias("item")).explode("item", empty_as_null=True)


def lists_in(table: Table, rows: pl.DataFrame) -> Lists | None:
    """Return how to take lists in the column of items apart; None if it holds single items.

    Raises:
        InputError: the items look like lists, and cannot be told apart safely.
    """
    if "item" not in rows.columns or rows["item"].dtype != pl.String:
        return None
    items = rows["item"].drop_nulls()
    several = items.filter(items.str.contains(r"[ ,;|\[({]"))
    if several.is_empty():
        return None
    column = table.layout.columns[table.layout.roles["item"]]
    place = f"{table.name}: column '{shortened(column)}'"
    example = shortened(several[0])
    entries = pl.col("item").str.extract_all(r"\S+")
    if _all(items, _IN_BRACKETS):
        if several.str.contains(r"^\S?\s*\{").any():
            raise InputError(
                f"{place} holds records ('{example}'); write one row per user and item"
            )
        entries = pl.col("item").str.extract_all(_ENTRY)
        entries = entries.list.eval(pl.element().str.strip_chars("'\""))
    elif not column.endswith(":token_seq"):
        blanks = _all(items, _BLANKS_BETWEEN)
        if not (blanks or _all(items, _MARKS_BETWEEN) or _all(items, _CLICKS)):
            return None
        if blanks and 2 * len(several) >= len(items):
            return _read_as_lists(place, example, entries)
        raise InputError(
            f"{place} holds several items in a field ('{example}'); write one row per user and "
            "item, or name another --item-column"
        )
    return _read_as_lists(place, example, entries)


def _read_as_lists(place: str, example: str, entries: pl.Expr) -> Lists:
    note = f"{place} holds lists of items ('{example}'), read as one interaction per entry"
    return Lists(entries, note)


def _all(items: pl.Series, pattern: str) -> bool:
    """Return whether all items have a form; the first few rows decide for most columns."""
    return bool(items.head(100).str.contains(pattern).all() and items.str.contains(pattern).all())

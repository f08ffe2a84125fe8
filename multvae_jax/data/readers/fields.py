"""The fields of single lines, and what kind of values they hold."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from multvae_jax.data.readers.dialect import BLANKS

# Replaces separators of several characters, because polars separates fields by a single one. NUL is
# in no text that is read.
UNIT = "\0"

Kind = Literal["number", "time", "text"]

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|\.\d+)([eE][-+]?\d+)?")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?([T ]\d.*)?|\d\d?[./]\d\d?[./]\d{4}( \d.*)?")


def fields_of(line: str, separator: str, quote: str | None) -> list[str]:
    """Return the fields of one line."""
    line = line.rstrip("\r\n")
    if separator == BLANKS:
        return tokens_of(line, quote)
    if len(separator.encode()) > 1:
        line, separator = line.replace(separator, UNIT), UNIT
    if quote is None or separator == UNIT:
        return line.split(separator)
    try:
        return next(csv.reader([line], **csv_dialect(separator, quote)), [])
    except csv.Error:
        return line.split(separator)


def tokens_of(line: str, quote: str | None) -> list[str]:
    """Return what stands between blanks in one line."""
    if quote is None or quote not in line:
        return line.split()
    mark = re.escape(quote)
    found = re.findall(rf"{mark}((?:[^{mark}]|{mark}{mark})*){mark}(?=\s|$)|(\S+)", line)
    return [plain or quoted.replace(2 * quote, quote) for quoted, plain in found]


def csv_dialect(separator: str, quote: str | None) -> dict[str, Any]:
    """Return the arguments of `csv.reader` for a separator and a quote."""
    if quote is None or separator == UNIT:
        return {"delimiter": separator, "quoting": csv.QUOTE_NONE}
    return {"delimiter": separator, "quotechar": quote}


def kind_of(values: Sequence[str], share: float = 1.0) -> Kind:
    """Return whether values are numbers, or times: dates or seconds since 1970.

    Args:
        values: some values of a column; empty ones do not count.
        share: how many of them must be of the kind.
    """
    filled = [value.strip() for value in values if value.strip()]
    least = share * len(filled) if filled else 1
    if sum(_is_epoch(value) or is_date(value) for value in filled) >= least:
        return "time"
    return "number" if sum(map(is_number, filled)) >= least else "text"


def is_number(value: str) -> bool:
    """Return whether a value is written as a number."""
    return _NUMBER.fullmatch(value.strip()) is not None


def is_date(value: str) -> bool:
    """Return whether a value is written as a date."""
    return _DATE.fullmatch(value.strip()) is not None


def _is_epoch(value: str) -> bool:
    """Return whether a number may be a time after 1995: seconds, milliseconds or microseconds."""
    whole = value.partition(".")[0]
    usual = whole.isdecimal() and whole[0] != "0" and len(whole) in (9, 10, 13, 16)
    return usual and 7.5e8 <= int(whole[:10]) < 3e9


def columns_of(rows: Sequence[Sequence[str]], width: int) -> Iterator[list[str]]:
    """Yield the values of each column, of the rows that have it."""
    for column in range(width):
        yield [row[column] for row in rows if column < len(row)]


@dataclass(frozen=True)
class Candidate:
    """Lines split by one separator: the fields of the first one, and of those after it."""

    separator: str
    first: list[str]
    rows: list[list[str]]

    @property
    def width(self) -> int:
        """Number of fields of the first line."""
        return len(self.first)

    @property
    def has_pairs(self) -> bool:
        """Whether a line has two fields."""
        return any(len(row) > 1 for row in (self.first, *self.rows))

    @property
    def steady(self) -> bool:
        """Whether all rows have as many fields as the first line, or one more (R's row names)."""
        shifted = bool(self.rows) and all(len(row) == self.width + 1 for row in self.rows)
        return shifted or all(
            len(row) == self.width or (len(row) > self.width and not any(row[self.width :]))
            for row in self.rows
        )

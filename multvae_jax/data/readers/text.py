"""Readers of text: fields between separators, or lines of a user and its items."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from multvae_jax.data.readers.dialect import BLANKS, NO_QUOTES, Dialect
from multvae_jax.data.readers.integers import read_integer_columns
from multvae_jax.data.readers.schema import ColumnLayout, Schema, layout_of, missing_column
from multvae_jax.data.readers.table import SURPLUS, Row, Table, Text, check_width
from multvae_jax.errors import InputError

# Replaces `::`, because polars separates fields by a single character.
_UNIT = "\x1f"


def text_table(
    name: str,
    data: bytes,
    schema: Schema,
    column_names: Mapping[str, str],
    dialect: Dialect,
    *,
    separators: tuple[str, ...],
    latin1: bool = False,
    adjacency: bool = False,
) -> Table:
    """Return the table of a text file.

    Args:
        name: name of the file in messages.
        data: contents of the file.
        schema: the roles of its columns.
        column_names: for some roles, the name of the column.
        dialect: how the text is written.
        separators: possible separators; the first one that fits the first line is used.
        latin1: whether text that is not UTF-8 is read as latin-1.
        adjacency: whether lines may be "user item item ...".

    Raises:
        InputError: the file is binary, is not UTF-8, or lacks a column.
    """
    if dialect.encoding is not None:
        data = _recoded(name, data, dialect.encoding)
    if b"\0" in data[:4096]:
        raise InputError(f"{name}: a binary file (an archive, or UTF-16?), not a table of text")
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    if data.find(b"\n") < 0:
        data = data.replace(b"\r", b"\n")
    blank = 0
    if data[:1] in (b"\n", b"\r") or data[-3:].endswith((b"\n\n", b"\n\r\n")):
        body = data.lstrip(b"\r\n")
        blank = data.count(b"\n", 0, len(data) - len(body))
        data = body.rstrip(b"\r\n")
    if latin1 and not _is_utf8(data):
        data = data.decode("latin-1").encode()
    end = data.find(b"\n")
    first = _decoded(name, data[: end if end >= 0 else None], blank)
    if dialect.separator is not None:
        separators = (dialect.separator,)
    quote = None if dialect.quote == NO_QUOTES else dialect.quote or '"'
    present = [separator for separator in separators if separator in first]
    for separator in [] if dialect.lines == "users" else [*dict.fromkeys([*present, BLANKS])]:
        layout = layout_of(schema, _fields(first, separator, quote), column_names, dialect.header)
        if layout is not None and (
            separator != BLANKS or layout.header or dialect.separator or dialect.lines == "rows"
        ):
            if len(separator) > 1:
                data, separator = data.replace(separator.encode(), _UNIT.encode()), _UNIT
            return _Delimited(name, data, separator, layout, blank, quote).table()
    if dialect.lines == "users" or (dialect.lines == "auto" and adjacency and not present):
        return _adjacency(name, data, blank, column_names)
    raise missing_column(name, schema, _fields(first, (present or [","])[0], quote), column_names)


@dataclass(frozen=True)
class _Delimited:
    name: str
    data: bytes
    separator: str
    layout: ColumnLayout
    blank: int  # blank lines removed before the data
    quote: str | None

    @property
    def offset(self) -> int:
        """The line number of the first row, counted from 1."""
        return self.blank + self.layout.header + 1

    def table(self) -> Table:
        """Return the table as polars reads it, one row per line."""
        return Table(self.name, self.layout, self._text, self._finder(), self._typed, self._reread)

    def _typed(self) -> pl.DataFrame | None:
        start = self.data.find(b"\n") + 1 if self.layout.header else 0
        if self.layout.header and not start:
            return None
        return read_integer_columns(self.data, start, self.separator, len(self.layout.columns))

    def _text(self) -> Text:
        quote = self.quote if self.separator != _UNIT else None
        quoted = quote is not None and self.data.find(quote.encode()) >= 0
        columns = [str(index) for index in range(len(self.layout.columns))]
        rows = pl.scan_csv(
            self.data,
            has_header=False,
            skip_lines=int(self.layout.header),
            separator=self.separator,
            quote_char=quote if quoted else None,
            schema=dict.fromkeys([*columns, SURPLUS], pl.String),
            missing_columns="insert",
            glob=False,
        )
        lines = self.data.count(b"\n") + (self.data[-1:] != b"\n")
        height = lines - self.layout.header
        if height == 0:
            raise InputError(f"{self.name}: a header and no rows")
        return Text(rows, height)

    def _finder(self) -> Callable[[int], Row]:
        @cache
        def ends() -> np.ndarray:
            return np.flatnonzero(np.frombuffer(self.data, np.uint8) == ord("\n"))

        def row(index: int) -> Row:
            line = index + self.layout.header
            start = int(ends()[line - 1]) + 1 if line else 0
            stop = int(ends()[line]) if line < len(ends()) else None
            text = self.data[start:stop].decode(errors="replace")
            fields = _fields(text, self.separator, self.quote) if text.strip() else []
            return Row(f"{self.name}:{index + self.offset}", fields)

        return row

    def _reread(self) -> Table:
        text = _decoded(self.name, self.data, self.blank)
        lines, records = [], []
        for line, fields in _records(self.name, text, self.separator, self.quote, self.blank):
            if line >= self.offset and (len(fields) > 1 or "".join(fields).strip()):
                row = Row(f"{self.name}:{line}", fields)
                check_width(row, self.layout)
                lines.append(line)
                records.append(fields)
        width = len(self.layout.columns)
        columns = {str(index): [fields[index] for fields in records] for index in range(width)}
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))

        def found(index: int) -> Row:
            return Row(f"{self.name}:{lines[index]}", records[index])

        rows = frame.lazy().with_columns(pl.lit(None, pl.String).alias(SURPLUS))
        return Table(self.name, self.layout, lambda: Text(rows), found)


def _adjacency(name: str, data: bytes, blank: int, column_names: Mapping[str, str]) -> Table:
    columns = ("user", "item")
    for role, column in column_names.items():
        if column != role or role not in columns:
            raise InputError(f"{name}: no column '{column}'; each line is a user and its items")
    tokens = pl.Series(_decoded(name, data, blank).split("\n")).str.extract_all(r"\S+")
    frame = (
        tokens.to_frame("tokens")
        .with_row_index("line", offset=blank + 1)
        .filter(pl.col("tokens").list.len() > 0)
        .select("line", pl.col("tokens").list.first().alias("0"), pl.col("tokens").list.slice(1))
        .explode("tokens", empty_as_null=True)
    )

    def row(index: int) -> Row:
        line, user, item = frame.row(index)
        return Row(f"{name}:{line}", [user, item or ""])

    rows = frame.lazy().select(
        "0", pl.col("tokens").alias("1"), pl.lit(None, pl.String).alias(SURPLUS)
    )
    layout = ColumnLayout(False, columns, {"user": 0, "item": 1})
    note = f"{name}: each line was read as a user and its items"
    text = Text(rows)
    return Table(name, layout, lambda: text, row, users_without_items=True, notes=(note,))


def _records(
    name: str, text: str, separator: str, quote: str | None, blank: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the line it starts on, by the standard library's reader."""
    dialect = _dialect(separator, quote)
    reader = csv.reader((f"{line}\n" for line in text.split("\n")), strict=True, **dialect)
    while True:
        line = reader.line_num + blank + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = str(error)
            if "end of data" in problem or "field limit" in problem:
                problem = "a quote is opened here and never closed"
            raise InputError(f"{name}:{line}: {problem}") from None


def _dialect(separator: str, quote: str | None) -> dict[str, Any]:
    if len(separator) > 1 or separator == _UNIT:
        return {"delimiter": _UNIT, "quoting": csv.QUOTE_NONE}
    if quote is None:
        return {"delimiter": separator, "quoting": csv.QUOTE_NONE}
    return {"delimiter": separator, "quotechar": quote}


def _fields(line: str, separator: str, quote: str | None) -> list[str]:
    dialect = _dialect(separator, quote)
    if len(separator) > 1:
        line = line.replace(separator, _UNIT)
    try:
        return next(csv.reader([line.rstrip("\r")], **dialect), [])
    except csv.Error:
        return line.rstrip("\r").split(dialect["delimiter"])


def _recoded(name: str, data: bytes, encoding: str) -> bytes:
    try:
        return data.decode(encoding).removeprefix("\ufeff").encode()
    except UnicodeError:
        raise InputError(f"{name}: the text is not {encoding}; set --encoding") from None


def _is_utf8(data: bytes) -> bool:
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def _decoded(name: str, data: bytes, blank: int) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + blank + 1
        byte = data[error.start]
        raise InputError(f"{name}:{line}: byte 0x{byte:02x} is not UTF-8 text") from None

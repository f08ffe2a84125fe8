"""Reader of rows of fields between separators."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

import numpy as np
import polars as pl

from multvae_jax.data.readers.fields import UNIT, csv_dialect, fields_of
from multvae_jax.data.readers.integers import read_integer_columns
from multvae_jax.data.readers.preamble import Body
from multvae_jax.data.readers.shape import Shape
from multvae_jax.data.readers.table import SURPLUS, Row, Table, Text, check_width, lines_of
from multvae_jax.errors import InputError

_CHUNK = 2**20

# A field between tabs that starts with a quote and does not end with one.
_BARE_QUOTE = re.compile(rb'(?m)(?:^|\t)"(?:[^"\t\n]|"")*(?:"[^"\t\r\n]|[\t\n]|\Z)')
# A backslash before a quote that neither ends its field nor comes before another quote.
_ESCAPED_QUOTE = r'\\"(?!"|[ \t]*(?:%s|\r?\n|\Z))'
_ESCAPED = re.compile(rb'\\(["\\])')


def delimited_table(body: Body, shape: Shape, quote: str | None) -> Table:
    """Return the table of a text file, one row per line unless a line end is quoted.

    Args:
        body: the rows, and the header if the shape has one.
        shape: their separator, quote and columns.
        quote: the quote that was asked for; None to recognize whether quotes are part of the text,
            and whether a backslash comes before a quote within a quoted field.
    """
    separator, data = shape.separator, body.data
    if len(separator.encode()) > 1:
        body = replace(body, data=data.replace(separator.encode(), UNIT.encode()))
        return _Delimited(body, replace(shape, separator=UNIT, quote=None)).table()
    plain = _Delimited(body, shape)
    if quote is not None or data.find(b'"') < 0:
        return plain.table()
    if separator == "\t" and _BARE_QUOTE.search(data) is not None:
        note = "quotes are read as part of the text (--quote)"
        bare = _Delimited(body, replace(shape, quote=None), (note,))
        return bare.table() if bare.steady() else _quoted(plain) or bare.table()
    if data.find(b'\\"') >= 0:
        escaped = re.compile((_ESCAPED_QUOTE % re.escape(separator)).encode())
        if plain.breaks_rules(match.start() for match in escaped.finditer(data)):
            note = "a backslash and a quote in a field are read as a quote"
            text = _ESCAPED.sub(lambda found: b'""' if found[1] == b'"' else b"\\", data)
            body = replace(body, data=text)
            return _Delimited(body, shape, (note,)).table()
    return plain.table()


def _quoted(plain: "_Delimited") -> Table | None:
    """Return the table with quotes around fields, or None if they do not make one."""
    try:
        return plain.reread()
    except InputError:
        return None


@dataclass(frozen=True)
class _Delimited:
    body: Body
    shape: Shape
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.body.name

    @property
    def width(self) -> int:
        return len(self.shape.layout.columns)

    def table(self) -> Table:
        """Return the table as polars reads it, unless a quote stands where it cannot."""
        quote, data = self.shape.quote, self.body.data
        if quote is not None and data.find(quote.encode()) >= 0:
            # polars overlooks a quote within a quoted field, and one that is open at the end.
            odd = chain([len(data) - 1], _odd_quotes(data, quote, self.shape.separator))
            if self.breaks_rules(odd):
                return self.reread()
        return self._table()

    def breaks_rules(self, places: Iterable[int]) -> bool:
        """Return whether a line at some places, taken alone, breaks the rules of quotes."""
        data, done = self.body.data, 0
        dialect = csv_dialect(self.shape.separator, self.shape.quote)
        for place in places:
            if place < done < len(data):
                continue
            start, stop = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place)
            done = stop + 1 if stop >= 0 else len(data)
            try:
                next(
                    csv.reader([data[start:done].decode(errors="replace")], strict=True, **dialect)
                )
            except csv.Error:
                return True
        return False

    def _table(self) -> Table:
        return Table(
            self.name,
            self.shape.layout,
            self._text,
            self._finder(),
            self._typed,
            self.reread,
            blank=self._blank,
            check_widths=self._check_widths,
            decimal_comma=self.shape.separator != ",",
            notes=tuple(f"{self.name}: {note}" for note in self.notes),
        )

    def _typed(self) -> pl.DataFrame | None:
        data, skipped = self.body.data, self.shape.header_lines
        start = data.find(b"\n") + 1 if skipped else 0
        if skipped and not start:
            return None
        return read_integer_columns(data, start, self.shape.separator, self.width)

    def _text(self) -> Text:
        data, quote = self.body.data, self.shape.quote
        quoted = quote is not None and data.find(quote.encode()) >= 0
        columns = [str(index) for index in range(self.width)]
        rows = pl.scan_csv(
            self.body.data,
            has_header=False,
            skip_lines=self.shape.header_lines,
            separator=self.shape.separator,
            quote_char=quote if quoted else None,
            schema=dict.fromkeys([*columns, SURPLUS], pl.String),
            missing_columns="insert",
            glob=False,
        )
        height = data.count(b"\n") + (data[-1:] != b"\n") - self.shape.header_lines
        if height == 0:
            raise InputError(f"{self.name}: a header and no rows")
        return Text(rows, height)

    def steady(self) -> bool:
        """Return whether each line has as many separators as the first one."""
        lines = self._lines().filter(pl.col("line").str.contains(r"\S"))
        same = self._separators() == self.width - 1
        return bool(lines.select(same.all()).collect().item())

    def _separators(self) -> pl.Expr:
        return pl.col("line").str.count_matches(self.shape.separator, literal=True)

    def _check_widths(self, unfinished: pl.Series) -> None:
        """Refuse a row of too few fields, which polars fills up, among those with an empty end.

        Also one of too many, which polars drops without a word if the first of them is empty.
        """
        line, separator = pl.col("line"), self.shape.separator
        doubtful = line.str.contains(self.shape.quote or UNIT, literal=True)
        odd = unfinished & ((self._separators() < self.width - 1) | doubtful)
        if self.body.data.count(separator.encode()) > len(unfinished) * (self.width - 1):
            ended = line.str.strip_chars_end(f"{separator}\r")
            many = ended.str.count_matches(separator, literal=True) > self.width - 1
            odd |= many & line.str.contains(2 * separator, literal=True)
        elif not unfinished.any():
            return
        lines = self._lines().filter(odd, line.str.contains(r"\S"))
        row = self._finder()
        for index in lines.select("row").collect()["row"]:
            check_width(row(index), self.shape.layout)

    def _blank(self, faulty: pl.Series) -> pl.Series:
        lines = self._lines().filter(faulty, ~pl.col("line").str.contains(r"\S").fill_null(False))
        blank = np.zeros(len(faulty), bool)
        blank[lines.select("row").collect()["row"].to_numpy()] = True
        return pl.Series(blank)

    def _lines(self) -> pl.LazyFrame:
        """Return the lines of the rows, whole, and their numbers."""
        return lines_of(self.body.data, self.shape.header_lines).with_row_index("row")

    def _finder(self) -> Callable[[int], Row]:
        @cache
        def ends() -> np.ndarray:
            return np.flatnonzero(np.frombuffer(self.body.data, np.uint8) == ord("\n"))

        def row(index: int) -> Row:
            line = index + self.shape.header_lines
            start = int(ends()[line - 1]) + 1 if line else 0
            stop = int(ends()[line]) if line < len(ends()) else None
            text = self.body.data[start:stop].decode(errors="replace")
            fields = self._fields(text) if text.strip() else []
            return Row(self.body.place(line), fields)

        return row

    def _fields(self, line: str) -> list[str]:
        return fields_of(line, self.shape.separator, self.shape.quote)

    def reread(self) -> Table:
        """Return the table as the standard library reads it, which is slow and strict.

        Raises:
            InputError: a quote is not closed, or a row has another number of fields.
        """
        places, records = [], []
        for line, fields in self._records():
            if line >= self.shape.header_lines and (len(fields) > 1 or "".join(fields).strip()):
                row = Row(self.body.place(line), fields)
                check_width(row, self.shape.layout)
                places.append(row.place)
                records.append(fields)
        columns = {str(index): [row[index] for row in records] for index in range(self.width)}
        frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
        rows = frame.lazy().with_columns(pl.lit(None, pl.String).alias(SURPLUS))

        def found(index: int) -> Row:
            return Row(places[index], records[index])

        return replace(
            self._table(),
            text=lambda: Text(rows),
            row=found,
            typed=lambda: None,
            reread=None,
            blank=None,
            check_widths=None,
        )

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each record with the line it starts on, by the standard library's reader."""
        lines = io.TextIOWrapper(io.BytesIO(self.body.data), "utf-8", newline="\n")
        dialect = csv_dialect(self.shape.separator, self.shape.quote)
        reader = csv.reader(lines, strict=True, **dialect)
        while True:
            line = reader.line_num
            try:
                yield line, next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise InputError(f"{self.body.place(line)}: {_problem(error)}") from None


def _odd_quotes(data: bytes, quote: str, separator: str) -> Iterator[int]:
    """Yield the places of quotes that neither open nor close a field and are not doubled."""
    text = np.frombuffer(data, np.uint8)
    for start in range(0, len(data), _CHUNK):
        # One more byte at each side, so that no quote is judged without its neighbors.
        left = max(start - 1, 0)
        part = text[left : start + _CHUNK + 1]
        quotes = part == ord(quote)
        ends = (part == ord(separator)) | (part == ord("\n")) | (part == ord("\r"))
        # Before a field's text a quote opens the field: no more has to be looked at in most files.
        inside = quotes[1:-1] & ~(ends | quotes)[2:] & ~ends[:-2]
        if not inside.any():
            continue
        places = np.flatnonzero(quotes)
        opened = np.flatnonzero(np.diff(places, prepend=-2) > 1)  # the first of a run of quotes
        first, last = places[opened], places[np.append(opened[1:], len(places)) - 1]
        even = (last - first) % 2 == 1
        before = ends[np.maximum(first - 1, 0)] | (first == 0)
        after = ends[np.minimum(last + 1, len(part) - 1)] | (last == len(part) - 1)
        for place in first[~after & (before == even)]:
            yield left + int(place)


def _problem(error: csv.Error) -> str:
    problem = str(error)
    if "end of data" in problem:
        return "a quote is opened here and never closed; --quote none reads quotes as text"
    if "field limit" in problem:
        limit = csv.field_size_limit()
        return (
            f"a quoted field of more than {limit:,} characters; --quote none reads quotes as text"
        )
    if "expected after" in problem:
        return f"{problem}; --quote none reads quotes as text"
    return problem

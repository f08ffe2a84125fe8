"""Fast path: integer columns parsed as integers if that is lossless."""

import re

import polars as pl

from multvae_jax.data.readers.table import POLARS_FAILURES

_HEAD = 2**16
_INTEGER = re.compile(rb"0|[1-9][0-9]{0,17}")


def read_integer_columns(
    data: bytes, start: int, separator: str, width: int
) -> pl.DataFrame | None:
    """Read a table's columns of integers as integers, the others as text.

    An integer can be spelled in several ways (7, 007, +7, " 7"), which are different ids, and the
    usual spelling is the shortest. Parsing therefore lost nothing if the parsed table, written out
    again, has as many bytes as the file.

    Args:
        data: the contents of the file.
        start: offset of the first row in the contents.
        separator: the character between two fields.
        width: the number of columns.

    Returns:
        Columns "0", "1" and so on without nulls, Int64 or text; None if parsing would lose
        information or not all rows have `width` fields.
    """
    # Separators and line ends inside quotes belong to a field.
    if data.find(b'"', start) >= 0:
        return None
    head = data[start : start + _HEAD].split(b"\n")
    # The last line is incomplete, or the empty string after the last line end.
    head = head[:-1] or head
    ending = b"\r" if head[0].endswith(b"\r") else b""
    fields = [line.removesuffix(ending).split(separator.encode()) for line in head]
    if any(len(line) != width for line in fields):
        return None
    kinds = [
        pl.Int64 if all(_INTEGER.fullmatch(field) for field in column) else pl.String
        for column in zip(*fields, strict=True)
    ]
    if pl.Int64 not in kinds:
        return None
    scan = pl.scan_csv(
        data,
        has_header=False,
        skip_lines=int(start > 0),
        separator=separator,
        quote_char=None,
        schema={str(index): kind for index, kind in enumerate(kinds)},
        glob=False,
    )
    try:
        rows = scan.collect(engine="streaming")
    except POLARS_FAILURES:
        return None
    if rows.is_empty() or any(rows.null_count().row(0)) or _negative(rows):
        return None
    between = width - 1 + len(ending) + len(b"\n")
    unended = 0 if data[-1:] == b"\n" else len(ending) + len(b"\n")
    written = rows.lazy().select(_bytes(column).alias(column.name) for column in rows)
    length = sum(written.collect(engine="streaming").row(0)) + between * rows.height - unended
    return rows if length == len(data) - start else None


def _negative(rows: pl.DataFrame) -> bool:
    """Return whether any number is negative."""
    return any(least < 0 for least in rows.select(pl.col(pl.Int64).min()).row(0))


def _bytes(column: pl.Series) -> pl.Expr:
    """Return the number of bytes of a column of text or nonnegative numbers, written as text."""
    values = pl.col(column.name)
    if column.dtype == pl.String:
        return values.str.len_bytes().cast(pl.Int64).sum()
    fewest, most = len(str(column.min())), len(str(column.max()))
    further = [(values >= 10**digits).sum().cast(pl.Int64) for digits in range(fewest, most)]
    return pl.sum_horizontal(pl.len().cast(pl.Int64) * fewest, *further)

"""Recognition of a file's format, by its suffix and then by its content."""

import gzip
import io
import re
import zlib
from collections.abc import Mapping
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Protocol

import polars as pl

from multvae_jax.data.readers.schema import Schema, layout_of, missing_column
from multvae_jax.data.readers.table import POLARS_FAILURES, SURPLUS, Row, Table, Text
from multvae_jax.data.readers.text import text_table
from multvae_jax.errors import InputError, file_errors, first_line


class Reader(Protocol):
    """A reader of a table from a file's decompressed bytes, or from the file mapped into memory."""

    def __call__(
        self, name: str, data: bytes | mmap, schema: Schema, column_names: Mapping[str, str]
    ) -> Table:
        """Read a file's layout.

        Raises:
            InputError: the bytes are not in this format, or lack a column.
        """


def open_table(path: Path, schema: Schema, column_names: Mapping[str, str]) -> Table:
    """Recognize a file's format, by suffix and then by content, and read its layout.

    Args:
        path: the file, compressed with gzip or not.
        schema: the roles of its columns.
        column_names: for some roles, the name of the column.

    Raises:
        InputError: the file cannot be read, is empty, or lacks a column.
    """
    data, suffix = _contents(path)
    if re.search(rb"\S", data) is None:
        raise InputError(f"{path}: the file is empty")
    if data[:4] == b"PAR1":
        suffix = ".parquet"
    return _READERS.get(suffix, _plain)(str(path), data, schema, column_names)


def _contents(path: Path) -> tuple[bytes | mmap, str]:
    with file_errors(path):
        if path.is_dir():
            raise InputError(f"{path}: a directory, not a file")
        try:
            data = _mapped(path)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    try:
        if zipped or data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data[:])
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a complete gzip file: {first_line(error)}") from None
    return data, (suffixes[-2 if zipped else -1 :] or [""])[0]


def _mapped(path: Path) -> bytes | mmap:
    """Map a file into memory, or read it if it cannot be mapped."""
    with path.open("rb") as file:
        try:
            return mmap(file.fileno(), 0, access=ACCESS_READ)
        except (ValueError, OSError):  # empty; a pipe
            return file.read()


def _parquet(
    name: str, data: bytes | mmap, schema: Schema, column_names: Mapping[str, str]
) -> Table:
    try:
        scan = pl.scan_parquet(io.BytesIO(data[:]))
        columns = scan.collect_schema().names()
    except POLARS_FAILURES as error:
        raise InputError(f"{name}: not a complete Parquet file: {first_line(error)}") from None
    layout = layout_of(schema, columns, column_names)
    if layout is None or not layout.header:
        raise missing_column(name, schema, columns, column_names)
    rows = scan.select(
        *(pl.nth(index).cast(pl.String).alias(str(index)) for index in range(len(columns))),
        pl.lit(None, pl.String).alias(SURPLUS),
    )

    def typed() -> pl.DataFrame | None:
        kinds = scan.collect_schema().dtypes()
        columns = [
            pl.nth(index)
            .cast(pl.Int64 if kinds[index].is_integer() else pl.String, strict=False)
            .alias(str(index))
            for index in layout.roles.values()
        ]
        try:
            rows = scan.select(columns).collect()
        except POLARS_FAILURES:
            return None
        return None if any(rows.null_count().row(0)) else rows

    def row(index: int) -> Row:
        used = {str(column) for column in layout.roles.values()}
        values = rows.select(used).slice(index, 1).collect().row(0, named=True)
        fields = [values.get(str(column)) or "" for column in range(len(columns))]
        return Row(f"{name}: row {index + 1}", fields)

    return Table(name, layout, lambda: Text(rows), row, typed)


_plain: Reader = partial(text_table, separators=("\t", "::", ",", ";"), adjacency=True)

_READERS: Mapping[str, Reader] = {
    ".parquet": _parquet,
    ".pq": _parquet,
    ".csv": partial(text_table, separators=(",", ";", "\t")),
    ".tsv": partial(text_table, separators=("\t",)),
    ".inter": partial(text_table, separators=("\t", ",")),
    ".item": partial(text_table, separators=("\t", "|", ","), latin1=True),
    ".dat": partial(text_table, separators=("::", "\t", ",", ";"), latin1=True, adjacency=True),
}

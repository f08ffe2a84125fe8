"""Recognition of a file's format, by its suffix and then by its content."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.frames import arrow_stream_table, arrow_table, parquet_table
from multvae_jax.data.readers.json_records import json_table, looks_like_objects
from multvae_jax.data.readers.schema import Schema
from multvae_jax.data.readers.signatures import refuse_foreign
from multvae_jax.data.readers.sources import open_source
from multvae_jax.data.readers.table import Table
from multvae_jax.data.readers.text import text_table
from multvae_jax.errors import InputError


class Reader(Protocol):
    """A reader of a table from a file's decompressed bytes."""

    def __call__(
        self, name: str, data: bytes, schema: Schema, column_names: Mapping[str, str]
    ) -> Table:
        """Read a file's layout.

        Raises:
            InputError: the bytes are not in this format, or lack a column.
        """


def open_table(
    path: str | Path, schema: Schema, column_names: Mapping[str, str], dialect: Dialect = DETECTED
) -> Table:
    """Recognize a file's format, by suffix and then by content, and read its layout.

    Args:
        path: the file, compressed or not; "-" for standard input, or a member of a zip file.
        schema: the roles of its columns.
        column_names: for some roles, the name of the column.
        dialect: how the file is written, if it is text.

    Raises:
        InputError: the file cannot be read, is empty, or lacks a column.
    """
    name, data, suffix, notes = open_source(path)
    if re.search(rb"\S", data) is None:
        raise InputError(f"{name}: the file is empty")
    reader = next((reader for magic, reader in _MAGIC if data.startswith(magic)), None)
    if reader is None:
        refuse_foreign(name, data, suffix)
        reader = json_table if looks_like_objects(data) else _READERS.get(suffix)
    if reader is not None:
        table = reader(name, data, schema, column_names)
    else:
        table = text_table(name, data, schema, column_names, dialect, suffix)
    return replace(table, notes=(*notes, *table.notes))


_MAGIC: Sequence[tuple[bytes, Reader]] = (
    (b"PAR1", parquet_table),
    (b"ARROW1", arrow_table),
    (b"\xff\xff\xff\xff", arrow_stream_table),
)

_READERS: Mapping[str, Reader] = {
    ".parquet": parquet_table,
    ".pq": parquet_table,
    ".arrow": arrow_table,
    ".feather": arrow_table,
    ".ipc": arrow_table,
    ".json": json_table,
    ".jsonl": json_table,
    ".ndjson": json_table,
}

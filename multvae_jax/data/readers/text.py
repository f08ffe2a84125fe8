"""Reader of text: encoding, what stands before the rows, and the kind of its lines."""

from collections.abc import Mapping
from dataclasses import replace

from multvae_jax.data.readers.blanks import (
    blanks_table,
    is_table,
    users_separator,
    users_table,
    words_of,
)
from multvae_jax.data.readers.blocks import blocks_table, has_blocks
from multvae_jax.data.readers.delimited import delimited_table
from multvae_jax.data.readers.dialect import BLANKS, Dialect
from multvae_jax.data.readers.encoding import as_utf8
from multvae_jax.data.readers.preamble import Body, body_of, matrix_entries
from multvae_jax.data.readers.runs import is_run, run_table
from multvae_jax.data.readers.schema import INTERACTIONS, RECOMMENDATIONS, Schema
from multvae_jax.data.readers.shape import shape_of
from multvae_jax.data.readers.table import Table


def text_table(
    name: str,
    data: bytes,
    schema: Schema,
    column_names: Mapping[str, str],
    dialect: Dialect,
    suffix: str = "",
) -> Table:
    """Return the table of a text file.

    Args:
        name: path of the file; polars reads it again if `data` is a memory map.
        data: contents of the file.
        schema: the roles of its columns.
        column_names: for some roles, the name of the column.
        dialect: how the text is written.
        suffix: the ending of the file's name, which decides where the content does not.

    Raises:
        InputError: the file is not text, is in another format, or lacks a column.
    """
    text, notes = as_utf8(name, data, dialect.encoding)
    if schema is RECOMMENDATIONS and is_run(text, suffix):
        return replace(run_table(Body(name, text)), notes=notes)
    body = body_of(name, text)
    table = _table(body, schema, column_names, dialect, suffix)
    return replace(table, notes=(*notes, *body.notes(), *table.notes))


def _table(
    body: Body, schema: Schema, column_names: Mapping[str, str], dialect: Dialect, suffix: str
) -> Table:
    if dialect.lines == "users":
        separator = dialect.separator or users_separator(body)
        return users_table(body, column_names, words_of(body, separator))
    if body.matrix:
        body, column_names = matrix_entries(body), {"user": "1", "item": "2", **column_names}
        dialect = replace(dialect, separator=BLANKS, header="no")
    elif schema is INTERACTIONS and has_blocks(body):
        return blocks_table(body)
    shape = shape_of(body, schema, column_names, dialect, suffix)
    if shape is None:
        words = words_of(body)
        if not is_table(body, words, column_names):
            return users_table(body, column_names, words)
        shape = shape_of(body, schema, column_names, replace(dialect, separator=BLANKS))
        assert shape is not None
    if shape.separator == BLANKS:
        return blanks_table(body, shape)
    given = shape.quote if shape.quote != '"' else dialect.quote
    return delimited_table(body, shape, given)

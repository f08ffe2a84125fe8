"""Reader of objects: JSON Lines, an array of JSON objects, or lines of Python literals."""

import ast
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import polars as pl

from multvae_jax.data.readers.json_lists import json_lists_table
from multvae_jax.data.readers.schema import (
    RECOMMENDATIONS,
    ColumnLayout,
    Schema,
    layout_of,
    missing_column,
)
from multvae_jax.data.readers.table import POLARS_FAILURES, SURPLUS, Row, Table, Text
from multvae_jax.errors import InputError, first_line
from multvae_jax.host.console import native_errors_muted

# The first objects, whose keys are the columns.
_HEAD = 100

_STARTS = re.compile(rb"(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*(u?['\"]|\})")
_LITERAL = re.compile(rb"\s*\{\s*u?'")


def looks_like_objects(data: bytes) -> bool:
    """Return whether text starts as an object or an array of objects does."""
    return _STARTS.match(data[:1024]) is not None


def json_table(name: str, data: bytes, schema: Schema, column_names: Mapping[str, str]) -> Table:
    """Return the table of objects, one per line or in an array.

    The columns are the keys of the first objects; an object may lack some. Ids are the text of a
    string, or the digits of a number; a float that is a whole number is an integer.

    Args:
        name: name of the file in messages.
        data: contents of the file.
        schema: the roles of its columns.
        column_names: for some roles, the name of the key.

    Raises:
        InputError: the file is not JSON, with the line, or lacks a column.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if schema is RECOMMENDATIONS and (lists := json_lists_table(name, data, column_names)):
        return lists
    if data.lstrip()[:1] == b"[":
        return _of_array(name, data, schema, column_names)
    literal = _LITERAL.match(data) is not None
    parse = _literal if literal else _strict
    first = [found for _, _, found in islice(_objects(name, data, parse), _HEAD)]
    layout = _layout(name, first, schema, column_names)
    keys = _keys(layout)
    if literal:
        rows = _parsed(name, data, keys)
        notes: tuple[str, ...] = (
            f"{name}: each line was read as a literal of Python, not as JSON",
        )
    else:
        rows = _scanned(name, data, keys)
        notes = ()

    def line(index: int) -> int:
        lines = (number for number, text in enumerate(_lines(data), start=1) if text.strip())
        return next(islice(lines, index, None))

    def find(index: int) -> tuple[int, Any]:
        number = line(index)
        return number, parse(next(islice(_lines(data), number - 1, None)))

    _refuse_nested(name, layout, rows, find)
    return _table(name, layout, rows, lambda index: f"{name}:{line(index)}", notes)


def _of_array(name: str, data: bytes, schema: Schema, column_names: Mapping[str, str]) -> Table:
    try:
        # The keys are those of the first objects, as if the array ended after them.
        head = pl.read_json(io.BytesIO(data), infer_schema_length=_HEAD)
        layout = _layout(name, [dict.fromkeys(head.columns)], schema, column_names)
        columns = pl.read_json(
            io.BytesIO(data), schema=dict.fromkeys(_keys(layout).values(), pl.String)
        )
    except POLARS_FAILURES as error:
        raise InputError(
            f"{name}: not an array of JSON objects with text or numbers as ids: {first_line(error)}"
        ) from None
    rows = columns.select(pl.col(key).alias(index) for index, key in _keys(layout).items())
    return _table(name, layout, rows, lambda index: f"{name}: object {index + 1}", ())


def _layout(
    name: str, first: list[dict[str, Any]], schema: Schema, column_names: Mapping[str, str]
) -> ColumnLayout:
    columns = list(dict.fromkeys(key for found in first for key in found))
    layout = layout_of(schema, columns, column_names)
    if layout is None or not layout.header:
        raise missing_column(name, schema, columns, column_names)
    # As they are written; a layout has them stripped.
    return ColumnLayout(True, tuple(columns), layout.roles)


def _keys(layout: ColumnLayout) -> dict[str, str]:
    """Return the key of each column that is used, by the name that the table has for it."""
    return {str(column): layout.columns[column] for column in layout.roles.values()}


def _scanned(name: str, data: bytes, keys: Mapping[str, str]) -> pl.DataFrame:
    scan = pl.scan_ndjson(io.BytesIO(data), schema=dict.fromkeys(keys.values(), pl.String))
    selected = scan.select(pl.col(key).alias(index) for index, key in keys.items())
    with native_errors_muted():
        try:
            return selected.collect(engine="streaming")
        except POLARS_FAILURES as error:
            problem = first_line(error)
    for _ in _objects(name, data, _strict):
        pass
    raise InputError(f"{name}: cannot be read as JSON Lines: {problem}")


def _parsed(name: str, data: bytes, keys: Mapping[str, str]) -> pl.DataFrame:
    columns: dict[str, list[str | None]] = {index: [] for index in keys}
    for _, _, found in _objects(name, data, _literal):
        for index, key in keys.items():
            columns[index].append(_as_text(found.get(key)))
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _as_text(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value)


def _lines(data: bytes) -> Iterator[bytes]:
    return iter(io.BytesIO(data))


def _objects(
    name: str, data: bytes, parse: Callable[[bytes], Any]
) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Yield the number, the text and the object of each line that is not blank."""
    for number, text in enumerate(_lines(data), start=1):
        if not text.strip():
            continue
        try:
            found = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise InputError(
                f"{name}:{number}: not an object in one line, as in JSON Lines: {first_line(error)}"
            ) from None
        if not isinstance(found, dict):
            raise InputError(f"{name}:{number}: a {type(found).__name__}, not an object")
        yield number, text, {str(key): value for key, value in found.items()}


def _strict(text: bytes) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON; write null")


def _literal(text: bytes) -> Any:
    return ast.literal_eval(text.strip().decode())


def _refuse_nested(
    name: str, layout: ColumnLayout, rows: pl.DataFrame, find: Callable[[int], tuple[int, Any]]
) -> None:
    """Refuse ids that are lists or objects, which polars writes as their JSON."""
    for role, column in layout.roles.items():
        if role not in ("user", "item"):
            continue
        nested = rows[str(column)].str.contains(r"^[\[{]").fill_null(False).arg_true()
        for index in nested[:_HEAD]:
            line, found = find(index)
            value = found.get(layout.columns[column])
            if isinstance(value, list | dict):
                kind = "a list" if isinstance(value, list) else "an object"
                raise InputError(
                    f"{name}:{line}: column '{layout.columns[column]}' is {kind}; write one line "
                    "for each interaction, with text or a number as its ids"
                )


def _table(
    name: str,
    layout: ColumnLayout,
    rows: pl.DataFrame,
    place: Callable[[int], str],
    notes: tuple[str, ...],
) -> Table:
    text = rows.lazy().with_columns(
        pl.lit(None, pl.String).alias(str(index))
        for index in range(len(layout.columns))
        if str(index) not in rows.columns
    )
    text = text.with_columns(pl.lit(None, pl.String).alias(SURPLUS))

    def row(index: int) -> Row:
        values = rows.row(index, named=True)
        fields = [values.get(str(column)) or "" for column in range(len(layout.columns))]
        return Row(place(index), fields)

    return Table(name, layout, lambda: Text(text), row, notes=notes)

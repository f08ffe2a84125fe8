"""Readers of typed columns: Parquet and Arrow files."""

import io
from collections.abc import Callable, Mapping

import polars as pl

from multvae_jax.data.readers.schema import (
    LISTED,
    NUMBERS,
    RECOMMENDATIONS,
    ColumnLayout,
    Schema,
    layout_of,
    missing_column,
)
from multvae_jax.data.readers.table import POLARS_FAILURES, SURPLUS, Row, Table, Text
from multvae_jax.errors import InputError, first_line
from multvae_jax.host.console import native_errors_muted

_ROW = "row"


def parquet_table(name: str, data: bytes, schema: Schema, column_names: Mapping[str, str]) -> Table:
    """Return the table of a Parquet file; arguments and errors as in `frame_table`."""
    return _read(name, "Parquet", lambda: pl.scan_parquet(io.BytesIO(data)), schema, column_names)


def arrow_table(name: str, data: bytes, schema: Schema, column_names: Mapping[str, str]) -> Table:
    """Return the table of an Arrow (Feather) file; arguments and errors as in `frame_table`."""
    return _read(name, "Arrow", lambda: pl.scan_ipc(io.BytesIO(data)), schema, column_names)


def arrow_stream_table(
    name: str, data: bytes, schema: Schema, column_names: Mapping[str, str]
) -> Table:
    """Return the table of a stream of Arrow; arguments and errors as in `frame_table`."""
    scan = lambda: pl.read_ipc_stream(io.BytesIO(data)).lazy()  # noqa: E731
    return _read(name, "Arrow", scan, schema, column_names)


def _read(
    name: str,
    format_name: str,
    scan: Callable[[], pl.LazyFrame],
    schema: Schema,
    column_names: Mapping[str, str],
) -> Table:
    # Damaged pages make polars panic, and Rust writes of that to standard error.
    with native_errors_muted():
        try:
            return frame_table(name, scan(), schema, column_names)
        except (*POLARS_FAILURES, OSError) as error:
            problem = first_line(error)
    raise InputError(f"{name}: not a complete {format_name} file: {problem}")


def frame_table(
    name: str, frame: pl.LazyFrame, schema: Schema, column_names: Mapping[str, str]
) -> Table:
    """Return the table of typed columns.

    Ids are read as text that equals the same id in a text file: a float that is a whole number is
    an integer. A list of items is as many interactions of its user.

    Args:
        name: name of the file in messages.
        frame: the columns, lazily.
        schema: the roles of its columns.
        column_names: for some roles, the name of the column.

    Raises:
        InputError: a column is missing, or of a type that its role cannot have.
        polars.exceptions.PolarsError: the columns cannot be read.
    """
    if schema is RECOMMENDATIONS:
        frame = _with_fields_as_lists(frame)
    columns = frame.collect_schema().names()
    layout = layout_of(schema, columns, column_names)
    if layout is None or not layout.header:
        raise missing_column(name, schema, columns, column_names)
    # Two roles may share a column.
    used = dict.fromkeys(layout.roles.values())
    selected = frame.select(pl.nth(index).alias(str(index)) for index in used)
    values = selected.collect(engine="streaming").with_row_index(_ROW, offset=1)
    values, notes = _exploded(name, values, layout)
    for role, column in layout.roles.items():
        place = f"{name}: column '{layout.columns[column]}'"
        values = values.with_columns(_converted(role, place, values[str(column)], values[_ROW]))
    if notes:
        # A user without items has no rating and no time. 0 stands for both, until its row goes.
        item = pl.col(str(layout.roles["item"]))
        others = [str(c) for role, c in layout.roles.items() if role in (*NUMBERS, "time")]
        values = values.with_columns(
            pl.when(item.is_null())
            .then(pl.lit(0).cast(values[other].dtype))
            .otherwise(other)
            .alias(other)
            for other in others
        )
    rows = values.drop(_ROW)
    ids = [rows[str(column)] for role, column in layout.roles.items() if role in ("user", "item")]
    quick = all(column.dtype == pl.Int64 for column in ids) and not any(rows.null_count().row(0))
    text = rows.lazy().with_columns(
        pl.lit(None, pl.String).alias(str(index))
        for index in range(len(columns))
        if index not in used
    )
    text = text.with_columns(pl.all().cast(pl.String), pl.lit(None, pl.String).alias(SURPLUS))

    def row(index: int) -> Row:
        number, fields = values[_ROW][index], [""] * len(columns)
        for column in used:
            value = rows[str(column)].slice(index, 1).cast(pl.String)[0]
            fields[column] = "" if value is None else value
        return Row(f"{name}: row {number}", fields)

    return Table(
        name,
        layout,
        lambda: Text(text),
        row,
        lambda: rows if quick else None,
        users_without_items=bool(notes),
        notes=notes,
    )


def _with_fields_as_lists(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return a list of records, as LensKit and Spark write recommendations, as a list per field."""
    for column, kind in frame.collect_schema().items():
        if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
            fields = [field.name for field in kind.inner.fields]
            lists = (
                pl.col(column).list.eval(pl.element().struct.field(field)).alias(field)
                for field in fields
            )
            return frame.with_columns(lists).drop({column} - {*fields})
    return frame


def _exploded(
    name: str, values: pl.DataFrame, layout: ColumnLayout
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Make each entry of a list of items a row; ratings and times may be lists as long."""
    if "item" not in layout.roles:
        return values, ()
    item = layout.roles["item"]
    if not isinstance(values[str(item)].dtype, pl.List | pl.Array):
        return values, ()
    lists = [
        str(column)
        for role, column in layout.roles.items()
        if role != "user" and isinstance(values[str(column)].dtype, pl.List | pl.Array)
    ]
    lengths = values.select(pl.col(lists).list.len().fill_null(0))
    for other in lists:
        unequal = (lengths[other] != lengths[str(item)]).arg_true()
        if len(unequal):
            raise InputError(
                f"{name}: row {values[_ROW][unequal[0]]}: column '{layout.columns[int(other)]}' "
                f"has not as many entries as column '{layout.columns[item]}'"
            )
    note = f"{name}: each entry of the lists in column '{layout.columns[item]}' was read as an item"
    return values.explode(lists, empty_as_null=True), (note,)


def _converted(role: str, place: str, values: pl.Series, numbers: pl.Series) -> pl.Series:
    """Return the values of a role as integers, floats or text.

    Args:
        role: the role of the column.
        place: the file and the column, for messages.
        values: the values, of any type.
        numbers: the number of each row in the file, counted from 1.

    Raises:
        InputError: the type cannot be of this role, or an id is not a whole number. The entries of
            a list are joined with "|" where the role may have several.
    """
    kind = values.dtype
    if isinstance(kind, pl.List | pl.Array) and role in LISTED:
        return values.cast(pl.List(pl.String)).list.join("|")
    if isinstance(kind, pl.List | pl.Array):
        raise InputError(f"{place} holds lists; write one row for each entry")
    if isinstance(kind, pl.Struct):
        fields = ", ".join(field.name for field in kind.fields)
        raise InputError(f"{place} holds records of {fields}; write their fields as columns")
    if kind == pl.Object:
        raise InputError(f"{place} holds objects; write text or numbers")
    if kind == pl.Binary:
        return _text_of(place, values, numbers)
    if role in NUMBERS and kind == pl.Boolean:
        return values.cast(pl.Int64)
    if role in (*NUMBERS, "time") and (kind.is_float() or kind.is_decimal()):
        return values.cast(pl.Float64)
    if role == "time" and kind in (pl.Date, pl.Datetime):
        # Float64, whose unit in the last place is far below a microsecond for a long time.
        return values.dt.epoch("us").cast(pl.Float64) / 1e6
    if role in ("user", "item"):
        if kind.is_temporal():
            raise InputError(f"{place} holds dates or times, not ids; name the {role} column")
        if kind.is_float() or kind.is_decimal():
            return _whole(place, values, numbers)
    if kind.is_integer():
        whole = values.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == values.null_count() else values.cast(pl.String)
    return values.cast(pl.String)


def _whole(place: str, values: pl.Series, numbers: pl.Series) -> pl.Series:
    """Return ids that are written as floats as the integers that they are; NaN is missing."""
    kind = values.dtype
    if kind.is_float():
        values = values.fill_nan(None)
        # From here on not every integer is a float.
        inexact = 2**53 if kind == pl.Float64 else 2**24 if kind == pl.Float32 else 2**11
        odd = (values != values.floor()) | values.is_infinite() | (values.abs() >= inexact)
    else:
        odd = values.cast(pl.String).str.contains(r"\.0*[1-9]")
    if odd.any():
        first = int(odd.arg_true()[0])
        raise InputError(
            f"{_at_row(place, numbers[first])}: "
            f"{values[first]} is not a whole number, or too large to be exact as one; "
            "write ids as integers or text"
        )
    if kind.is_float():
        return values.cast(pl.Int64)
    text = values.cast(pl.String).str.replace(r"\.0*$", "")
    whole = text.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == values.null_count() else text


def _text_of(place: str, values: pl.Series, numbers: pl.Series) -> pl.Series:
    """Decode bytes, as which Spark and Hive write text."""
    try:
        return values.cast(pl.String)
    except pl.exceptions.ComputeError:
        odd = next(index for index, value in enumerate(values) if not _is_text(value))
    raise InputError(f"{_at_row(place, numbers[odd])} holds bytes that are not UTF-8 text")


def _is_text(value: bytes | None) -> bool:
    try:
        return value is None or value.decode() is not None
    except UnicodeDecodeError:
        return False


def _at_row(place: str, number: int) -> str:
    name, _, column = place.rpartition(": column ")
    return f"{name}: row {number}: column {column}"

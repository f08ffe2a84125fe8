"""Reader of Parquet files."""

import io
from collections.abc import Mapping

import polars as pl

from multvae_jax.data.readers.schema import Schema, layout_of, missing_column
from multvae_jax.data.readers.table import POLARS_FAILURES, SURPLUS, Row, Table, Text
from multvae_jax.errors import InputError, first_line


def parquet_table(name: str, data: bytes, schema: Schema, column_names: Mapping[str, str]) -> Table:
    """Return the table of a Parquet file.

    Args:
        name: name of the file in messages.
        data: contents of the file.
        schema: the roles of its columns.
        column_names: for some roles, the name of the column.

    Raises:
        InputError: the file is damaged, or lacks a column.
    """
    try:
        scan = pl.scan_parquet(io.BytesIO(data))
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

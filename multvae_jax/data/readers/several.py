"""Several files read as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from multvae_jax.data.ids import concat_ids
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.paths import Files
from multvae_jax.data.readers.records import Records, read_records
from multvae_jax.data.readers.schema import Schema
from multvae_jax.errors import InputError, listed


def read_files(
    files: Files,
    schema: Schema,
    column_names: Mapping[str, str],
    dialect: Dialect = DETECTED,
    *,
    with_ratings: bool = False,
) -> Records:
    """Read the rows of one or several files, one after the other.

    Args:
        files: the files, which have the same columns.
        schema: the roles of their columns.
        column_names: for some roles, the name of the column.
        dialect: how the files are written.
        with_ratings: whether ratings are used, as in `read_records`.

    Raises:
        InputError: as in `read_records`, or the columns of two files are not the same.
    """
    first, *others = parts = [
        read_records(path, schema, column_names, dialect, with_ratings=with_ratings)
        for path in files.paths
    ]
    if not others:
        return replace(first, notes=(*files.notes, *first.notes))
    for part in others:
        if set(part.columns) != set(first.columns):
            raise InputError(
                f"{part.name}: the columns are {listed(part.columns)}, and those of "
                f"{first.name} are {listed(first.columns)}; files that are read as one table "
                "have the same columns"
            )
    # The times of a file may have been left out.
    roles = [name for name in first.rows.columns if all(name in part.rows for part in others)]
    rows = {role: concat_ids(part.rows[role] for part in parts) for role in roles}
    name = f"{first.name} and {len(others)} more"
    return Records(name, pl.DataFrame(rows), first.columns, (*files.notes, *_notes(parts)))


def _more(count: int) -> str:
    return "1 more file" if count == 1 else f"{count} more files"


def _notes(parts: Sequence[Records]) -> list[str]:
    """Return the notes on all files; the same note on several files once."""
    alike: dict[str, list[str]] = {}
    for part in parts:
        for note in part.notes:
            alike.setdefault(note.replace(part.name, ""), []).append(note)
    return [
        notes[0] if len(notes) == 1 else f"{notes[0]} (as in {_more(len(notes) - 1)})"
        for notes in alike.values()
    ]

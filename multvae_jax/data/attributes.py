"""Columns of a file about users or items, by id: what tables of groups and features are made of."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import polars as pl

from multvae_jax.checks.bounds import check_ids
from multvae_jax.data.notes import spelled_differently
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.formats import open_table
from multvae_jax.data.readers.paths import COMPRESSED
from multvae_jax.data.readers.records import Records, read_records
from multvae_jax.data.readers.schema import NoColumnError, about, normalized
from multvae_jax.data.readers.table import Table
from multvae_jax.errors import InputError, listed, shortened

Key = Literal["user", "item"]

GENRES_OF_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance"),
    *("Sci-Fi", "Thriller", "War", "Western"),
)
"""The last columns of MovieLens 100K's u.item, 1 for the items of a genre and else 0."""


class _Layout(NamedTuple):
    """A table without a header, as its publisher describes it.

    Attributes:
        what: its name in messages.
        columns: names of the columns.
        sign: a column, and what its values look like, which other tables of this width lack.
    """

    what: str
    columns: tuple[str, ...]
    sign: tuple[str, str]


_KNOWN: Mapping[Key, tuple[_Layout, ...]] = {
    "user": (
        _Layout(
            "MovieLens 1M's users.dat",
            ("user", "gender", "age", "occupation", "zip-code"),
            ("gender", "[FM]"),
        ),
        _Layout(
            "MovieLens 100K's u.user",
            ("user", "age", "gender", "occupation", "zip-code"),
            ("gender", "[FM]"),
        ),
    ),
    "item": (
        _Layout("MovieLens's movies.dat", ("item", "title", "genres"), ("genres", r"\D+")),
        _Layout(
            "MovieLens 100K's u.item",
            ("item", "title", "release date", "video release date", "url", *GENRES_OF_100K),
            ("Western", "[01]"),
        ),
    ),
}


class Attributes(NamedTuple):
    """Columns of a file about users or items.

    Attributes:
        name: name of the file in messages.
        rows: the column "id", and the columns that were asked for in their order, named "0", "1",
            ...; all text, null where nothing is written.
        columns: names of the columns that were asked for, as the file spells them.
        records: where they were read from, for messages.
        notes: remarks on how the file was read.
    """

    name: str
    rows: pl.DataFrame
    columns: tuple[str, ...]
    records: Records
    notes: tuple[str, ...]


def read_attributes(
    path: str | Path,
    key: Key,
    names: Sequence[str],
    dialect: Dialect = DETECTED,
    *,
    role: str = "column",
) -> Attributes:
    """Read columns of a file about users or items.

    Args:
        path: CSV, TSV, Parquet, JSON Lines, or `::`- or `|`-separated as MovieLens has it.
        key: whose ids the file has; their column is found by its usual name, or is the first one.
        names: names of columns, or numbers, starting with "1". The columns of MovieLens's files
            without a header have the names of their description, such as gender.
        dialect: how a text file is written.
        role: the role of the columns in `LISTED` if they may hold lists.

    Raises:
        InputError: the file cannot be read, or has no such column.
    """
    check_ids("names", names, of_text=True)
    key_column: dict[str, str] = {}
    places = _places(open_table(path, about(key, {}), {}, dialect), key, names)
    if places is not None:
        key_column[key], dialect = "1", replace(dialect, header="no")
        numbers = [str(place + 1) for place, _ in places]
    else:
        numbers = list(names)
    roles = [role, *(f"{role} {number}" for number in range(2, len(names) + 1))][: len(names)]
    asked = dict(zip(roles, numbers, strict=True))
    schema = about(key, dict.fromkeys(roles, ()))
    records = read_records(path, schema, {**key_column, **asked}, dialect)
    rows = records.rows.select(
        pl.col(key).cast(pl.String).alias("id"),
        *(pl.col(one).cast(pl.String).alias(str(n)) for n, one in enumerate(roles)),
    )
    labels = (
        [_label(name, records.columns) for name in names]
        if places is None
        else [label for _, label in places]
    )
    # The options that these notes end with are those of interactions.
    notes = tuple(re.sub(r" \(--[a-z-]+(, --[a-z-]+)*\)$", "", note) for note in records.notes)
    return Attributes(records.name, rows, tuple(labels), records, notes)


def columns_of(path: str | Path, key: Key, dialect: Dialect = DETECTED) -> tuple[str, ...]:
    """Return the names of the columns of a file, or of those that its publisher describes.

    The column of ids is left out.

    Raises:
        InputError: the file cannot be read.
    """
    table = open_table(path, about(key, {}), {}, dialect)
    layout = _known(table, key)
    columns = layout.columns if layout is not None else table.layout.columns
    at = table.layout.roles[key]
    return tuple(column for place, column in enumerate(columns) if place != at)


class UserColumns(NamedTuple):
    """Columns of a file about users.

    Attributes:
        values: column -> user id -> value, as text.
        notes: remarks on how the file was read.
    """

    values: dict[str, dict[str, str]]
    notes: tuple[str, ...]


def read_user_columns(
    path: str | Path, names: Sequence[str], users: Collection[str] | None = None
) -> UserColumns:
    """Read columns of a file about users, such as their gender and age.

    Args:
        path: a table with one row per user, such as MovieLens's users.dat or u.user, or a CSV file
            with a header.
        names: names or numbers of its columns, as in `--by` of the command line.
        users: ids of the users to keep; by default all.

    Returns:
        For each column, by the name that the file has for it, user id to value. A user without a
        row, or without a value in it, is not there.

    Raises:
        InputError: the file cannot be read, has no such column, or has none of the users.

    Example:
        >>> genders = mv.data.read_user_columns("users.csv", ["gender"]).values["gender"]
        >>> found = mv.evaluation.by_group(mv.evaluate(run.scorer, split.test), genders, fewest=2)
    """
    found = read_attributes(path, "user", names)
    notes = list(found.notes)
    first = found.rows.unique("id", keep="first", maintain_order=True)
    if first.height < found.rows.height:
        more = found.rows.height - first.height
        rows = "row belongs to a user" if more == 1 else "rows belong to users"
        notes.append(f"{found.name}: {more:,} {rows} with an earlier row, which counts")
    if users is not None:
        check_ids("users", list(users) if isinstance(users, Set) else users, of_text=True)
        first, more_notes = rows_of(found.name, first, "user", users)
        notes += more_notes
    values: dict[str, dict[str, str]] = {}
    for number, column in enumerate(found.columns):
        filled = first.select("id", pl.col(str(number))).drop_nulls()
        values[column] = dict(filled.iter_rows())
    return UserColumns(values, tuple(notes))


def rows_of(
    name: str, rows: pl.DataFrame, key: Key, known: Collection[str]
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the rows of known users or items, and notes on those that have none.

    Args:
        name: name of the file in messages.
        rows: rows with the column "id".
        key: whose ids they are.
        known: the ids of the users or items.

    Raises:
        InputError: none of them has a row.
    """
    ids = pl.Series(list(known), dtype=pl.String).unique(maintain_order=True)
    kept = rows.filter(pl.col("id").is_in(ids.implode()))
    without = ids.filter(~ids.is_in(rows["id"].implode()))
    strangers = rows["id"].filter(~rows["id"].is_in(ids.implode())).unique(maintain_order=True)
    alike = spelled_differently(name, key, strangers, without, "the data") if len(without) else ()
    if kept.is_empty():
        reason = alike[0].removeprefix(f"{name}: ") if alike else "are the ids the same?"
        raise InputError(f"{name}: none of the {len(ids):,} {key}s has a row; {reason}")
    if not len(without):
        return kept, ()
    return kept, (f"{name}: {len(without):,} of {len(ids):,} {key}s have no row", *alike)


def users_file_beside(beside: Path | None) -> Path | None:
    """Return the file about users in the folder of interactions, if there is one.

    Args:
        beside: the file of interactions, beside which users.dat, u.user, users.csv or the .user
            file of the same stem is looked for; None for interactions without a folder.
    """
    if beside is None:
        return None
    while beside.suffix in COMPRESSED:
        beside = beside.with_suffix("")
    names = ("users.dat", "u.user", "users.csv", f"{beside.stem}.user")
    return next((path for name in names if (path := beside.with_name(name)).is_file()), None)


def _known(table: Table, key: Key) -> _Layout | None:
    """Return the description of a table without a header."""
    if table.layout.header:
        return None
    fields = [field.strip() for field in table.row(0).fields]
    for layout in _KNOWN[key]:
        column, looks = layout.sign
        if len(table.layout.columns) == len(layout.columns) and re.fullmatch(
            looks, fields[layout.columns.index(column)]
        ):
            return layout
    return None


def _places(table: Table, key: Key, names: Sequence[str]) -> list[tuple[int, str]] | None:
    """Return place and name of columns in a table without a header; None if there is one."""
    if table.layout.header:
        return None
    width, layout = len(table.layout.columns), _known(table, key)
    known = [normalized(column) for column in layout.columns] if layout is not None else []
    found = []
    for name in names:
        if normalized(name) in known:
            place = known.index(normalized(name))
        elif name.strip().isdecimal() and 1 <= int(name) <= width:
            place = int(name) - 1
        else:
            there = (
                f"the columns of {layout.what} are {listed(layout.columns)}"
                if layout is not None
                else f"there is no header, and the columns are numbered from 1 to {width}"
            )
            raise NoColumnError(f"{table.name}: no column '{shortened(name)}'; {there}")
        found.append(
            (place, layout.columns[place] if layout is not None else f"column {place + 1}")
        )
    return found


def _label(name: str, columns: Sequence[str]) -> str:
    """Return the name of a column as the file spells it, of a name or a number."""
    spelled = [column.strip() for column in columns]
    alike = [column for column in spelled if normalized(column) == normalized(name)]
    if name.strip() in spelled:
        return name.strip()
    return alike[0] if alike else spelled[int(name) - 1]

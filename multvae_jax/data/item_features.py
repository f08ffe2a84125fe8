"""Features of items, such as genres, in the order of a catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float32

from multvae_jax.checks.bounds import check_kind, check_text
from multvae_jax.data.attributes import (
    GENRES_OF_100K,
    Attributes,
    columns_of,
    read_attributes,
    rows_of,
)
from multvae_jax.data.ids import MISSING
from multvae_jax.data.readers.paths import COMPRESSED
from multvae_jax.data.readers.schema import normalized
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError, listed, shortened

_USUAL = ("genres", "genre", "categories", "category", "class", "tags")
_NO_FEATURE = frozenset((*MISSING, "(no genres listed)"))
_MOST = 2_000  # features; a column with more is one of titles or ids
_FEW = 0.1  # share of items with a row below which a file beside the data is not of it
_BESIDE = ("movies.csv", "movies.dat", "u.item", "items.csv")


class ItemFeatures(NamedTuple):
    """Features of the items of a catalogue.

    Attributes:
        values: 1 where an item has a feature, else 0; rows in the order of the catalogue.
        names: names of the features, ascending.
        source: the file and the column.
        notes: remarks on how the file was read.
        ids: ids of the items.
    """

    values: Float32[np.ndarray, "items features"]
    names: tuple[str, ...]
    source: str
    notes: tuple[str, ...]
    ids: np.ndarray


def read_item_features(
    path: str | Path, catalogue: Catalogue, column: str | None = None
) -> ItemFeatures:
    """Read the features of items, such as MovieLens's genres.

    The values of one column are separated by "|", ";", "," or, in a RecBole column of type
    token_seq, by blanks, whichever of them is in the column first in this order; a Parquet column
    may hold lists. A row without a value, or with "(no genres listed)", has no feature. Several
    rows of an item add up.

    Args:
        path: MovieLens's movies.csv, movies.dat or u.item, or any table with a row per item.
        catalogue: the items.
        column: name or number of the column; by default genres, category or another usual name,
            or the 19 columns of genres of u.item.

    Returns:
        The features of the items of the catalogue; items without a row have none.

    Raises:
        InputError: the file cannot be read, has no such column, or has none of the items, or the
            items share no values of the column.

    Example:
        >>> genres = mv.data.read_item_features("items.csv", run.catalogue, "genres")
        >>> genres.names
        ('Comedy', 'Drama')
    """
    check_kind("catalogue", catalogue, Catalogue, "run.catalogue")
    check_text("column", column, 'the name of a column, or its number as text, such as "2"')
    columns = columns_of(path, "item")
    if column is None:
        plain = {normalized(each): each for each in reversed(columns)}
        usual = [plain[name] for name in _USUAL if name in plain]
        if usual:
            column = usual[0]
        elif columns[-len(GENRES_OF_100K) :] != GENRES_OF_100K:
            raise InputError(
                f"{path}: no column of genres under a usual name; the columns are "
                f"{listed(columns)}; name one with --features-column"
            )
    if column is None:
        rows, names, found = _flags(path)
        source = found.name
    else:
        rows, names, found = _entries(path, column)
        source = f"{found.name}: column '{shortened(found.columns[0])}'"
    place = {item: number for number, item in enumerate(catalogue.ids)}
    number = {name: column for column, name in enumerate(names)}
    values = np.zeros((len(place), len(names)), np.float32)
    is_there = np.zeros(len(place), bool)
    for item, features in rows:
        if item in place:
            is_there[place[item]] = True
            values[place[item], [number[feature] for feature in features]] = 1.0
    used = np.asarray(values.any(axis=0))
    if not is_there.any():
        rows_of(found.name, found.rows, "item", catalogue.ids.tolist())
    if not used.any():
        raise InputError(f"{source}: none of the {len(place):,} items has a value")
    notes = list(found.notes)
    without = len(place) - int(values.any(axis=1).sum())
    if without:
        notes.append(f"{source}: {without:,} of {len(place):,} items have no value")
    kept = tuple(name for name, is_used in zip(names, used, strict=True) if is_used)
    return ItemFeatures(values[:, used], kept, source, tuple(notes), catalogue.ids)


def find_item_features(catalogue: Catalogue, beside: Path | None) -> ItemFeatures | None:
    """Return the genres in a file of items in a folder, or None if there is no such file of them.

    Args:
        catalogue: the items.
        beside: the file of interactions, in whose folder movies.csv, movies.dat, u.item, items.csv
            or the .item file of the same stem is looked for; None for interactions without one.
    """
    if beside is None:
        return None
    while beside.suffix in COMPRESSED:
        beside = beside.with_suffix("")
    for name in (*_BESIDE, f"{beside.stem}.item"):
        candidate = beside.with_name(name)
        if candidate.is_file() and candidate != beside:
            try:
                found = read_item_features(candidate, catalogue)
            except InputError:
                continue
            if found.values.any(axis=1).mean() >= _FEW:
                return found
    return None


def _entries(
    path: str | Path, column: str
) -> tuple[list[tuple[str, list[str]]], list[str], Attributes]:
    """Read a column of which each value is a list of features.

    Returns:
        Item and features of each row, the names of the features, and the column.
    """
    found = read_attributes(path, "item", [column], role="features")
    text = found.rows.select("id", pl.col("0").fill_null("").alias("text"))
    raw = next((each for each in found.records.columns if each.partition(":")[0] == column), column)
    brackets = text["text"].str.contains(r"^\[.*\]$").any()
    separators = ("|", ";", ",", " ") if raw.endswith("_seq") else ("|", ";", ",")
    separator = next(
        (mark for mark in separators if text["text"].str.contains(mark, literal=True).any()), "|"
    )
    plain = pl.col("text").str.strip_chars("[] ") if brackets else pl.col("text")
    entries = plain.str.split("," if brackets else separator)
    strip = pl.element().str.strip_chars(" '\"" if brackets else " ")
    lists = text.select("id", entries.list.eval(strip).alias("features"))
    rows = [
        (item, [feature for feature in features if feature and feature not in _NO_FEATURE])
        for item, features in lists.iter_rows()
    ]
    names = sorted({feature for _, features in rows for feature in features})
    if len(names) > _MOST:
        raise InputError(
            f"{found.name}: column '{shortened(found.columns[0])}' has {len(names):,} different "
            f"values, and features that items share are at most {_MOST:,}; name another "
            "--features-column"
        )
    return rows, names, found


def _flags(path: str | Path) -> tuple[list[tuple[str, list[str]]], list[str], Attributes]:
    """Read the columns of genres of MovieLens 100K's u.item."""
    found = read_attributes(path, "item", GENRES_OF_100K)
    flags = found.rows.drop("id")
    odd = flags.select(pl.any_horizontal(~pl.all().is_in(["0", "1"]).fill_null(False))).to_series()
    if odd.any():
        row = int(odd.arg_true()[0])
        column, value = next(
            (genre, value or "")
            for genre, value in zip(GENRES_OF_100K, flags.row(row), strict=True)
            if value not in ("0", "1")
        )
        raise InputError(
            f"{found.records.place(row)}: column '{column}': '{shortened(value)}' is not 0 or 1"
        )
    rows = [
        (
            item,
            [
                genre
                for genre, value in zip(GENRES_OF_100K, values, strict=True)
                if value == "1" and genre != "unknown"
            ],
        )
        for item, *values in found.rows.iter_rows()
    ]
    return rows, sorted(set(GENRES_OF_100K) - {"unknown"}), found

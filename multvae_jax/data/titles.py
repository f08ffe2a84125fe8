"""Titles of items."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from multvae_jax.data.readers.paths import COMPRESSED
from multvae_jax.data.readers.records import read_records
from multvae_jax.data.readers.schema import TITLES
from multvae_jax.errors import InputError

Titles = str | Path | Mapping[Any, str] | None
"""A file of item ids and titles, or the titles by id; None to look for a file."""

_FEW = 0.1  # share of items with a title below which a file beside the data is not of it


def read_titles(path: Path) -> dict[str, str]:
    """Read item ids and titles: a CSV with a header, `::`-separated, or RecBole's .item.

    Returns:
        Item id to title, as the file spells them; the first title if an item has several.

    Raises:
        InputError: the file is missing or broken, or has no column of items or no column of titles.
    """
    rows = read_records(path, TITLES, {}).rows.drop_nulls()
    rows = rows.unique("item", keep="first", maintain_order=True)
    return dict(rows.select(pl.col("item").cast(pl.String), "title").iter_rows())


def titles_of(
    items: Sequence[str], path: Titles, beside: Path | None
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the titles of some items.

    Args:
        items: the ids of the items.
        path: the file of titles, or the titles by id; None to look for a file.
        beside: the file of interactions, in whose folder movies.csv, movies.dat or the .item file
            of the same stem is looked for; None for interactions without a folder.

    Returns:
        Item id to title, and a note on the file that was found, or that lacks titles.

    Raises:
        InputError: `path` is given and cannot be read, or has no title of an item.
    """
    if path is not None:
        name = "titles" if isinstance(path, Mapping) else path
        titles = _as_text(path) if isinstance(path, Mapping) else read_titles(Path(path))
        found = _kept(titles, items)
        if not found:
            raise InputError(
                f"{name}: none of the {len(items):,} items has a title; are the ids the same?"
            )
        return found, _shares(name, found, items)
    if beside is None:
        return {}, ()
    while beside.suffix in COMPRESSED:
        beside = beside.with_suffix("")
    stem = beside.stem
    for name in ("movies.csv", "movies.dat", f"{stem}.item"):
        candidate = beside.with_name(name)
        if candidate.is_file() and candidate != beside:
            try:
                found = _kept(read_titles(candidate), items)
            except InputError as error:
                return {}, (f"{error}; no titles were read",)
            if len(found) < _FEW * len(items):
                note = f"{candidate}: not of this data: {len(found):,} of {len(items):,} items"
                return {}, (f"{note} have a title; none was taken",)
            note = f"{candidate}: the titles of {len(found):,} of {len(items):,} items (--titles)"
            return found, (note,)
    return {}, ()


def _as_text(titles: Mapping[Any, str]) -> Mapping[str, str]:
    """The titles by id as text: an integer stands for an id in the usual spelling."""
    return {str(item): title for item, title in titles.items() if title is not None}


def _shares(path: str | Path, found: Mapping[str, str], items: Sequence[str]) -> tuple[str, ...]:
    if len(found) == len(items):
        return ()
    return (f"{path}: {len(found):,} of {len(items):,} items have a title",)


def _kept(titles: Mapping[str, str], items: Sequence[str]) -> dict[str, str]:
    return {item: titles[item] for item in items if item in titles}

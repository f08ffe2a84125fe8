"""Titles of items, for people to read recommendations by."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from multvae_jax.data.readers.records import read_records
from multvae_jax.data.readers.schema import TITLES
from multvae_jax.errors import InputError


def read_titles(path: Path) -> dict[str, str]:
    """Read item ids and titles: a CSV with a header, `::`-separated, or RecBole's .item.

    Returns:
        Item id to title, as the file spells them; the first of an item that occurs twice.

    Raises:
        InputError: the file is missing or broken, or has no column of items or of titles.
    """
    rows = read_records(path, TITLES, {}).rows.drop_nulls()
    rows = rows.unique("item", keep="first", maintain_order=True)
    return dict(rows.select(pl.col("item").cast(pl.String), "title").iter_rows())


def titles_of(
    items: Sequence[str], path: str | Path | None, beside: Path
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Find the titles of some items.

    Args:
        items: the ids of the items.
        path: the file of titles; None to look for one.
        beside: the file of interactions, beside which to look for movies.csv, movies.dat, or the
            .item file of the same stem.

    Returns:
        Item id to title, and what a user should know: that a file that was found is of no use.

    Raises:
        InputError: a file was named and cannot be read.
    """
    if path is not None:
        return _kept(read_titles(Path(path)), items), ()
    stem = beside.name.removesuffix(".gz").rpartition(".")[0]
    for name in ("movies.csv", "movies.dat", f"{stem}.item"):
        candidate = beside.with_name(name)
        if candidate.is_file() and candidate != beside:
            try:
                return _kept(read_titles(candidate), items), ()
            except InputError as error:
                return {}, (f"{error}; no titles were read",)
    return {}, ()


def _kept(titles: Mapping[str, str], items: Sequence[str]) -> dict[str, str]:
    return {item: titles[item] for item in items if item in titles}

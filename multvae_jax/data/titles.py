"""Titles of items."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from multvae_jax.data.readers.records import read_records
from multvae_jax.data.readers.schema import TITLES
from multvae_jax.errors import InputError


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
    items: Sequence[str], path: str | Path | None, beside: Path | None
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the titles of some items.

    Args:
        items: the ids of the items.
        path: the file of titles; None to look for one.
        beside: the file of interactions, in whose folder movies.csv, movies.dat or the .item file
            of the same stem is looked for; None for interactions without a folder.

    Returns:
        Item id to title, and a note if a file was found that cannot be used.

    Raises:
        InputError: `path` is given and cannot be read.
    """
    if path is not None:
        return _kept(read_titles(Path(path)), items), ()
    if beside is None:
        return {}, ()
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

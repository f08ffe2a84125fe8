"""Numbering of ids and filters by count, as operations on whole columns."""

from collections.abc import Iterable

import numpy as np
import polars as pl
from jaxtyping import Bool, Float64, Int, Int32

# An integer in its usual spelling, which is unique, so that it may be kept as a number. Any other
# spelling, such as 007 or +7, stays text; otherwise two ids of the file could become one.
CANONICAL = r"^(0|-?[1-9][0-9]*)$"

_WORDS = (
    "nan",
    "null",
    "none",
    "na",
    "n/a",
    "n.a.",
    "nil",
    "nat",
    "undefined",
    "missing",
    "unknown",
)
_SIGNS = (
    r"\N",
    "#N/A",
    "#NUM!",
    "#VALUE!",
    "<NA>",
    "<null>",
    "<NULL>",
    "(null)",
    "(NULL)",
    "?",
    "-",
)
MISSING = frozenset(
    (*_WORDS, *map(str.upper, _WORDS), *map(str.capitalize, _WORDS), "NaN", "NaT", *_SIGNS)
)
"""Words that programs write for a missing value."""

_WHOLE = r"^-?(0|[1-9][0-9]*)\.0$"

# Ids in a range of this width are looked up by position, which is faster than a join.
_WIDEST = 2**25


def as_integers(ids: pl.Series) -> pl.Series:
    """Return ids as integers if all are integers in their usual spelling, else unchanged."""
    if ids.dtype == pl.Int64 or not ids.str.contains(CANONICAL).all():
        return ids
    numbers = ids.cast(pl.Int64, strict=False)
    return numbers if numbers.null_count() == ids.null_count() else ids


def with_fractions(ids: pl.Series) -> bool:
    """Return whether all ids end with ".0", as pandas writes integers beside missing values."""
    some = ids.drop_nulls().head(100)
    return bool(
        len(some)
        and some.str.contains(_WHOLE).all()
        and ids.drop_nulls().str.contains(_WHOLE).all()
    )


def concat_ids(ids: Iterable[pl.Series]) -> pl.Series:
    """Concatenate ids of several files, as text if one file has text (the spelling is unique)."""
    parts = list(ids)
    if len({part.dtype for part in parts}) > 1:
        parts = [part.cast(pl.String) for part in parts]
    return pl.concat(parts)


def spelled_alike(ids: pl.Series, known: pl.Series) -> pl.DataFrame:
    """Return each id that differs from a known one only in its spelling, and the known one.

    Case, blanks around it, zeros before a number and ".0" after it make no difference.
    """
    plain = (
        pl.col("id")
        .str.strip_chars()
        .str.to_lowercase()
        .str.replace(r"^(-?)0+(\d)", "$1$2")
        .str.replace(r"^(-?\d+)\.0+$", "$1")
        .alias("plain")
    )
    spelled = pl.DataFrame({"id": ids}).with_columns(plain)
    others = pl.DataFrame({"id": known}).with_columns(plain).unique("plain")
    return spelled.join(others, on="plain", maintain_order="left").select("id", known="id_right")


def factorize(values: pl.Series) -> tuple[Int32[np.ndarray, " n"], pl.Series]:
    """Number values by first appearance; return the number of each and the distinct values."""
    distinct = values.unique(maintain_order=True)
    if values.dtype == pl.Int64:
        integers, own = values.to_numpy(), distinct.to_numpy()
        if int(own.max()) - int(own.min()) < _WIDEST:
            return _numbers_by_position(own - own.min())[integers - own.min()], distinct
    table = pl.DataFrame({"value": distinct}).with_row_index("number")
    rows = pl.DataFrame({"value": values})
    numbers = rows.join(table, on="value", how="left", maintain_order="left")["number"]
    return numbers.to_numpy().astype(np.int32), distinct


def refactorize(
    numbers: Int32[np.ndarray, " n"], ids: pl.Series, *, ascending: bool
) -> tuple[Int32[np.ndarray, " n"], np.ndarray]:
    """Renumber the numbers that are left, by id or by first appearance; return also their ids."""
    left = pl.Series(numbers).unique(maintain_order=True)
    ids = as_integers(ids.gather(left))
    order = ids.arg_sort().to_numpy() if ascending else np.arange(len(left))
    return _numbers_by_position(left.to_numpy()[order])[numbers], as_text(ids.gather(order))


def as_text(ids: pl.Series) -> np.ndarray:
    """Return ids as an object array of strings."""
    return np.array(ids.cast(pl.String).to_list(), dtype=object)


def first_of_each(
    users: Int32[np.ndarray, " n"],
    items: Int32[np.ndarray, " n"],
    n_items: int,
    times: Float64[np.ndarray, " n"] | None = None,
) -> Bool[np.ndarray, " n"]:
    """Return a mask of the first interaction of each pair of user and item.

    Args:
        users: user of each interaction.
        items: item of each interaction.
        n_items: number of items.
        times: if given, the earliest is the first, and of equal times that in front.
    """
    pairs = pl.Series(users.astype(np.int64) * n_items + items)
    # Counting runs on all cores, marking on one; most files have no duplicates to mark.
    if pairs.n_unique() == len(pairs):
        return np.ones(len(pairs), bool)
    if times is None:
        return pairs.is_first_distinct().to_numpy()
    by_time = np.argsort(times, kind="stable")
    first = np.empty(len(pairs), bool)
    first[by_time] = pairs.gather(by_time).is_first_distinct().to_numpy()
    return first


def with_min_count(
    numbers: Int32[np.ndarray, " n"], kept: Bool[np.ndarray, " n"], minimum: int
) -> Bool[np.ndarray, " n"]:
    """Return a mask of the kept interactions whose user (or item) has at least `minimum`."""
    if minimum <= 1:
        return kept
    counts = np.bincount(numbers[kept], minlength=int(numbers.max()) + 1)
    return kept & (counts >= minimum)[numbers]


def _numbers_by_position(positions: Int[np.ndarray, " k"]) -> Int32[np.ndarray, " positions"]:
    numbers = np.zeros(int(positions.max()) + 1, np.int32)
    numbers[positions] = np.arange(len(positions))
    return numbers

"""Notes on what reading left out, counted once, or could not bring together."""

import numpy as np
import polars as pl
from jaxtyping import Bool

from multvae_jax.data.ids import spelled_alike
from multvae_jax.errors import InputError, shortened

_FEW = 0.1  # share of ids in common below which two files hardly belong together
_LARGEST_RATING = 10  # a larger number is a count


def low_ratings(name: str, rows: pl.DataFrame) -> tuple[str, ...]:
    """Note that low ratings count as high ones, if the numbers look like ratings."""
    if "rating" not in rows.columns:
        return ()
    rating = pl.col("rating")
    least, most = rows.select(rating.min().alias("least"), rating.max().alias("most")).row(0)
    if not least < most <= _LARGEST_RATING:
        return ()
    return (f"{name}: ratings from {least:g} to {most:g} count alike (--min-rating)",)


def left_out_by_rating(name: str, before: int, left: int, min_rating: float) -> tuple[str, ...]:
    """Note the interactions below the rating threshold."""
    if left == before:
        return ()
    return (
        f"{name}: {before - left:,} of {before:,} interactions have a rating below "
        f"{min_rating:g} and are left out (--min-rating)",
    )


def left_out_by_count(name: str, role: str, few: int, total: int, minimum: int) -> tuple[str, ...]:
    """Note the users (or items) with too few interactions.

    Args:
        name: name of the file.
        role: "user" or "item".
        few: how many of them are left out.
        total: how many the file has.
        minimum: fewest interactions to keep.
    """
    if not few:
        return ()
    return (
        f"{name}: {few:,} of {total:,} {role}s have fewer than {minimum} interactions and are left "
        f"out (--min-{role}-count)",
    )


def duplicates(name: str, first: Bool[np.ndarray, " n"]) -> tuple[str, ...]:
    """Note the interactions that occur more than once."""
    count = int(first.size - first.sum())
    if not count:
        return ()
    return (f"{name}: {number_of(count, 'duplicate interaction')} counted once",)


def known_already(name: str, train: str, count: int) -> tuple[str, ...]:
    """Note the interactions that are in the training file as well."""
    if not count:
        return ()
    return (f"{name}: {number_of(count, 'interaction')} left out because {train} has them",)


def number_of(count: int, noun: str) -> str:
    """Return a number with its noun: "1 user", "1,000 users"."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _counted(count: int, noun: str) -> str:
    return f"1 {noun} is" if count == 1 else f"{count:,} {noun}s are"


def ids_apart(
    role: str, name: str, rows: pl.DataFrame, train: str, train_rows: pl.DataFrame
) -> tuple[str, ...]:
    """Note ids of a file that the training file lacks, or spells differently.

    Args:
        role: "user" or "item".
        name: name of the file.
        rows: its rows.
        train: name of the training file.
        train_rows: the rows of the training file.

    Raises:
        InputError: none of the items is in the training file.
    """
    ids, known = (
        one[role].unique(maintain_order=True).cast(pl.String) for one in (rows, train_rows)
    )
    unknown = ids.filter(~ids.is_in(known.implode()))
    notes = spelled_differently(name, role, unknown, known, train)
    common = len(ids) - len(unknown)
    if not common and role == "item":
        reason = notes[0].removeprefix(f"{name}: ") if notes else "the ids must be the same"
        raise InputError(f"{name}: none of its {len(ids):,} items is in {train}; {reason}")
    if common < _FEW * len(ids):
        notes += (f"{name}: only {common:,} of {len(ids):,} {role}s are in {train}",)
    return notes


def spelled_differently(
    name: str, role: str, unknown: pl.Series, known: pl.Series, place: str
) -> tuple[str, ...]:
    """Note unknown ids that differ from known ones only in zeros, case or blanks.

    Args:
        name: name of the file.
        role: "user" or "item".
        unknown: its distinct ids that are not known, as text.
        known: the known ids.
        place: where they are known.
    """
    alike = spelled_alike(unknown, known)
    if alike.is_empty():
        return ()
    here, there = map(shortened, alike.row(0))
    return (
        f"{name}: {_counted(alike.height, role)} spelled differently; "
        f"'{here}' may be '{there}' in {place}",
    )

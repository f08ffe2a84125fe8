"""Parts shared by the splits: columns, matrices and drawn targets."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from jaxtyping import Float64

from multvae_jax.checks.bounds import Seed, check_kind, check_number
from multvae_jax.data.ids import first_of_each
from multvae_jax.data.types import Catalogue, Interactions
from multvae_jax.errors import InputError

PAPER_SEED = 98765
FEWEST_TO_HOLD_OUT = 5
"""A held-out user with fewer items keeps them all as history (the authors' code)."""


def check_data(data: Any, seed: Any = PAPER_SEED) -> None:
    """Refuse what are not interactions, or no seed of numpy's legacy generator.

    Raises:
        InputError: naming the argument and what to give.
    """
    check_kind("data", data, Interactions, "read_interactions(path)")
    check_number("seed", seed, Seed)


def held_out_count(held_out: float, n_users: int) -> int:
    """Return a number of users from a number (1 or more) or a share (below 1), rounded down."""
    # Rounded first: in floating point, 0.29 * 100 is 28.999999999999996.
    return int(round(held_out * n_users, 9)) if held_out < 1 else int(held_out)


def draw_targets(
    rows: np.ndarray, n_users: int, share: float, seed: int, fewest: int = 0
) -> np.ndarray:
    """Return a mask of the interactions to hold out, with one draw per user in ascending order.

    Args:
        rows: the user of each interaction, in file order.
        n_users: number of users.
        share: share of a user's interactions to hold out, rounded down to a whole number.
        seed: seed of numpy's legacy generator.
        fewest: number of interactions of a user to hold out at least.
    """
    random = np.random.RandomState(seed)
    by_user = np.argsort(rows, kind="stable")
    starts = np.searchsorted(rows[by_user], np.arange(n_users + 1)).tolist()
    places = [np.empty(0, np.int64)]
    for start, end in itertools.pairwise(starts):
        if end - start >= FEWEST_TO_HOLD_OUT:
            # The draw of `choice` without replacement, without its checks.
            chosen = random.permutation(end - start)[: max(fewest, int(share * (end - start)))]
            places.append(start + chosen)
    marked = np.zeros(rows.size, bool)
    marked[by_user[np.concatenate(places)]] = True
    return marked


def column_in(catalogue: Catalogue, item_ids: np.ndarray) -> np.ndarray:
    """Return the column of each item in a catalogue, or -1."""
    number = {item: column for column, item in enumerate(catalogue.ids)}
    return np.array([number.get(item, -1) for item in item_ids], np.int32)


def item_columns(data: Interactions, in_train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the items trained on, by first appearance, and the column of every item, or -1."""
    trained_on = pl.Series(data.items[in_train]).unique(maintain_order=True).to_numpy()
    column = np.full(data.n_items, -1, np.int32)
    column[trained_on] = np.arange(trained_on.size)
    return trained_on, column


def catalogue_of(data: Interactions, items: np.ndarray, train: sp.csr_array) -> Catalogue:
    """The catalogue of some items, with the number of training users of each."""
    counts = np.bincount(train.indices, minlength=items.size)
    ids = data.item_ids[items]
    titles = {item: data.titles[item] for item in ids if item in data.titles}
    return Catalogue(ids, counts, titles)


def matrix_of(
    row: np.ndarray, column: np.ndarray, value: np.ndarray, shape: tuple[int, int]
) -> sp.csr_array:
    """The users x items matrix of single interactions."""
    cells = sp.coo_array((value.astype(np.float32, copy=False), (row, column)), shape=shape)
    # Converted by way of columns, each row's items are in order; that is faster than sorting.
    return cells.tocsc().tocsr()


def times_of(data: Interactions, use: str) -> Float64[np.ndarray, " interactions"]:
    """The times of the interactions.

    Args:
        data: interactions.
        use: what needs them, the begin of the message.

    Raises:
        InputError: the data has no times, or one of them is not a number.
    """
    if data.times is None:
        raise InputError(f"{use} needs times, and the data has none")
    if not np.isfinite(data.times).all():
        raise InputError(f"{use} needs times, and some are not finite numbers")
    return data.times


def earliest_of_each(
    data: Interactions, times: Float64[np.ndarray, " interactions"]
) -> tuple[Interactions, tuple[str, ...]]:
    """Keep the earliest interaction of each user with each item; of equal times the first one.

    Returns:
        The interactions in the order of the file, and a note on those that are left out.
    """
    kept = first_of_each(data.users, data.items, data.n_items, times)
    if kept.all():
        return data, ()
    left = dataclasses.replace(
        data,
        users=data.users[kept],
        items=data.items[kept],
        values=data.values[kept],
        times=times[kept],
    )
    dropped = counted(int(np.sum(~kept)), "repeated interaction")
    return left, (f"{dropped} left out: the earliest of each user with each item is kept",)


def counted(number: int, noun: str, more: str = "") -> str:
    """A number with its noun, such as "1 user" or "2 users"; empty for none."""
    return f"{number:,} {noun if number == 1 else noun + 's'}{more}" if number else ""


def sentence(what: str, left_out: Sequence[str]) -> str:
    """Describe a split and what it leaves out in one line; empty texts are skipped."""
    listed = ", ".join(text for text in left_out if text)
    return f"{what}; left out: {listed or 'nothing'}"

"""Lists that other systems wrote, and what is odd in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from multvae_jax.checks.bounds import check_ids, check_kind, check_positive
from multvae_jax.data.list_reader import MISSING, read_list_rows
from multvae_jax.data.notes import number_of
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.paths import Paths
from multvae_jax.data.readers.schema import USUAL_COLUMNS, Columns
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.lists import UNKNOWN_ITEM, Lists, empty_lists

MOST_PLACES = 2**30
"""Users times places that lists may have: 8 GiB for items and scores."""


def read_lists(
    files: Paths,
    catalogue: Catalogue,
    *,
    user_ids: Sequence[str] | np.ndarray | None = None,
    k: int | None = None,
    columns: Columns = USUAL_COLUMNS,
    dialect: Dialect = DETECTED,
) -> Lists:
    """Read the recommendation lists that a system has written.

    The files are CSV or another table in text, Parquet, Arrow, JSON Lines, an array of JSON
    objects, or a run of TREC; a row is an item of a user, or a user with a list of items. A list is
    in the order of its ranks; without ranks, in that of its scores, the highest first; without
    either, in that of the file, which also decides between equal ones. What was taken is in
    `Lists.notes`. An item that is in a list twice counts at the first place. An item that the
    catalogue lacks keeps its place as `UNKNOWN_ITEM`.

    Args:
        files: one or several files of one system, as `multvae_jax.read_interactions` takes them.
        catalogue: the items, such as `Run.catalogue`.
        user_ids: users to keep, in this order, such as those of `Split.test`; a user that the files
            lack gets an empty list. By default all users of the files.
        k: longest list to keep; by default whole lists.
        columns: names of the columns of the user, the item and the score (as a rating); by
            default, and for the ranks, those that are usual, such as rank and score.
        dialect: how text files are written; by default recognized.

    Raises:
        InputError: if a file cannot be read, with the line; if none of the items is in the
            catalogue, or none of the users is among `user_ids`; if the lists are too large; or if
            `k` is not positive.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp(), "ease.csv")
        >>> rows = ["user,item,score", "ann,b,0.9", "ann,a,0.4"]
        >>> _ = path.write_text(chr(10).join(rows))
        >>> items = Catalogue(np.array(["a", "b"], object), np.array([3, 1]), {})
        >>> read_lists(path, items).item_ids()
        [['b', 'a']]
    """
    check_kind("catalogue", catalogue, Catalogue, "run.catalogue")
    check_kind("columns", columns, Columns, "Columns(user='id')")
    check_kind("dialect", dialect, Dialect, 'Dialect(separator=",")')
    if user_ids is not None:
        check_ids("user_ids", user_ids, of_text=True)
    if k is not None:
        check_positive("k", k)
    rows = read_list_rows(
        files, catalogue.ids, user_ids=user_ids, k=k, columns=columns, dialect=dialect
    )
    longest = int(rows.places.max(initial=-1)) + 1
    if len(rows.user_ids) * longest > MOST_PLACES:
        raise InputError(
            f"lists: {len(rows.user_ids):,} users with up to {longest:,} items each are too many; "
            "cut the lists with k"
        )
    lists = replace(empty_lists(rows.user_ids, longest, catalogue), notes=rows.notes)
    lists.items[rows.users, rows.places] = np.where(
        rows.items == MISSING, np.int32(UNKNOWN_ITEM), rows.items
    )
    lists.scores[rows.users, rows.places] = rows.scores
    return lists


def notes_beside(lists: Lists, users: HeldOut, k: int, name: str) -> list[str]:
    """Return what is odd in lists beside those that the protocol of `evaluate` makes.

    An item of the user's history is never recommended by it, and each list has k items.

    Args:
        lists: the lists, over the catalogue of the users.
        users: held-out users; those without a list do not count.
        k: largest cutoff of the metrics.
        name: name of the lists in the notes.
    """
    mine = lists.of_users(users.user_ids).at(k)
    n_users, n_items = users.history.shape
    rows, places = np.nonzero(mine.items >= 0)
    cells = rows * n_items + mine.items[rows, places]
    history = users.history.tocoo()
    known = np.isin(cells, history.row.astype(np.int64) * n_items + history.col)
    notes = []
    if known.any():
        in_lists = number_of(np.unique(rows[known]).size, "list")
        notes.append(
            f"{name}: places with an item of the user's own history: {int(known.sum()):,} of "
            f"{len(cells):,}, in {in_lists}; they count as misses"
        )
    left = n_items - np.bincount(history.row, minlength=n_users)
    short = (mine.lengths > 0) & (mine.lengths < np.minimum(k, left))
    if short.any():
        n_lists = int((mine.lengths > 0).sum())
        notes.append(
            f"{name}: lists shorter than the largest cutoff, {k}: {int(short.sum()):,} of "
            f"{n_lists:,}, and the longest has {mine.lengths.max()}; what is missing counts as "
            "misses"
        )
    return notes

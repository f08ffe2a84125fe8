"""Given splits, read from a file per part."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TypedDict

import numpy as np

from multvae_jax.data.ids import as_text, concat_ids, factorize, first_of_each, refactorize
from multvae_jax.data.interactions import above, check_reading, refuse_one_user, times_in
from multvae_jax.data.notes import duplicates, ids_apart, known_already
from multvae_jax.data.readers.dialect import DETECTED, Dialect
from multvae_jax.data.readers.paths import Paths, files_of
from multvae_jax.data.readers.schema import INTERACTIONS, Columns
from multvae_jax.data.readers.several import read_files
from multvae_jax.data.titles import titles_of
from multvae_jax.data.types import Interactions
from multvae_jax.errors import InputError


class GivenParts(TypedDict):
    """Interactions of a split of held-out users, as `given_split` takes them."""

    train: Interactions
    test_history: Interactions
    test: Interactions
    validation_history: Interactions | None
    validation: Interactions | None


def read_given_split(
    train: Paths,
    validation: Paths | None,
    test: Paths,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    time: str | None = None,
    dialect: Dialect = DETECTED,
    min_rating: float | None = None,
    titles: str | Path | None = None,
) -> tuple[Interactions, Interactions | None, Interactions]:
    """Read a given split of the same users into train, validation and test interactions.

    All three share their ids: the users of all files, ascending, and the items in order of first
    appearance in train, then validation, then test. A user without a row in train has an empty
    history. Interactions of train are dropped from the other two. Nothing is filtered by count.

    Args:
        train: the file of the histories.
        validation: the file of the interactions to select the epoch on, or None.
        test: the file of the interactions to predict.
        user: name of the column of users; all columns are found as in `read_interactions`.
        item: name of the column of items.
        rating: name of the column of ratings or counts.
        time: name of the column of times.
        dialect: how the files are written, as in `read_interactions`.
        min_rating: keep an interaction with at least this rating; None keeps all.
        titles: a file of item ids and titles; by default found as in `read_interactions`.

    Raises:
        InputError: as in `read_interactions`, or validation or test have no interaction that is
            not in train.

    Example:
        >>> parts = mv.read_given_split("train.csv", "valid.csv", "test.csv")
        >>> split = mv.given_split(*parts)
    """
    columns = Columns(user, item, rating, time)
    files = {"train": train, "validation": validation, "test": test}
    parts = _read_parts(files, columns, dialect, min_rating, titles)
    return parts["train"], parts.get("validation"), parts["test"]


def read_held_out_split(
    train: Paths,
    test_history: Paths,
    test: Paths,
    validation_history: Paths | None = None,
    validation: Paths | None = None,
    *,
    user: str | None = None,
    item: str | None = None,
    rating: str | None = None,
    time: str | None = None,
    dialect: Dialect = DETECTED,
    min_rating: float | None = None,
    titles: str | Path | None = None,
) -> GivenParts:
    """Read a given split of held-out users, each with a history and with targets.

    The files of the paper's code are such a split: train.csv, test_tr.csv, test_te.csv,
    validation_tr.csv and validation_te.csv. The result is what `given_split` takes.

    Args:
        train: the file of the training users.
        test_history: the file of what the model sees of the test users.
        test: the file of the interactions to predict.
        validation_history: the file of what the model sees of the validation users, or None.
        validation: the file of the interactions to select the epoch on, or None.
        user: name of the column of users; all columns are found as in `read_interactions`.
        item: name of the column of items.
        rating: name of the column of ratings or counts.
        time: name of the column of times.
        dialect: how the files are written, as in `read_interactions`.
        min_rating: keep an interaction with at least this rating; None keeps all.
        titles: a file of item ids and titles; by default found as in `read_interactions`.

    Returns:
        The interactions of each file by the name of its argument, with the ids of all of them;
        None for a file that is not given.

    Raises:
        InputError: as in `read_interactions`, or a file of targets has no interaction that is not
            in its history.

    Example:
        >>> parts = mv.read_held_out_split("train.csv", "test_tr.csv", "test_te.csv")
        >>> split = mv.given_split(**parts)
    """
    files = {
        "train": train,
        "validation_history": validation_history,
        "validation": validation,
        "test_history": test_history,
        "test": test,
    }
    columns = Columns(user, item, rating, time)
    parts = _read_parts(files, columns, dialect, min_rating, titles)
    return GivenParts(
        train=parts["train"],
        test_history=parts["test_history"],
        test=parts["test"],
        validation_history=parts.get("validation_history"),
        validation=parts.get("validation"),
    )


def _read_parts(
    files: dict[str, Paths | None],
    columns: Columns,
    dialect: Dialect,
    min_rating: float | None,
    titles: str | Path | None,
) -> dict[str, Interactions]:
    """Read the parts that have a file, with common ids; that of train comes first."""
    for name in ("train", "test_history", "test"):
        if name in files and files[name] is None:
            raise InputError(f"{name}: is missing; give the path of its file")
    named = {name: files_of(paths, name) for name, paths in files.items() if paths is not None}
    given = columns.given()
    check_reading(dialect, min_rating, titles)
    with_ratings = min_rating is not None
    parts = {
        name: above(
            min_rating,
            read_files(part, INTERACTIONS, given, dialect, with_ratings=with_ratings),
        )
        for name, part in named.items()
    }
    train = parts["train"]
    users, distinct_users = factorize(concat_ids(part.rows["user"] for part in parts.values()))
    items, distinct_items = factorize(concat_ids(part.rows["item"] for part in parts.values()))
    users, user_ids = refactorize(users, distinct_users, ascending=True)
    item_ids = as_text(distinct_items)
    refuse_one_user(train.name, user_ids)
    found, title_notes = titles_of(item_ids.tolist(), titles, beside=named["train"].folder)
    stops = np.cumsum([part.rows.height for part in parts.values()])
    rows = {
        name: slice(stop - part.rows.height, stop)
        for (name, part), stop in zip(parts.items(), stops, strict=True)
    }
    pairs = users.astype(np.int64) * len(item_ids) + items
    split = {}
    for name, part in parts.items():
        own, before = rows[name], _before(name, parts)
        kept = first = first_of_each(users[own], items[own], len(item_ids))
        notes = (*part.notes, *duplicates(part.name, first))
        if before is not None:
            kept = first & ~np.isin(pairs[own], pairs[rows[before]])
            notes += known_already(part.name, parts[before].name, int((first & ~kept).sum()))
            if not kept.any():
                raise InputError(
                    f"{part.name}: every interaction is already in {parts[before].name}"
                )
        for role, other in _ids_shared(name, before):
            notes += ids_apart(role, part.name, part.rows, parts[other].name, parts[other].rows)
        split[name] = Interactions(
            users=users[own][kept],
            items=items[own][kept],
            values=np.ones(int(kept.sum()), np.float32),
            times=times_in(part, kept),
            user_ids=user_ids,
            item_ids=item_ids,
            titles=found,
            notes=notes if name != "train" else (*notes, *title_notes),
        )
    return split


def _before(name: str, parts: Container[str]) -> str | None:
    """The part with what the users of a part have had before; None for a part of histories."""
    if name not in ("validation", "test"):
        return None
    history = f"{name}_history"
    return history if history in parts else "train"


def _ids_shared(name: str, before: str | None) -> list[tuple[str, str]]:
    """Role and part of the ids that a part should have in common with another."""
    if name == "train":
        return []
    return [*([] if before is None else [("user", before)]), ("item", "train")]

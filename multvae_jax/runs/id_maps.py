"""The items of a run in the order of the scores, with their features, and the users of a run."""

from __future__ import annotations

import contextlib
import csv
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from multvae_jax.data.types import Catalogue, Split
from multvae_jax.errors import InputError, file_errors, first_line
from multvae_jax.runs.nested import flat, nested

ITEMS = "items.csv"
FEATURES = "item_features.npz"
ITEM_FILES = (ITEMS, FEATURES)
"""The files of a catalogue; that of the features only if it has any."""
USERS = "users.csv"


def write_items(directory: Path, catalogue: Catalogue) -> None:
    """Write id, title and number of training users of each item, and the features of the items."""
    rows = (
        (item, catalogue.titles.get(item, ""), count)
        for item, count in zip(catalogue.ids, catalogue.counts, strict=True)
    )
    _write_rows(directory / ITEMS, ("item", "title", "users"), rows)
    if catalogue.features is not None:
        with (directory / FEATURES).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **flat(catalogue.features, _NAME))


def read_items(directory: Path) -> Catalogue:
    """Read the items of a run.

    Raises:
        InputError: if the file cannot be read, or an id is missing or occurs twice.
    """
    path = directory / ITEMS
    ids, titles, counts = [], {}, []
    for line, row in _rows(path, ("item", "title", "users"), "the item list"):
        item, title, count = row["item"], row["title"], row["users"]
        if not item:
            raise InputError(f"{path}:{line}: the item has no id")
        # The largest number of users that numpy's integers hold.
        if not count.isdecimal() or len(count) > 18:
            raise InputError(f"{path}:{line}: '{count[:20]}' is not a number of users")
        ids.append(item)
        counts.append(int(count))
        if title:
            titles[item] = title
    if not ids:
        raise InputError(f"{path}: not the item list of a run (it has no items)")
    if len(set(ids)) < len(ids):
        ((twice, _),) = Counter(ids).most_common(1)
        raise InputError(f"{path}: the item '{twice}' is there twice")
    features = read_features(directory)
    try:
        return Catalogue(np.array(ids, object), np.array(counts, np.int64), titles, features)
    except InputError as error:
        raise InputError(f"{directory / FEATURES}: does not belong to this run: {error}") from None


_NAME = "features"


def read_features(directory: Path) -> Any:
    """Read the features of the items of a run; None if it has none.

    Raises:
        InputError: if the file cannot be read.
    """
    path = directory / FEATURES
    if not path.exists():
        return None
    try:
        # Opened here because numpy leaves a file open that is not in its format.
        with (
            file_errors(path),
            path.open("rb") as opened,
            np.load(opened, allow_pickle=False) as file,
        ):
            found = nested(file, _NAME)
            if found is None:
                raise ValueError("it has no features")
            return found
    except InputError:
        raise
    # zipfile reads the file, and zlib the arrays.
    except (KeyError, ValueError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not the item features of a run ({first_line(error)})") from None


def write_users(directory: Path, split: Split) -> None:
    """Write id and part of each user: train, validation or test."""
    parts = {"train": split.user_ids} | {
        part: users.user_ids
        for part, users in (("validation", split.validation), ("test", split.test))
        if users is not None
    }
    rows = ((user, part) for part, users in parts.items() for user in users)
    _write_rows(directory / USERS, ("user", "part"), rows)


def read_users(directory: Path) -> dict[str, set[str]]:
    """Read the ids of the users of each part; no part if the run has no such file.

    Raises:
        InputError: if the file cannot be read.
    """
    parts: dict[str, set[str]] = {}
    if not (directory / USERS).exists():
        return parts
    for _, row in _rows(directory / USERS, ("user", "part"), "the user list"):
        parts.setdefault(row["part"], set()).add(row["user"])
    return parts


def _write_rows(path: Path, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heading)
        writer.writerows(rows)


def _rows(path: Path, heading: Sequence[str], what: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of a CSV file with the line that each ends on."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not {what} of a run (not a regular file)")
    try:
        with (
            file_errors(path),
            path.open(encoding="utf-8", newline="") as file,
            _fields_of_any_length(),
        ):
            reader = csv.reader(file, strict=True)
            first = next(reader, None)
            if first != list(heading):
                raise ValueError(f"its first line is not {','.join(heading)}")
            for row in reader:
                yield reader.line_num, dict(zip(heading, row, strict=True))
    except (csv.Error, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not {what} of a run ({error})") from None


@contextlib.contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Lift the limit of the csv module, which writes longer fields than it reads."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)

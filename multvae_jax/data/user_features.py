"""Features of users, such as gender and age, beside the histories of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32

from multvae_jax.checks.bounds import check_ids, check_kind
from multvae_jax.data.attributes import read_user_columns
from multvae_jax.data.checks import feature_rows
from multvae_jax.data.types import HeldOut, Split
from multvae_jax.data.user_encoder import FeatureColumn, UserEncoder, as_number, fill
from multvae_jax.errors import InputError, listed, shortened

MOST_CATEGORIES = 1_000
"""A column with more values is one of names or places, and not of groups."""

FEW_NUMBERS = 25
"""A column of numbers with no more distinct ones holds codes: each is a category."""


@dataclass(frozen=True, eq=False)
class UserFeatures:
    """Features of users, by id.

    Attributes:
        encoder: what the entries are.
        values: users x entries, float32.
        row_of: user id -> row.
        source: the file.
        notes: remarks on how the file was read, and how its columns are encoded.
    """

    encoder: UserEncoder
    values: Float32[np.ndarray, "users width"]
    row_of: Mapping[str, int]
    source: str
    notes: tuple[str, ...] = ()

    def of(self, user_ids: Sequence[str] | np.ndarray) -> Float32[np.ndarray, "users width"]:
        """The features of some users; those of a user without a row are 0."""
        rows = np.array([self.row_of.get(user, -1) for user in user_ids], np.int64)
        padded = np.concatenate([self.values, np.zeros((1, self.encoder.width), np.float32)])
        return padded[rows]


def read_user_features(
    path: str | Path, columns: Sequence[str], encoder: UserEncoder | None = None
) -> UserFeatures:
    """Read features of users from a file about them.

    A column of text, or of at most 25 distinct numbers, which are taken for codes, has one entry
    per value; any other column of numbers has one entry, standardized over the users of the file.
    `age:number` and `age:category` after the name of a column decide otherwise.

    Args:
        path: MovieLens's users.dat or u.user, or a table with one row per user, as in
            `read_user_columns`.
        columns: names or numbers of its columns.
        encoder: how the columns are encoded, such as that of a run; by default found in the file.

    Raises:
        InputError: the file cannot be read, has no such column, or a column is not what it is said
            to be.

    Example:
        >>> users = mv.data.read_user_features("users.csv", ["gender", "age"])
        >>> split = mv.with_user_features(split, users)
    """
    if encoder is not None:
        check_kind("encoder", encoder, UserEncoder, "run.user_encoder")
    if isinstance(columns, str) or not isinstance(columns, Sequence) or not columns:
        raise InputError(f"{path}: give the columns of the features as a list of names")
    check_ids("columns", columns, of_text=True)
    parts = [_kind_of(name) for name in columns]
    read = read_user_columns(path, [name for name, _ in parts])
    notes = list(read.notes)
    if encoder is None:
        kinds = [kind for _, kind in parts]
        found = [
            _column(str(path), name, list(values.values()), kind)
            for (name, values), kind in zip(read.values.items(), kinds, strict=True)
        ]
        encoder = UserEncoder(tuple(found))
        notes.append(f"{path}: {'; '.join(map(_described, found))}")
    elif [column.name for column in encoder.columns] != list(read.values):
        raise InputError(
            f"{path}: the columns are {listed(list(read.values))}, but the model was trained with "
            f"{listed([column.name for column in encoder.columns])}"
        )
    ids = list(dict.fromkeys(user for values in read.values.values() for user in values))
    row_of = {user: row for row, user in enumerate(ids)}
    values = np.zeros((len(ids), encoder.width), np.float32)
    place = 0
    for column in encoder.columns:
        strange: dict[str, int] = {}
        for user, value in read.values[column.name].items():
            if not fill(values[row_of[user], place:], column, value):
                strange[value] = strange.get(value, 0) + 1
        if strange:
            notes.append(
                f"{path}: {column.name}: {sum(strange.values()):,} users have a value that is "
                f"unknown to the model, such as '{shortened(min(strange))}'; their entries are 0"
            )
        place += len(column.entries)
    return UserFeatures(encoder, values, row_of, str(path), tuple(notes))


def _kind_of(name: str) -> tuple[str, str | None]:
    """The name of a column and what its values are, of "age:number"; None if that is not said."""
    for kind in ("number", "category"):
        if name.endswith(f":{kind}"):
            return name.removesuffix(f":{kind}"), kind
    return name, None


def _column(path: str, name: str, values: list[str], kind: str | None) -> FeatureColumn:
    if not values:
        raise InputError(f"{path}: column '{shortened(name)}' has no value")
    numbers = [as_number(value) for value in values]
    if kind == "number" and None in numbers:
        raise InputError(
            f"{path}: column '{shortened(name)}': '{shortened(values[numbers.index(None)])}' is "
            "not a number"
        )
    distinct = sorted(set(values), key=lambda value: (as_number(value) or 0.0, value))
    if kind is None:
        kind = "number" if None not in numbers and len(distinct) > FEW_NUMBERS else "category"
    if kind == "number":
        as_floats = np.array(numbers, np.float64)
        return FeatureColumn(name, (), float(as_floats.mean()), float(as_floats.std()) or 1.0)
    if len(distinct) > MOST_CATEGORIES:
        raise InputError(
            f"{path}: column '{shortened(name)}' has {len(distinct):,} distinct values; a feature "
            f"has {MOST_CATEGORIES:,} at most"
        )
    return FeatureColumn(name, tuple(distinct))


def _described(column: FeatureColumn) -> str:
    if column.categories:
        return f"{column.name} has {len(column.categories)} categories"
    return f"{column.name} is a number (mean {column.mean:.4g})"


# --- beside histories ---------------------------------------------------------------------------

Users = TypeVar("Users", Split, HeldOut)


def with_user_features(users: Users, features: UserFeatures | Mapping[str, Any]) -> Users:
    """Attach features to the users of a split, found by id.

    Every function of a model that receives a batch finds the rows of its users in
    `batch.user_features`: in training, validation and test.

    Args:
        users: a split of any kind, whose training and held-out users get features; or held-out
            users.
        features: from `read_user_features`; or user id -> array of any shape, one for every user,
            such as a factor of beta.

    Raises:
        InputError: no user has features or, with arrays by user, some user has none.

    Example:
        >>> users = mv.data.read_user_features("users.csv", ["gender", "age"])
        >>> split = mv.with_user_features(mv.hold_out_users(data), users)
    """
    if isinstance(users, HeldOut):
        return replace(users, user_features=_rows(features, users.user_ids))
    if not isinstance(users, Split):
        raise InputError(f"users: {type(users).__name__} is neither a split nor held-out users")
    validation = users.validation and with_user_features(users.validation, features)
    return replace(
        users,
        validation=validation,
        test=with_user_features(users.test, features),
        user_features=_rows(features, users.user_ids),
        user_encoder=features.encoder if isinstance(features, UserFeatures) else None,
        notes=(*users.notes, *_notes(features, users)),
    )


def _rows(features: Any, user_ids: np.ndarray) -> Any:
    if isinstance(features, UserFeatures):
        return features.of(user_ids)
    if not isinstance(features, Mapping):
        raise InputError(
            f"features: {type(features).__name__}; give those of read_user_features, or user id -> "
            "array"
        )
    missing = [user for user in user_ids if user not in features]
    if missing:
        raise InputError(
            f"features: {len(missing):,} of {len(user_ids):,} users have none, such as "
            f"'{missing[0]}'; give every user an array"
        )
    if not len(user_ids):
        shape = np.shape(next(iter(features.values()), ()))
        return np.zeros((0, *shape), np.float32)
    return feature_rows(features, user_ids)


def _notes(features: Any, split: Any) -> tuple[str, ...]:
    """Notes on the file of features, and on the users who are not in it.

    Raises:
        InputError: no user is in the file.
    """
    if not isinstance(features, UserFeatures):
        return ()
    parts = (split, split.validation, split.test)
    ids = {user for part in parts if part is not None for user in part.user_ids}
    missing = sum(user not in features.row_of for user in ids)
    if missing == len(ids):
        raise InputError(
            f"{features.source}: none of the {len(ids):,} users has a row; are the ids the same?"
        )
    without = f"{features.source}: {missing:,} of {len(ids):,} users have no row; their features "
    return (*features.notes, *([f"{without}are 0"] if missing else []))

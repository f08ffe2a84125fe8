"""Encoding the columns of a users file as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from multvae_jax.errors import InputError, listed, names_like, shortened


class FeatureColumn(NamedTuple):
    """How the values of a column become numbers.

    Attributes:
        name: name of the column, as the file spells it.
        categories: the values, each an entry that is 1 for the users who have it; empty if the
            values are numbers, of which one entry is made, (value - mean) / scale.
        mean: mean of the numbers.
        scale: standard deviation of the numbers.
    """

    name: str
    categories: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def entries(self) -> tuple[str, ...]:
        """Names of the entries."""
        if not self.categories:
            return (self.name,)
        return tuple(f"{self.name}={category}" for category in self.categories)


@dataclass(frozen=True)
class UserEncoder:
    """Turns values of users into an array with a row per user.

    Attributes:
        columns: the columns, in the order of the entries.
    """

    columns: tuple[FeatureColumn, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the entries, such as gender=F."""
        return tuple(entry for column in self.columns for entry in column.entries)

    @property
    def width(self) -> int:
        """Number of entries."""
        return len(self.names)

    def encode(self, users: Sequence[Mapping[str, Any]]) -> Float32[np.ndarray, "users width"]:
        """Encode users who are given by their values.

        Args:
            users: for each user, column -> value; the entries of a column that is left out, or
                whose value is None, are 0: unknown.

        Raises:
            InputError: there is no such column, or the column has no such value.

        Example:
            >>> users = mv.data.read_user_features("users.csv", ["gender"])
            >>> users.encoder.names
            ('gender=F', 'gender=M')
            >>> users.encoder.encode([{"gender": "F"}, {}]).tolist()
            [[1.0, 0.0], [0.0, 0.0]]
        """
        if isinstance(users, Mapping):
            raise InputError("users: a single mapping; give a list with one for each user")
        known = [column.name for column in self.columns]
        values = np.zeros((len(users), self.width), np.float32)
        for row, user in enumerate(users):
            for name in user:
                if name not in known:
                    raise InputError(f"users[{row}]: no column '{name}'{names_like(name, known)}")
            place = 0
            for column in self.columns:
                value = user.get(column.name)
                if value is not None and not fill(values[row, place:], column, str(value)):
                    wanted = listed(column.categories) if column.categories else "numbers"
                    raise InputError(
                        f"users[{row}]: {column.name} '{shortened(str(value))}'; the values are "
                        f"{wanted}; leave out what is unknown"
                    )
                place += len(column.entries)
        return values


def fill(entries: np.ndarray, column: FeatureColumn, value: str) -> bool:
    """Write a value to the first entries; return whether the column has it."""
    if column.categories:
        if value not in column.categories:
            return False
        entries[column.categories.index(value)] = 1.0
        return True
    number = as_number(value)
    if number is None:
        return False
    entries[0] = (number - column.mean) / column.scale
    return True


def as_number(value: str) -> float | None:
    """The finite number that a text holds; None if it holds none."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None

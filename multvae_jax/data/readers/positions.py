"""The roles of the columns of a table without a header, by their positions and values."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from multvae_jax.data.readers.fields import Candidate, columns_of, is_date, kind_of
from multvae_jax.data.readers.preamble import Body
from multvae_jax.data.readers.schema import (
    INTERACTIONS,
    NUMBERS,
    ColumnLayout,
    NoColumnError,
    Schema,
    missing_column,
)
from multvae_jax.errors import InputError, listed, shortened

_ROW_NUMBERS = 10  # rows that are numbered before a column of numbers is a column of row numbers
_FEWEST = 5  # lines from which their lengths mean something
_MATRIX = 12  # columns of numbers from which they are those of a matrix
_RATINGS = 100  # rows before a column of few small numbers is a column of ratings
_ASIN = re.compile(r"B[0-9A-Z]{9}|\d{9}[\dX]")
_REVIEWER = re.compile(r"A[0-9A-Z]{9,}")


def by_position(
    body: Body, one: Candidate, schema: Schema, column_names: Mapping[str, str]
) -> ColumnLayout:
    """Return the layout of a table without a header.

    Raises:
        InputError: a number is not that of a column, or the columns cannot be told apart.
    """
    columns = tuple(str(number) for number in range(1, one.width + 1))
    roles: dict[str, int] = {}
    for role, name in column_names.items():
        if name.strip() not in columns:
            raise NoColumnError(
                f"{body.name}: no column '{shortened(name)}'; there is no header, and the columns "
                f"are numbered from 1 to {one.width}"
            )
        roles[role] = columns.index(name.strip())
    asked = set(schema.required) <= set(roles)
    values = list(columns_of([one.first, *one.rows], one.width))
    if not asked:
        _refuse_unclear(body, one, schema, column_names, values)
        order = _order(schema, values)
        for role, index in zip(schema.required, order, strict=False):
            if role not in roles and index not in roles.values():
                roles[role] = index
        if any(role not in roles for role in schema.required):
            raise _which(body, one, "name both the user and the item")
    if one.width <= schema.widest or not any(map(any, values[schema.widest :])):
        for index, column in enumerate(values):
            kind = kind_of(column, share=0.5)
            for role in {"number": (*NUMBERS, "time"), "time": ("time",)}.get(kind, ()):
                if role in schema.positions and role not in roles and index not in roles.values():
                    roles[role] = index
    ordered = {role: roles[role] for role in schema.aliases if role in roles}
    return ColumnLayout(False, columns, ordered)


def _order(schema: Schema, values: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """Return the columns of the user and the item: the first two, in either order of Amazon's."""
    if schema is INTERACTIONS and (
        all(_ASIN.fullmatch(value) for value in values[0])
        and all(_REVIEWER.fullmatch(value) for value in values[1])
    ):
        return (1, 0)
    return tuple(range(len(schema.required)))


def _refuse_unclear(
    body: Body,
    one: Candidate,
    schema: Schema,
    column_names: Mapping[str, str],
    values: Sequence[Sequence[str]],
) -> None:
    """Refuse a table without a header whose first columns are not a user and an item."""
    if one.width < len(schema.required):
        raise missing_column(body.name, schema, one.first, column_names)
    widths = Counter(map(len, (one.first, *one.rows)))
    if len(one.rows) >= _FEWEST and widths.most_common(1)[0][1] <= len(one.rows) / 2:
        raise InputError(
            f"{body.name}: no header, and lines of {min(widths)} to {max(widths)} fields; give "
            "--lines users if each is a user and its items"
        )
    if (
        schema is INTERACTIONS
        and one.width >= _MATRIX
        and all(kind_of(column) == "number" for column in values)
    ):
        raise InputError(
            f"{body.name}: no header, and {one.width} columns of numbers, like a matrix with a row "
            "per user; write one row per user and item"
        )
    filled = max((n for n, column in enumerate(values, 1) if any(column)), default=0)
    if filled > schema.widest:
        raise _which(body, one, f"{one.width} columns")
    if schema is not INTERACTIONS:
        return
    user, item, *others = values
    first = user[0].strip()
    if others and len(user) >= _ROW_NUMBERS and first in ("0", "1"):
        numbers = [str(number) for number in range(int(first), int(first) + len(user))]
        if [value.strip() for value in user] == numbers:
            raise _which(body, one, "column 1 numbers the rows")
    timed = any(kind_of(column) == "time" for column in others)
    for number, column in ((1, user), (2, item)):
        if all(map(is_date, column)) or (others and not timed and kind_of(column) == "time"):
            raise _which(body, one, f"column {number} holds times")
    for number, column in ((1, user), (2, item)):
        rest = [other for other in values if other is not column]
        if _like_ratings(column) and any(_varied(other, column) for other in rest):
            few = listed(sorted(set(column)))
            raise _which(body, one, f"column {number} holds only {few}, like ratings")


def _like_ratings(column: Sequence[str]) -> bool:
    """Return whether a column has few small numbers in no order, as ratings are."""
    few, changes = set(column), sum(a != b for a, b in pairwise(column))
    return (
        len(column) >= _RATINGS
        and len(few) <= 11
        and kind_of(list(few)) == "number"
        and all(float(value.replace(",", ".")) <= 10 for value in few if value.strip())
        and changes > len(column) / 4
    )


def _varied(other: Sequence[str], column: Sequence[str]) -> bool:
    return len(set(other)) > len(set(column)) and kind_of(other) != "time"


def _which(body: Body, one: Candidate, problem: str) -> InputError:
    fields = listed([f"{number} ({shortened(f)})" for number, f in enumerate(one.first, 1)])
    return InputError(
        f"{body.name}: no header, and {problem}: give --user-column and --item-column by number; "
        f"the first line has {fields}"
    )


def positions_note(roles: Mapping[str, int]) -> str:
    """Return the note on which column was read as what."""
    read = ", ".join(f"{index + 1} as the {role}" for role, index in roles.items())
    return f"no header: column {read.replace(' as', ' is read as', 1)}"

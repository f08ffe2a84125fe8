"""The role of each column of a table, found by its usual name, a given name, or its position."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from multvae_jax.errors import InputError


@dataclass(frozen=True)
class Schema:
    """The roles of the columns in one kind of table.

    Attributes:
        aliases: usual column names of each role, normalized, the most specific first.
        required: roles that a table must have.
        positions: roles of the columns of a table without a header, from the first one.
        widest: largest number of columns of a table without a header.
    """

    aliases: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    positions: tuple[str, ...]
    widest: int


class Columns(NamedTuple):
    """Names of the columns of interactions; None for a column found by its usual names.

    A column of a file without a header is named by its number, starting with "1".
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None

    def given(self) -> dict[str, str]:
        """Return the names that are given, by role."""
        return {role: name for role, name in self._asdict().items() if name is not None}


USUAL_COLUMNS = Columns()
"""Every column found by its usual names."""


@dataclass(frozen=True)
class ColumnLayout:
    """A table's column names, and the index of the column of each role.

    Without a header the columns are named "1", "2" and so on.
    """

    header: bool
    columns: tuple[str, ...]
    roles: Mapping[str, int]


# If a file has items of several kinds, the finer kind comes first: a track before its artist.
_ITEM = (
    *(
        "item",
        "itemid",
        "iid",
        "movieid",
        "songid",
        "sid",
        "trackid",
        "productid",
        "parentasin",
        "asin",
        "isbn",
    ),
    *("bookid", "gameid", "businessid", "locationid", "poiid", "videoid", "articleid", "newsid"),
    *("artistid", "movie", "song", "track", "product", "book", "game", "location", "artist"),
)

INTERACTIONS = Schema(
    aliases={
        "user": (
            *("user", "userid", "uid", "username", "reviewerid", "customerid", "visitorid"),
            *("sessionid", "customer", "reviewer", "session"),
        ),
        "item": _ITEM,
        "rating": (
            *("rating", "ratings", "bookrating", "score", "stars", "overall", "value"),
            *("playcount", "plays", "listencount", "count", "weight"),
        ),
        "time": ("timestamp", "time", "unixtime", "unixreviewtime", "datetime", "date"),
    },
    required=("user", "item"),
    positions=("user", "item", "rating", "time"),
    widest=4,
)

TITLES = Schema(
    aliases={
        "item": _ITEM,
        "title": (
            *("title", "itemtitle", "movietitle", "songtitle", "tracktitle", "booktitle"),
            *("itemname", "trackname", "artistname", "productname", "name"),
        ),
    },
    required=("item", "title"),
    positions=("item", "title"),
    widest=64,
)

_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*")


def normalized(name: str) -> str:
    """Return a column name in lower case without `:type`, spaces, hyphens and underscores."""
    return re.sub(r"[\s_\-]", "", name.partition(":")[0]).lower()


def match_roles(
    schema: Schema, columns: Sequence[str], column_names: Mapping[str, str]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Match roles to columns.

    Args:
        schema: the roles to match.
        columns: the names of the columns.
        column_names: for some roles, the name of the column.

    Returns:
        The index of the column of each role that was found, and the roles that are named or
        required and were not found.
    """
    plain = [normalized(column) for column in columns]
    roles: dict[str, int] = {}
    for role, aliases in schema.aliases.items():
        if role in column_names:
            candidates = (
                *_indices(columns, column_names[role]),
                *_indices(plain, normalized(column_names[role])),
            )
        else:
            candidates = tuple(index for alias in aliases for index in _indices(plain, alias))
        if candidates:
            roles[role] = candidates[0]
    wanted = dict.fromkeys((*column_names, *schema.required))
    return roles, tuple(role for role in wanted if role not in roles)


def layout_of(
    schema: Schema,
    fields: Sequence[str],
    column_names: Mapping[str, str],
    header: Literal["auto", "yes", "no"] = "auto",
) -> ColumnLayout | None:
    """Read a table's first line as a header, or else as its first row of data.

    The first line is data if no names match, it has at most as many fields as the schema allows and
    one of them is a number; or if every column is named by its number.

    Returns:
        The layout, or None if the line is neither.
    """
    roles, missing = match_roles(schema, fields, column_names)
    if header != "no" and not missing:
        return ColumnLayout(True, tuple(field.strip() for field in fields), roles)
    if header == "yes" or (header == "auto" and not _is_data(schema, fields, column_names)):
        return None
    columns = tuple(str(number) for number in range(1, len(fields) + 1))
    roles, missing = match_roles(schema, columns, column_names)
    for index, role in enumerate(schema.positions[: len(fields)]):
        numeric = _NUMBER.fullmatch(fields[index]) is not None
        free = role not in roles and index not in roles.values()
        if free and (role in schema.required or numeric):
            roles[role] = index
    missing = tuple(role for role in (*column_names, *schema.required) if role not in roles)
    return None if missing else ColumnLayout(False, columns, roles)


def missing_column(
    name: str, schema: Schema, columns: Sequence[str], column_names: Mapping[str, str]
) -> InputError:
    """Return the error for a first line in which a role has no column."""
    role = match_roles(schema, columns, column_names)[1][0]
    listed = ", ".join(column.strip() for column in columns)
    if role in column_names:
        return InputError(f"{name}: no column '{column_names[role]}'; the columns are {listed}")
    return InputError(
        f"{name}: no {role} column under a usual name; the columns are {listed}; "
        f"name one as the {role} column"
    )


def _indices(names: Sequence[str], name: str) -> tuple[int, ...]:
    return tuple(index for index, other in enumerate(names) if other == name)


def _is_data(schema: Schema, fields: Sequence[str], column_names: Mapping[str, str]) -> bool:
    if column_names:
        by_number = all(name.isdecimal() for name in column_names.values())
        if not by_number or set(schema.required) <= set(column_names):
            return by_number
    few = len(schema.required) <= len(fields) <= schema.widest
    return few and any(_NUMBER.fullmatch(field) for field in fields)

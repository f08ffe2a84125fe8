"""The role of each column of a table, found by its usual name, a given name, or its position."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from multvae_jax.checks.bounds import check_text
from multvae_jax.errors import InputError, listed, shortened

WIDEST = 20_000
"""Columns that a table has at most."""


class NoColumnError(InputError):
    """A file that lacks a column."""


@dataclass(frozen=True)
class Schema:
    """The roles of the columns in one kind of table.

    Attributes:
        aliases: usual column names of each role, normalized, the most specific first.
        required: roles that a table must have.
        positions: roles of the columns of a table without a header, from the first one.
        widest: largest number of columns of a table without a header.
        per_user: whether a line or an object may be a user and its items.
    """

    aliases: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    positions: tuple[str, ...]
    widest: int
    per_user: bool = False


class Columns(NamedTuple):
    """Names of the columns of interactions; None for a column found by its usual names.

    A column of a file without a header is named by its number, starting with "1".
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None

    def given(self) -> dict[str, str]:
        """Return the names that are given, by role.

        Raises:
            InputError: one is not text.
        """
        for role, name in self._asdict().items():
            check_text(role, name, 'the name of a column, or its number as text, such as "1"')
        return {role: name for role, name in self._asdict().items() if name is not None}


USUAL_COLUMNS = Columns()
"""Every column found by its usual names."""


@dataclass(frozen=True)
class ColumnLayout:
    """A table's column names, and the index of the column of each role.

    Without a header the columns are named "1", "2" and so on. The notes say which column was taken
    for a role if there was a choice.
    """

    header: bool
    columns: tuple[str, ...]
    roles: Mapping[str, int]
    notes: tuple[str, ...] = ()


# If a file has items of several kinds, the finer kind comes first: a track before its artist.
_ITEM = (
    *("item", "itemid", "iid", "itemidx", "movieid", "animeid", "songid", "sid", "trackid"),
    *(
        "traid",
        "productid",
        "parentasin",
        "asin",
        "isbn",
        "bookid",
        "appid",
        "gameid",
        "businessid",
    ),
    *("venueid", "placeid", "poiid", "locationid", "gmapid", "videoid", "articleid", "newsid"),
    *("recipeid", "beerid", "courseid", "jobid", "photoid", "postid", "pageid", "bookmarkid"),
    *("contentid", "sku", "skuid", "stockcode", "albumid", "artistid", "artid"),
    *(
        "movie",
        "song",
        "track",
        "product",
        "book",
        "game",
        "venue",
        "poi",
        "place",
        "location",
        "artist",
    ),
    *("iditem", "itemids", "itemidlist", "itemlist", "items"),
)

INTERACTIONS = Schema(
    aliases={
        "user": (
            *("user", "userid", "uid", "useridx", "username", "reviewerid", "customerid"),
            *("visitorid", "memberid", "profileid", "accountid", "playerid", "steamid", "msno"),
            *("iduser", "customer", "reviewer", "profilename", "sessionid", "session"),
        ),
        "item": _ITEM,
        "rating": (
            *("rating", "ratings", "bookrating", "userrating", "starrating", "score", "stars"),
            *("overall", "value", "watchratio", "playcount", "plays", "listencount", "count"),
            *("weight", "hours"),
        ),
        "time": (
            *("timestamp", "time", "unixtime", "unixreviewtime", "timestampms", "datetime", "date"),
            *("eventtime", "eventdate", "reviewtime", "reviewdate", "createdat", "dateadded"),
            *("checkintime", "utctime", "ts"),
        ),
    },
    required=("user", "item"),
    positions=("user", "item", "rating", "time"),
    widest=4,
    per_user=True,
)

RECOMMENDATIONS = Schema(
    aliases={
        "user": (*INTERACTIONS.aliases["user"], "users", "userids", "qid", "queryid", "query"),
        "item": (
            *_ITEM,
            *("recommendations", "recommendation", "recommendeditems", "recommendeditem"),
            *("recitems", "docid", "docno"),
        ),
        "rank": ("rank", "ranks", "ranking", "position", "pos"),
        "score": (
            *("score", "scores", "prediction", "predictions", "pred", "predictedrating"),
            *("predictedscore", "similarity", "relevance", "estimate", "est", "rating", "ratings"),
            *("value", "values", "weight", "weights"),
        ),
    },
    required=("user", "item"),
    positions=("user", "item", "score"),
    widest=3,
    per_user=True,
)
"""Recommended items, one per row or one list per user."""

NUMBERS = ("rating", "score", "rank")
"""Roles whose values are numbers."""

TITLES = Schema(
    aliases={
        "item": (*_ITEM, "id"),
        "title": (
            *("title", "itemtitle", "movietitle", "songtitle", "tracktitle", "booktitle"),
            *("itemname", "trackname", "artistname", "productname", "name"),
        ),
    },
    required=("item", "title"),
    positions=("item", "title"),
    widest=64,
)

LISTED = ("features", "vector")
"""Roles of a column that may hold a list in each row."""


def about(key: Literal["user", "item"], roles: Mapping[str, tuple[str, ...]]) -> Schema:
    """Return the schema of a table about users or items.

    Args:
        key: whose ids the table has.
        roles: the further roles, and their usual column names. None of them is required.
    """
    ids = (*INTERACTIONS.aliases[key], "id")
    return Schema({key: ids, **roles}, required=(key,), positions=(key,), widest=WIDEST)


def normalized(name: str) -> str:
    """Return a column name in lower case without `:type` and signs, as in User-ID or [user_id]."""
    return re.sub(r"[\s_\-#.\[\]\"'`]", "", name.partition(":")[0]).lower()


def has_usual_name(schema: Schema, columns: Sequence[str]) -> bool:
    """Return whether a column has a usual name of some role."""
    usual = {alias for aliases in schema.aliases.values() for alias in aliases}
    return any(normalized(column) in usual for column in columns)


def match_roles(
    schema: Schema, columns: Sequence[str], column_names: Mapping[str, str]
) -> tuple[dict[str, tuple[int, ...]], tuple[str, ...]]:
    """Match roles to columns.

    Args:
        schema: the roles to match.
        columns: the names of the columns.
        column_names: for some roles, the name of the column, or its number, starting with "1".

    Returns:
        The indices of the columns that could have each role, the first of which is taken, and the
        roles that are named or required and were not found.
    """
    plain, stripped = _places(map(normalized, columns)), _places(map(str.strip, columns))
    named = {
        role: _named(stripped, plain, name, len(columns)) for role, name in column_names.items()
    }
    taken = {indices[0] for indices in named.values() if indices}
    roles = {}
    for role, aliases in schema.aliases.items():
        usual = (index for alias in aliases for index in plain.get(alias, ()))
        found = named.get(role, tuple(index for index in usual if index not in taken))
        if found:
            roles[role] = tuple(dict.fromkeys(found))
    wanted = dict.fromkeys((*column_names, *schema.required))
    return roles, tuple(role for role in wanted if role not in roles)


def layout_of(
    schema: Schema, columns: Sequence[str], column_names: Mapping[str, str]
) -> ColumnLayout | None:
    """Return the layout of a table whose columns have names, or None if a role has no column."""
    found, missing = match_roles(schema, columns, column_names)
    if missing:
        return None
    names = tuple(column.strip() for column in columns)
    roles = {role: indices[0] for role, indices in found.items()}
    notes = (
        _choice(role, [names[index] for index in indices])
        for role, indices in found.items()
        if len(indices) > 1 and (role in schema.required or names[indices[0]] == names[indices[1]])
    )
    return ColumnLayout(True, names, roles, tuple(notes))


def missing_column(
    name: str, schema: Schema, columns: Sequence[str], column_names: Mapping[str, str]
) -> InputError:
    """Return the error for named columns of which none has some role."""
    missing = match_roles(schema, columns, column_names)[1]
    # None is missing from a table of too few columns, if two roles are given the same one.
    role = missing[0] if missing else schema.required[-1]
    if role in column_names:
        return NoColumnError(
            f"{name}: no column '{shortened(column_names[role])}'; "
            f"the columns are {listed(columns)}"
        )
    hint = f"name one with --{role}-column" if schema.per_user else f"call one '{role}'"
    return NoColumnError(
        f"{name}: no {role} column under a usual name; the columns are {listed(columns)}; {hint}"
    )


def _named(
    written: Mapping[str, list[int]], plain: Mapping[str, list[int]], name: str, width: int
) -> tuple[int, ...]:
    """Return the columns of a name, as written or normalized, else the one of that number."""
    found = written.get(name.strip()) or plain.get(normalized(name), [])
    if not found and name.isdecimal() and 1 <= int(name) <= width:
        return (int(name) - 1,)
    return tuple(found)


def _places(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the indices of each name."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        places.setdefault(name, []).append(index)
    return places


def _choice(role: str, names: Sequence[str]) -> str:
    """Return the note on a role that several columns could have."""
    taken = shortened(names[0])
    same = sum(name == names[0] for name in names)
    if same > 1:
        return f"{same} columns are named '{taken}'; the first one was read as the {role}"
    return f"column '{taken}' was read as the {role}, not {listed(names[1:])} (--{role}-column)"

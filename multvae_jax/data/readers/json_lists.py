"""Reader of objects that hold a user and its list of items."""

import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple

import polars as pl

from multvae_jax.data.readers.schema import RECOMMENDATIONS, ColumnLayout, match_roles
from multvae_jax.data.readers.table import SURPLUS, Row, Table, Text
from multvae_jax.errors import InputError, first_line, shortened

_ROLES = ("user", "item", "rank", "score")
_HEAD = 100  # objects from which the form of all is known


class _Keys(NamedTuple):
    """The keys of the objects, and those of the entries of a list if they are objects, too."""

    outer: Mapping[str, str]
    inner: Mapping[str, str]


def json_lists_table(name: str, data: bytes, column_names: Mapping[str, str]) -> Table | None:
    """Return the table of lists of items; None if the items of the first object are not a list.

    Each object holds a user, a list of its items, and perhaps lists of their scores and ranks as
    long, as in {"user": "ann", "items": ["a", "b"], "scores": [0.9, 0.5]}. The items may also be
    objects that hold an item, its score and its rank, as Spark writes them. A single object may
    hold the lists of all users, by user.

    Args:
        name: name of the file in messages.
        data: JSON Lines, or an array of objects.
        column_names: for some roles, the name of the key.

    Raises:
        InputError: an object is not such a list, with its line.
    """
    objects = _of_mapping(name, data) or _objects(name, data)
    try:
        head = list(islice(objects, _HEAD))
    except InputError:
        return None  # the reader of rows says what is wrong
    found = [_keys_of(value, column_names) for _, value in head]
    # The form of the entries is that of the first list that has any.
    if not any(value for _, value in head):
        raise InputError(f"{name}: holds no lists")
    if found[0] is None:
        return None
    keys = next((each for each in found if each and each.inner), found[0])
    columns: dict[str, list[Any]] = {role: [] for role in _ROLES}
    places: list[str] = []
    for place, value in chain(head, objects):
        _add(columns, place, value, keys)
        places += [place] * (len(columns["user"]) - len(places))
    used = [role for role in _ROLES if role in ("user", "item") or any(columns[role])]
    layout = ColumnLayout(
        True,
        tuple(keys.inner.get(role) or keys.outer[role] for role in used),
        {role: index for index, role in enumerate(used)},
    )
    frame = pl.DataFrame(
        {str(index): columns[role] for index, role in enumerate(used)},
        schema={str(index): pl.String for index in range(len(used))},
    )

    def row(index: int) -> Row:
        return Row(places[index], [value or "" for value in frame.row(index)])

    text = frame.lazy().with_columns(pl.lit(None, pl.String).alias(SURPLUS))
    return Table(name, layout, lambda: Text(text), row, users_without_items=True)


def _of_mapping(name: str, data: bytes) -> Iterator[tuple[str, Any]] | None:
    """Yield the users of an object that holds the list of each; None if the text is not one.

    A list may also be an object of items and scores, as pytrec_eval and ranx write runs.
    """
    if data.lstrip()[:1] != b"{":
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None  # the first of many objects
    lists = found.values()
    if found and all(isinstance(items, list) for items in lists):
        return (
            (f"{name}: user {shortened(user)}", {"user": user, "items": items})
            for user, items in found.items()
        )
    if found and all(isinstance(items, dict) for items in lists):
        return (
            (
                f"{name}: user {shortened(user)}",
                {"user": user, "items": [*scores], "scores": [*scores.values()]},
            )
            for user, scores in found.items()
        )
    return None


def _objects(name: str, data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the place and the value of each line that is not blank, or of each in an array."""
    if data.lstrip()[:1] == b"[":
        try:
            values = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}: not JSON: {first_line(error)}") from None
        yield from ((f"{name}: object {number}", value) for number, value in enumerate(values, 1))
        return
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            try:
                yield f"{name}:{number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{name}:{number}: not an object in one line, as in JSON Lines: "
                    f"{first_line(error)}"
                ) from None


def _keys_of(first: Any, column_names: Mapping[str, str]) -> _Keys | None:
    """Return the keys of an object, if its items are a list."""
    if not isinstance(first, dict):
        return None
    outer = matched_keys(first, column_names)
    if not {"user", "item"} <= outer.keys() or not isinstance(first[outer["item"]], list):
        return None
    entry = next(iter(first[outer["item"]]), None)
    if not isinstance(entry, dict):
        return _Keys(outer, {})
    inner = {role: key for role, key in matched_keys(entry, {}).items() if role != "user"}
    if "item" not in inner:
        return None
    return _Keys({role: outer[role] for role in ("user", "item")}, inner)


def matched_keys(found: Mapping[str, Any], column_names: Mapping[str, str]) -> dict[str, str]:
    """Return the key of each role in an object of recommendations or of a history."""
    names = list(found)
    roles, _ = match_roles(RECOMMENDATIONS, names, column_names)
    return {role: names[indices[0]] for role, indices in roles.items()}


def _add(columns: dict[str, list[Any]], place: str, found: Any, keys: _Keys) -> None:
    """Append the entries of one object; for an empty list, its user alone.

    Raises:
        InputError: the object has another form than the first one.
    """
    if not isinstance(found, dict):
        raise InputError(f"{place}: a {type(found).__name__}, not an object")
    for key in keys.outer.values():
        if key not in found:
            raise InputError(f"{place}: no '{shortened(key)}', as the first object has")
    user, items = found[keys.outer["user"]], found[keys.outer["item"]]
    entries: dict[str, list[Any]] = {}
    if not isinstance(items, list):
        raise InputError(f"{place}: '{shortened(keys.outer['item'])}' is not a list")
    for role in ("item", "score", "rank"):
        if role in keys.inner:
            key = keys.inner[role]
            if not all(isinstance(item, dict) and key in item for item in items):
                raise InputError(f"{place}: an entry of the list without '{shortened(key)}'")
            entries[role] = [item[key] for item in items]
        elif role in keys.outer and not keys.inner:
            key = keys.outer[role]
            values = found[key]
            if not isinstance(values, list) or len(values) != len(items):
                raise InputError(
                    f"{place}: '{shortened(key)}' is not a list of {len(items)} values, one for "
                    "each item"
                )
            entries[role] = values
    name = text_of(place, keys.outer["user"], user)
    if not items:
        entries = {role: [None if role == "item" else 0] for role in entries}
    columns["user"] += [name] * max(len(items), 1)
    for role in ("item", "score", "rank"):
        key = keys.inner.get(role) or keys.outer.get(role, role)
        values = entries.get(role, [""] * max(len(items), 1))
        columns[role] += [
            None if value is None and not items else text_of(place, key, value) for value in values
        ]


def text_of(place: str, key: str, value: Any) -> str:
    """Return an id or a number as text; a float that is a whole number is an integer.

    Raises:
        InputError: the value is neither text nor a number.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(
            f"{place}: '{shortened(key)}': {shortened(json.dumps(value))} is neither text nor a "
            "number"
        )
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)

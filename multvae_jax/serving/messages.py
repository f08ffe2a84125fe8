"""Requests and responses as JSON; the OpenAPI document describes these classes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from multvae_jax.checks.bounds import Count, in_words
from multvae_jax.errors import InputError, names_like, shortened

ItemId = str | int
"""Spelled as in the data; an integer stands for its usual spelling, 50 for "50"."""

Features = dict[str, str | int | float | None]


@dataclass(frozen=True)
class Limits:
    """The most that a request may ask for.

    Attributes:
        k: items per list, and items to explain.
        history: items of a history.
        users: histories of a request.
        body: bytes of a request.
    """

    k: int = 100
    history: int = 10_000
    users: int = 1_000
    body: int = 2**20


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The base of all requests: a field that does not exist is refused."""


class RecommendRequest(Request):
    """Whom to recommend to: one history, or several."""

    history: Annotated[
        list[ItemId] | None, Meta(description="Ids of the items that the user has.")
    ] = None
    histories: Annotated[
        list[list[ItemId]] | None, Meta(description="Those of several users, instead.")
    ] = None
    k: Annotated[Count | None, Meta(description="Number of items to recommend; 20 by default.")] = (
        None
    )
    exclude: Annotated[
        list[ItemId], Meta(description="Ids of items that are not recommended.")
    ] = []
    candidates: Annotated[
        list[ItemId] | None, Meta(description="Ids of the only items to recommend.")
    ] = None
    include_seen: Annotated[
        bool, Meta(description="Rank the items of the history with the others.")
    ] = False
    user_features: Annotated[
        Features | list[Features] | None,
        Meta(
            description="Values of the user, by column, if the model reads any; a list of them "
            "for several histories. What is left out is unknown."
        ),
    ] = None


class SimilarRequest(Request):
    """An item."""

    item: Annotated[ItemId, Meta(description="Id of the item.")]
    k: Annotated[Count | None, Meta(description="Number of similar items; 20 by default.")] = None


class WhyRequest(Request):
    """A history, and an item whose score is explained, or several."""

    history: Annotated[list[ItemId], Meta(description="Ids of the items that the user has.")]
    item: Annotated[ItemId | None, Meta(description="Id of the item to explain.")] = None
    items: Annotated[list[ItemId] | None, Meta(description="Those of several items, instead.")] = (
        None
    )
    reasons: Annotated[
        Count | None,
        Meta(description="Number of items of the history to name for each; all by default."),
    ] = None
    user_features: Annotated[
        Features | None,
        Meta(description="Values of the user, by column, if the model reads any."),
    ] = None


class Item(msgspec.Struct):
    """An item and its score."""

    item: str
    title: str | None
    score: float


class Recommended(msgspec.Struct):
    """The items that are recommended to a user, best first.

    `unknown` is the number of items of the history that the model does not know, and
    `from_popularity` whether the items are the most popular ones, as nothing is known of the user.
    """

    items: list[Item]
    unknown: int
    from_popularity: bool


class RecommendedLists(msgspec.Struct):
    """Recommendations for each of several users."""

    lists: list[Recommended]


class Similar(msgspec.Struct):
    """The items that are most similar to an item, most similar first."""

    items: list[Item]


class Reason(msgspec.Struct):
    """The loss of a score without an item of the history."""

    item: str
    title: str | None
    effect: float


class Explained(msgspec.Struct):
    """An item, its score, and the items of the history that speak for it, the strongest first."""

    item: str
    title: str | None
    score: float
    because: list[Reason]
    unknown: int


class ExplainedItems(msgspec.Struct):
    """The reasons of several items."""

    items: list[Explained]


class Health(msgspec.Struct):
    """The server answers, and what it serves."""

    status: str
    run: str
    items: int
    user_features: list[str]
    device: str
    version: str


class Problem(msgspec.Struct):
    """Why a request is refused, in one sentence."""

    error: str


class NotJsonError(InputError):
    """The body of a request is not JSON."""


Message = TypeVar("Message", bound=msgspec.Struct)

_UNKNOWN = re.compile(r"[Oo]bject contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"[Oo]bject missing required field `(.*)`")
_KINDS = {
    "array": "a list",
    "object": "an object",
    "str": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
}
"""The names in JSON of the types that msgspec names."""


def decoded(body: bytes, kind: type[Message]) -> Message:
    """Read a request.

    Raises:
        NotJsonError: it is not JSON.
        InputError: it is not such a request; the message names the field.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise InputError(_problem(error, kind)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        reason = reason[:1].lower() + reason[1:] if body else "it is empty"
        raise NotJsonError(f"the body is not JSON: {reason}") from None


def _problem(error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> str:
    """The fault of a request as one sentence."""
    if found := _UNKNOWN.match(str(error)):
        known = names_like(found[1], kind.__struct_fields__)
        return f"there is no field '{shortened(found[1])}'{known}"
    if found := _MISSING.match(str(error)):
        return f"{found[1]}: is missing"
    place = str(error).partition(" - at `$")[2].rstrip("`").lstrip(".")
    words = re.sub(r"`([^`]*)`", lambda match: _kinds(match[1]), in_words(error))
    return f"{place or 'the body'}: {words}"


def _kinds(names: str) -> str:
    # in_words writes null as Python does; that a field may also be null is not worth saying.
    kinds = names.replace("None", "null").split(" | ")
    named = [kind for kind in kinds if kind != "null"] or kinds
    return " or ".join(_KINDS.get(kind, kind) for kind in named)


def encoded(message: msgspec.Struct) -> bytes:
    """A message as JSON."""
    return msgspec.json.encode(message)


def schemas_of(kinds: list[Any]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """References to the JSON schemas of some messages, and the schemas by name."""
    return msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")

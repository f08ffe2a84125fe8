"""The paths that take questions: what a request asks, and its answer as a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from multvae_jax.data.known_items import KnownHistory
from multvae_jax.errors import InputError, listed, shortened
from multvae_jax.recommending.recommender import SimilarItems
from multvae_jax.recommending.scoring import LeaveOneOut
from multvae_jax.serving.messages import (
    Explained,
    ExplainedItems,
    Item,
    Reason,
    Recommended,
    RecommendedLists,
    RecommendRequest,
    Similar,
    SimilarRequest,
    WhyRequest,
)
from multvae_jax.serving.model import (
    ListQuestion,
    Ranking,
    ServedModel,
    SimilarQuestion,
    WhyQuestion,
)

USUAL_K = 20
"""Number of items in the answer to a request without `k`."""


class Endpoint(NamedTuple):
    """A path to which requests are posted.

    Attributes:
        path: the path.
        summary: what it does.
        request: the class of a request.
        answers: the classes of its answers.
        example: a request.
        questions: the questions of a request; an `InputError` if it cannot be answered.
        answer: the answers of the questions of many requests, in their order.
        rows: number of rows of a batch that a question takes.
        message: the answer to a request, from its questions and theirs.
    """

    path: str
    summary: str
    request: type[msgspec.Struct]
    answers: tuple[type[msgspec.Struct], ...]
    example: dict[str, Any]
    questions: Callable[[ServedModel, Any], Sequence[Any]]
    answer: Callable[[ServedModel, Sequence[Any]], Sequence[Any]]
    rows: Callable[[Any], int]
    message: Callable[[ServedModel, Any, Sequence[Any], Sequence[Any]], msgspec.Struct]


def _list_questions(model: ServedModel, request: RecommendRequest) -> list[ListQuestion]:
    _k_of(model, request)
    name, histories = _one_or_several(request, "history", "histories")
    if len(histories) > model.limits.users:
        raise _too_many(name, len(histories), model.limits.users)
    histories = _known(model, name, histories)
    features = _features_of(model, request.user_features, len(histories), name)
    allowed = model.known.mask(request.exclude, request.candidates)
    return [
        ListQuestion(history, row, allowed, request.include_seen)
        for history, row in zip(histories, features, strict=True)
    ]


def _lists(
    model: ServedModel,
    request: RecommendRequest,
    questions: Sequence[ListQuestion],
    rankings: Sequence[Ranking],
) -> Recommended | RecommendedLists:
    k = _k_of(model, request)
    found = [
        Recommended(
            _items(model, ranking.items[:k], ranking.scores[:k]),
            question.history.unknown,
            not question.history.columns and question.features is None,
        )
        for question, ranking in zip(questions, rankings, strict=True)
    ]
    return found[0] if request.histories is None else RecommendedLists(found)


def _similar_questions(model: ServedModel, request: SimilarRequest) -> list[SimilarQuestion]:
    k = _k_of(model, request)
    if not model.has_similar_items:
        raise InputError("the model reads features of users, and scores no items without a user")
    (column,) = _columns(model, "item", [request.item])
    return [SimilarQuestion(str(model.run.catalogue.ids[column]), k)]


def _similar(
    model: ServedModel,
    request: SimilarRequest,
    questions: Sequence[SimilarQuestion],
    found: Sequence[SimilarItems],
) -> Similar:
    (one,) = found
    return Similar([Item(*each) for each in zip(one.items, one.titles, one.scores, strict=True)])


def _why_questions(model: ServedModel, request: WhyRequest) -> list[WhyQuestion]:
    name, items = _one_or_several(request, "item", "items")
    if len(items) > model.limits.k:
        raise _too_many(name, len(items), model.limits.k)
    columns = _columns(model, name, items)
    (history,) = _known(model, "history", [request.history])
    (features,) = _features_of(model, request.user_features, 1, "history")
    if not history.columns:
        raise InputError("history: is empty, so that nothing speaks for an item")
    return [WhyQuestion(history, columns, features)]


def _reasons(
    model: ServedModel,
    request: WhyRequest,
    questions: Sequence[WhyQuestion],
    found: Sequence[LeaveOneOut],
) -> Explained | ExplainedItems:
    (question,) = questions
    (one,) = found
    reasons = one.reasons(question.items, model.run.catalogue, question.history.unknown)
    titles = model.run.catalogue.titles
    explained = [
        Explained(
            mine.item,
            titles.get(mine.item),
            mine.score,
            [Reason(*each) for each in zip(mine.history, mine.titles, mine.effects, strict=True)][
                : request.reasons
            ],
            mine.unknown,
        )
        for mine in reasons
    ]
    return explained[0] if request.items is None else ExplainedItems(explained)


def _one_or_several(request: Any, one: str, several: str) -> tuple[str, list[Any]]:
    """The field of a request that is given, and its values as a list."""
    value, values = getattr(request, one), getattr(request, several)
    if (value is None) == (values is None):
        both = "give one of them" if value is not None else "one of them is missing"
        raise InputError(f"{one}, {several}: {both}")
    return (one, [value]) if values is None else (several, values)


def _known(model: ServedModel, name: str, histories: list[Any]) -> list[KnownHistory]:
    """The histories as far as the model knows their items.

    Raises:
        InputError: one is too long, or no item of any of them is known.
    """
    most = model.limits.history
    for number, history in enumerate(histories):
        if len(history) > most:
            place = name if name == "history" else f"{name}[{number}]"
            raise _too_many(f"items of {place}", len(history), most)
    known = model.known.columns_of_each(histories, name)
    unknown = sum(history.unknown for history in known)
    if unknown and not any(history.columns for history in known):
        none = "its item is not" if unknown == 1 else f"none of its {unknown:,} items is"
        raise InputError(f"{name}: {none} in the catalogue{_example(model)}")
    return known


def _columns(model: ServedModel, name: str, items: list[Any]) -> np.ndarray:
    """The columns of items, all of which must be known.

    Raises:
        InputError: one is not.
    """
    for item in items:
        if item not in model.known:
            missing = shortened(str(item))
            raise InputError(f"{name}: there is no item '{missing}'{_example(model)}")
    return model.known.columns_of(items, name)


def _example(model: ServedModel) -> str:
    return f"; ids are spelled such as '{shortened(str(model.run.catalogue.ids[0]))}'"


def _features_of(model: ServedModel, given: Any, n_users: int, name: str) -> Sequence[Any]:
    """The features of each user of a request.

    Raises:
        InputError: they are missing, not one for each user, or the model reads none.
    """
    field = "user_features"
    if model.encoder is None:
        if given is not None:
            raise InputError(f"{field}: the model reads none")
        return [None] * n_users
    if given is None:
        columns = listed([column.name for column in model.encoder.columns])
        raise InputError(f"{field}: the model reads {columns}; give {{}} if they are unknown")
    users = [given] if isinstance(given, dict) else given
    if len(users) != n_users:
        raise InputError(f"{field}: {len(users):,} for {n_users:,} in {name}")
    try:
        return list(model.encoder.encode(users))
    except InputError as error:
        place = "users[0]" if isinstance(given, dict) else "users"
        raise InputError(str(error).replace(place, field, 1)) from None


def _k_of(model: ServedModel, request: RecommendRequest | SimilarRequest) -> int:
    """The number of items that a request asks for.

    Raises:
        InputError: the server gives fewer.
    """
    if request.k is None:
        return min(USUAL_K, model.limits.k)
    if request.k > model.limits.k:
        raise _too_many("k", request.k, model.limits.k)
    return request.k


def _too_many(what: str, number: int, most: int) -> InputError:
    return InputError(f"{what}: {number:,}; this server takes at most {most:,}")


def _items(model: ServedModel, columns: np.ndarray, scores: np.ndarray) -> list[Item]:
    catalogue = model.run.catalogue
    ids = [str(item) for item in catalogue.ids[columns]]
    return [
        Item(item, catalogue.titles.get(item), score)
        for item, score in zip(ids, scores.tolist(), strict=True)
    ]


def _one_row(question: Any) -> int:
    return 1


ENDPOINTS = (
    Endpoint(
        "/recommend",
        "Rank the items that a user does not have yet.",
        RecommendRequest,
        (Recommended, RecommendedLists),
        {"history": ["260", "1196", "1210"], "k": 5},
        _list_questions,
        ServedModel.recommend,
        _one_row,
        _lists,
    ),
    Endpoint(
        "/similar",
        "Find the items that are most similar to an item.",
        SimilarRequest,
        (Similar,),
        {"item": "260", "k": 5},
        _similar_questions,
        ServedModel.similar,
        _one_row,
        _similar,
    ),
    Endpoint(
        "/why",
        "Explain a score: what it loses without each item of the history.",
        WhyRequest,
        (Explained, ExplainedItems),
        {"history": ["260", "1196", "1210"], "item": "1198", "reasons": 3},
        _why_questions,
        ServedModel.why,
        lambda question: len(question.history.columns) + 1,
        _reasons,
    ),
)

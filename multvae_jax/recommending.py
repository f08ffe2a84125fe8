"""The best items for any history, also of users not seen in training."""

from __future__ import annotations

import dataclasses
import numbers
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from multvae_jax.baselines.popularity import popularity
from multvae_jax.batching import (
    Batch,
    Histories,
    chunk_counts,
    empty_batch,
    take,
    to_device,
)
from multvae_jax.data.types import Catalogue, check_rows, map_arrays
from multvae_jax.errors import InputError
from multvae_jax.evaluation.lists import NO_ITEM, Lists, empty_lists
from multvae_jax.evaluation.ranking import rank
from multvae_jax.types import Scorer, as_scorer, reads_user_features, scores_of

MOST_SCORES = 2**24
"""Users times items that are ranked at once at most: 64 MiB for each array of scores."""


class Recommendation(NamedTuple):
    """Recommended items of one user.

    Attributes:
        items: item ids, best first; fewer than k if the user already has nearly all items.
        scores: scores of the items, in descending order.
        unknown: number of items of the history that are not in the catalogue; they are ignored.
        from_popularity: whether no item of the history is in the catalogue, nor are there features
            of the user that the model reads. The items are then the most popular ones, and the
            scores are their counts.
    """

    items: list[str]
    scores: list[float]
    unknown: int
    from_popularity: bool


class Ranked(NamedTuple):
    """The best items of some users, best first.

    Attributes:
        items: columns of the catalogue; -1 after the last item that the user does not have yet.
        scores: descending; NaN where there is no item.
    """

    items: Int32[np.ndarray, "users k"]
    scores: Float32[np.ndarray, "users k"]


@partial(jax.jit, static_argnames=("capacity", "k"))
def _rank_batch(
    scorer: Scorer,
    fallback: Scorer,
    histories: Histories,
    capacity: int,
    k: int,
) -> tuple[Int[Array, "users k"], Float[Array, "users k"], Bool[Array, " users"]]:
    users = jnp.arange(histories.n_users, dtype=jnp.int32)
    batch = take(histories, users, capacity)
    lengths = histories.starts[1:] - histories.starts[:-1]
    scores = scores_of(scorer, batch)
    if not _scores_anyone(scorer, batch):
        scores = jnp.where((lengths > 0)[:, None], scores, fallback(batch))
    best, items = rank(scores, batch, k)
    # The order of a NaN depends on its sign, so that it need not be among the best.
    return items, best, jnp.isnan(scores).any(axis=1)


def _scores_anyone(scorer: Scorer, batch: Batch) -> bool:
    """Whether a user without a history can be scored, by features that the scorer reads."""
    return batch.per_user is not None and reads_user_features(scorer, batch)


def rank_items(
    scorer: Scorer,
    catalogue: Catalogue,
    histories: sp.csr_array,
    k: int = 20,
    batch_size: int = 500,
    user_features: Any = None,
) -> Iterator[Ranked]:
    """Rank the items that each user does not have yet, batch by batch.

    Memory does not depend on the number of users. The sizes of a batch are rounded up to powers of
    two, so that any number of users with histories of any length shares a few compiled programs.

    Args:
        scorer: any scorer, such as `Run.scorer`.
        catalogue: the items, in the order of the scores.
        histories: users x items; a user without an item gets the most popular items, unless the
            model reads features of users.
        k: number of items per user; may exceed the catalogue.
        batch_size: users ranked at once; fewer if the catalogue is large.
        user_features: data about the users, if the model reads any, with a row per user.

    Yields:
        The items of each batch of users in turn, as many as the catalogue has if k exceeds it.

    Raises:
        InputError: if a score is NaN, or the features are missing or of other users.
    """
    n_users, n_items = histories.shape
    check_rows(user_features, n_users)
    scorer, fallback = as_scorer(scorer), popularity(catalogue.counts)
    at_once = max(1, min(batch_size, MOST_SCORES // n_items))
    k, k_rounded = min(k, n_items), min(_rounded(k), n_items)
    for start in range(0, n_users, at_once):
        rows = histories[start : start + at_once]
        padding = min(_rounded(rows.shape[0]), at_once) - rows.shape[0]
        starts = np.pad(rows.indptr, (0, padding), mode="edge")
        shape = (rows.shape[0] + padding, n_items)
        padded = sp.csr_array((rows.data, rows.indices, starts), shape=shape)
        n_chunks = _rounded(int(chunk_counts(np.diff(starts)).sum()))
        own = np.minimum(np.arange(start, start + shape[0]), n_users - 1)
        features = None if user_features is None else map_arrays(_rows(own), user_features)
        items, scores, is_nan = _rank_batch(
            scorer,
            fallback,
            to_device(padded, n_chunks=n_chunks, user_features=features),
            capacity=n_chunks,
            k=k_rounded,
        )
        n_real = rows.shape[0]
        if np.asarray(is_nan)[:n_real].any():
            row = start + int(np.asarray(is_nan).argmax())
            raise InputError(f"scorer: a score of the user in row {row:,} is NaN")
        items, best = np.asarray(items)[:n_real, :k], np.asarray(scores, np.float32)[:n_real, :k]
        # Items of the history have the score -inf; they come last, if k reaches that far.
        is_left = best > -np.inf
        yield Ranked(
            np.where(is_left, items, np.int32(NO_ITEM)), np.where(is_left, best, np.float32(np.nan))
        )


def recommend_lists(
    scorer: Scorer,
    catalogue: Catalogue,
    histories: sp.csr_array,
    user_ids: Sequence[str] | np.ndarray,
    k: int = 20,
    batch_size: int = 500,
    *,
    user_features: Any = None,
) -> Lists:
    """Rank the items that each of many users does not have yet, as one value.

    Args:
        scorer: any scorer, such as `Run.scorer`.
        catalogue: the items, in the order of the scores.
        histories: users x items; a user without an item gets the most popular items, unless the
            model reads features of users.
        user_ids: id of the user of each row.
        k: number of items per user; all of them if it exceeds the catalogue.
        batch_size: users ranked at once.
        user_features: data about the users, if the model reads any, with a row per user; of
            held-out users, `users.user_features`.

    Raises:
        InputError: if there is not one id per history, a score is NaN, `k` is not a positive
            integer, or the features are missing or of other users.

    Example:
        >>> users = split.test
        >>> lists = mv.recommend_lists(run.scorer, run.catalogue, users.history, users.user_ids)
        >>> lists.write("lists.parquet")
    """
    _check(scorer, catalogue, k=k, batch_size=batch_size)
    scorer = as_scorer(scorer)
    n_users, n_items = histories.shape
    if len(user_ids) != n_users:
        raise InputError(f"user_ids: {len(user_ids):,} ids for {n_users:,} histories")
    if n_items != len(catalogue.ids):
        raise InputError(
            f"histories: of {n_items:,} items, and the catalogue has {len(catalogue.ids):,}"
        )
    lists = empty_lists(user_ids, min(int(k), n_items), catalogue)
    done = 0
    ranked = rank_items(scorer, catalogue, histories, int(k), int(batch_size), user_features)
    for items, scores in ranked:
        rows = slice(done, done + len(items))
        lists.items[rows], lists.scores[rows] = items, scores
        done += len(items)
    return lists


def recommend(
    scorer: Scorer,
    catalogue: Catalogue,
    histories: Iterable[Iterable[str | int]],
    k: int = 20,
    batch_size: int = 500,
    *,
    user_features: Any = None,
) -> list[Recommendation]:
    """Rank the items that each user does not have yet.

    Args:
        scorer: any scorer, such as `Run.scorer`.
        catalogue: the items, in the order of the scores.
        histories: item ids of each user, spelled as in the data; repeated items count once. An
            integer stands for an id in the usual spelling: 50 for "50". A user without a known
            item gets the most popular items, unless the model reads features of users.
        k: number of items per user; may exceed the catalogue.
        batch_size: users ranked at once.
        user_features: data about the users, if the model reads any: an array or a dict of arrays
            with a row per user, such as `run.user_encoder.encode([{"gender": "F"}])`.

    Raises:
        InputError: if the histories are not lists of ids, `k` is not a positive integer, or the
            features are missing or of other users.

    Example:
        >>> (user,) = mv.recommend(run.scorer, run.catalogue, [["50", "181", "260"]], k=5)
        >>> user.items
    """
    _check(scorer, catalogue, k=k, batch_size=batch_size)
    scorer = as_scorer(scorer)
    column = {item: index for index, item in enumerate(catalogue.ids)}
    ids = _checked(histories, catalogue)
    known = [sorted({column[item] for item in mine if item in column}) for mine in ids]
    unknown = [sum(item not in column for item in set(mine)) for mine in ids]
    lengths = [len(mine) for mine in known]
    matrix = sp.csr_array(
        (
            np.ones(sum(lengths), np.float32),
            np.array([item for mine in known for item in mine], np.int64),
            np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        ),
        shape=(len(known), len(column)),
    )
    ids_of_users = np.arange(len(known))
    anyone = False
    if user_features is not None:
        one = dataclasses.replace(empty_batch(len(column)), per_user=user_features)
        anyone = _scores_anyone(as_scorer(scorer), one)
    lists = recommend_lists(
        scorer, catalogue, matrix, ids_of_users, k, batch_size, user_features=user_features
    )
    return [
        Recommendation(
            items=[str(item) for item in catalogue.ids[items[shown]]],
            scores=scores[shown].tolist(),
            unknown=unknown[user],
            from_popularity=not known[user] and not anyone,
        )
        for user, (items, scores, shown) in enumerate(
            zip(lists.items, lists.scores, lists.shown, strict=True)
        )
    ]


def _check(scorer: Any, catalogue: Any, **counts: Any) -> None:
    """Refuse what is not a scorer, a catalogue or a positive integer."""
    for name, number in counts.items():
        if not isinstance(number, numbers.Integral) or number < 1:
            raise InputError(f"{name}: {number!r} is not a positive integer")
    as_scorer(scorer)
    if not isinstance(catalogue, Catalogue):
        hint = "; a run's own is run.catalogue" if hasattr(catalogue, "catalogue") else ""
        raise InputError(f"catalogue: {type(catalogue).__name__} is not a catalogue{hint}")


def _rows(rows: np.ndarray) -> Callable[[Any], Any]:
    """A function that selects rows of an array."""
    return lambda leaf: leaf[rows]


def _rounded(number: int) -> int:
    """The next power of two, at least 8."""
    return 1 << max(3, (number - 1).bit_length())


def _checked(histories: Any, catalogue: Catalogue) -> list[list[str]]:
    """The histories as lists of text, if they are lists of ids.

    Raises:
        InputError: naming the history and the value.
    """
    wanted = 'one list of item ids per user is expected, such as [["50", "181"]]'
    if isinstance(histories, str | bytes) or not hasattr(histories, "__iter__"):
        raise InputError(f"histories: {_short(histories)}; {wanted}")
    integers_fit = any(re.fullmatch("0|-?[1-9][0-9]*", str(item)) for item in catalogue.ids)
    checked = []
    for number, mine in enumerate(histories):
        if isinstance(mine, str | bytes) or not hasattr(mine, "__iter__"):
            raise InputError(f"histories: {_short(mine)} where {wanted}")
        ids = []
        for item in mine:
            if isinstance(item, str):
                ids.append(item)
            elif isinstance(item, numbers.Integral) and not isinstance(item, bool):
                if not integers_fit:
                    raise InputError(
                        f"histories[{number}]: {_short(item)}; the ids of the catalogue are text, "
                        f"such as '{catalogue.ids[0]}'"
                    )
                ids.append(str(int(item)))
            else:
                raise InputError(
                    f"histories[{number}]: {_short(item)}; an item id is text or an integer"
                )
        checked.append(ids)
    return checked


def _short(value: Any) -> str:
    text = repr(value)
    text = text if len(text) <= 40 else f"{text[:40]}..."
    return f"{text} is of type {type(value).__name__}"

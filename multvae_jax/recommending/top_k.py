"""The best items for any history, also of users not seen in training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array, Bool, Float, Float32, Int, Int32

from multvae_jax.baselines.popularity import popularity
from multvae_jax.batching import Batch, Histories, empty_batch, take
from multvae_jax.checks.bounds import (
    check_flag,
    check_ids,
    check_positive,
    check_rows,
    described,
    take_rows,
)
from multvae_jax.data.known_items import KnownItems, KnownLists
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError
from multvae_jax.evaluation.lists import NO_ITEM, Lists, empty_lists
from multvae_jax.evaluation.ranking import rank
from multvae_jax.host.notebook import html_items, items_in_line
from multvae_jax.parallel.partition import mesh_of
from multvae_jax.sizes import request_of, size_of_request, users_at_once
from multvae_jax.types import Scorer, as_scorer, reads_user_features, scores_of


class Recommendation(NamedTuple):
    """Recommended items of one user.

    Attributes:
        items: item ids, best first; fewer than k if the user already has nearly all items.
        scores: scores of the items, in descending order.
        unknown: number of items of the history that are not in the catalogue; they are ignored.
        from_popularity: whether no item of the history is in the catalogue, nor are there features
            of the user that the model reads. The items are then the most popular ones, and the
            scores are their counts.
        titles: titles of the items; None for an item without one.
    """

    items: list[str]
    scores: list[float]
    unknown: int
    from_popularity: bool
    titles: tuple[str | None, ...] = ()

    def __repr__(self) -> str:
        what = "the most popular" if self.from_popularity else f"{len(self.items):,}"
        return items_in_line(f"{what} items", self.items, self.titles, self.scores)

    def _repr_html_(self) -> str:
        caption = "The most popular items" if self.from_popularity else "Recommended items"
        number = "users" if self.from_popularity else "score"
        return html_items(caption, number, self.items, self.titles, self.scores)


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
    allowed: Bool[Array, "users_or_1 items"],
    include_seen: Bool[Array, " users"],
    capacity: int,
    k: int,
) -> tuple[Int[Array, "users k"], Float[Array, "users k"], Bool[Array, " users"]]:
    users = jnp.arange(histories.n_users, dtype=jnp.int32)
    batch = take(histories, users, capacity)
    lengths = histories.starts[1:] - histories.starts[:-1]
    scores = scores_of(scorer, batch)
    if not _scores_anyone(scorer, batch):
        scores = jnp.where((lengths > 0)[:, None], scores, fallback(batch))
    scores = jnp.where(allowed, scores, -jnp.inf)
    shown_again = include_seen.at[batch.owner].get(mode="clip")
    seen = jnp.where(shown_again[:, None], 0.0, batch.values)
    best, items = rank(scores, dataclasses.replace(batch, values=seen), k)
    # The order of a NaN depends on its sign, so that it need not be among the best.
    return items, best, jnp.isnan(scores).any(axis=1)


def _scores_anyone(scorer: Scorer, batch: Batch) -> bool:
    """Return whether a user without a history can be scored, by features that the scorer reads."""
    return batch.per_user is not None and reads_user_features(scorer, batch)


def rank_items(
    scorer: Scorer,
    catalogue: Catalogue,
    histories: sp.csr_array,
    k: int = 20,
    batch_size: int = 500,
    user_features: Any = None,
    *,
    allowed: Bool[np.ndarray, "*users items"] | None = None,
    include_seen: bool | Bool[np.ndarray, " users"] = False,
) -> Iterator[Ranked]:
    """Rank the items that each user does not have yet, batch by batch.

    Memory does not depend on the number of users. The sizes of a batch are rounded up, so that any
    number of users with histories of any length shares a few compiled programs.

    Args:
        scorer: any scorer, such as `Run.scorer`.
        catalogue: the items, in the order of the scores.
        histories: users x items; a user without an item gets the most popular items, unless the
            model reads features of users.
        k: number of items per user; may exceed the catalogue.
        batch_size: users ranked at once; fewer if the catalogue is large.
        user_features: data about the users, if the model reads any, with a row per user.
        allowed: whether each item may be recommended, to all users or with a row for each of them;
            by default all may.
        include_seen: rank the items that a user has with the others; one for all users, or one for
            each of them.

    Yields:
        The items of each batch of users in turn, as many as the catalogue has if k exceeds it.

    Raises:
        InputError: if a score is NaN, or the features are missing or of other users.
    """
    n_users, n_items = histories.shape
    check_rows(user_features, n_users)
    scorer, fallback = as_scorer(scorer), popularity(catalogue.counts)
    at_once = users_at_once(batch_size, n_items)
    k, k_rounded = min(k, n_items), min(size_of_request(k), n_items)
    mask = np.ones(n_items, bool) if allowed is None else allowed
    for_all = jnp.asarray(mask[None]) if mask.ndim == 1 else None
    shown_again = np.broadcast_to(include_seen, n_users)
    for start in range(0, n_users, at_once):
        rows = histories[start : start + at_once]
        features = take_rows(user_features, slice(start, start + at_once))
        request, capacity = request_of(rows, at_once, features, mesh_of(scorer))
        n_real, room = rows.shape[0], request.n_users
        own = slice(start, start + n_real)
        items, scores, is_nan = _rank_batch(
            scorer,
            fallback,
            request,
            _padded(mask[own], room) if for_all is None else for_all,
            _padded(shown_again[own], room),
            capacity=capacity,
            k=k_rounded,
        )
        if np.asarray(is_nan)[:n_real].any():
            row = start + int(np.asarray(is_nan).argmax())
            raise InputError(f"scorer: a score of the user in row {row:,} is NaN")
        items, best = np.asarray(items)[:n_real, :k], np.asarray(scores, np.float32)[:n_real, :k]
        # Items of the history have the score -inf; they come last, if k reaches that far.
        is_left = best > -np.inf
        yield Ranked(
            np.where(is_left, items, np.int32(NO_ITEM)), np.where(is_left, best, np.float32(np.nan))
        )


def _padded(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """The rows, followed by rows of zeros."""
    return np.pad(rows, [(0, n_rows - len(rows)), *[(0, 0)] * (rows.ndim - 1)])


def recommend_lists(
    scorer: Scorer,
    catalogue: Catalogue,
    histories: sp.csr_array,
    user_ids: Sequence[str] | np.ndarray,
    k: int = 20,
    batch_size: int = 500,
    *,
    user_features: Any = None,
    allowed: Bool[np.ndarray, " items"] | None = None,
    include_seen: bool = False,
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
        allowed: whether each item may be recommended; by default all may.
        include_seen: rank the items that a user has with the others.

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
    histories = _as_matrix(histories)
    check_ids("user_ids", user_ids)
    n_users, n_items = histories.shape
    if len(user_ids) != n_users:
        raise InputError(f"user_ids: {len(user_ids):,} ids for {n_users:,} histories")
    if n_items != len(catalogue.ids):
        raise InputError(
            f"histories: of {n_items:,} items, and the catalogue has {len(catalogue.ids):,}"
        )
    check_flag("include_seen", include_seen)
    if allowed is not None and np.shape(allowed) != (n_items,):
        raise InputError(
            f"allowed: {described(allowed)}; give an array of True or False for each of the "
            f"{n_items:,} items"
        )
    lists = empty_lists(user_ids, min(int(k), n_items), catalogue)
    done = 0
    ranked = rank_items(
        scorer,
        catalogue,
        histories,
        int(k),
        int(batch_size),
        user_features,
        allowed=allowed,
        include_seen=include_seen,
    )
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
        >>> (user,) = mv.recommend(run.scorer, run.catalogue, [["100", "101"]], k=5)
        >>> set(user.items) & {"100", "101"}
        set()
    """
    _check(scorer, catalogue, k=k, batch_size=batch_size)
    scorer = as_scorer(scorer)
    known = KnownItems(catalogue).of_lists(histories)
    lists = recommend_lists(
        scorer,
        catalogue,
        known.matrix,
        np.arange(len(known.unknown)),
        k,
        batch_size,
        user_features=user_features,
    )
    return as_recommendations(scorer, lists, known, user_features)


def as_recommendations(
    scorer: Scorer, lists: Lists, known: KnownLists, user_features: Any = None
) -> list[Recommendation]:
    """Recommendation lists as the ids, titles and scores of each user.

    Args:
        scorer: the scorer that made them.
        lists: the lists.
        known: the histories that they were made for.
        user_features: data about the users, if the model reads any.
    """
    anyone = False
    if user_features is not None:
        one = dataclasses.replace(empty_batch(known.matrix.shape[1]), per_user=user_features)
        anyone = _scores_anyone(as_scorer(scorer), one)
    titles, lengths = lists.catalogue.titles, np.diff(known.matrix.indptr)
    found = []
    for user, (items, scores, shown) in enumerate(
        zip(lists.items, lists.scores, lists.shown, strict=True)
    ):
        ids = [str(item) for item in lists.catalogue.ids[items[shown]]]
        found.append(
            Recommendation(
                items=ids,
                scores=scores[shown].tolist(),
                unknown=int(known.unknown[user]),
                from_popularity=not lengths[user] and not anyone,
                titles=tuple(titles.get(item) for item in ids),
            )
        )
    return found


def _check(scorer: Any, catalogue: Any, **counts: Any) -> None:
    """Refuse what is not a scorer, a catalogue or a positive integer."""
    for name, number in counts.items():
        check_positive(name, number)
    as_scorer(scorer)
    if not isinstance(catalogue, Catalogue):
        hint = "; a run's own is run.catalogue" if hasattr(catalogue, "catalogue") else ""
        raise InputError(f"catalogue: {type(catalogue).__name__} is not a catalogue{hint}")


def _as_matrix(histories: Any) -> sp.csr_array:
    """The histories as a matrix by rows.

    Raises:
        InputError: they are not a sparse matrix.
    """
    if sp.issparse(histories) and len(histories.shape) == 2:
        return sp.csr_array(histories)
    hint = "recommend(...) takes lists of item ids, and sp.csr_array(array) is that of an array"
    if hasattr(histories, "history"):
        hint = "that of held-out users is users.history"
    elif hasattr(histories, "train"):
        hint = "those of a split are split.train and split.test.history"
    raise InputError(
        f"histories: {described(histories)}; give a sparse matrix, users x items: {hint}"
    )

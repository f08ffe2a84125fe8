"""Scores of single items, and their losses without each item of the history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array, Float, Float32, Int

from multvae_jax.batching import Histories, take
from multvae_jax.checks.bounds import Size, check_array, check_matrix, check_rows, take_rows
from multvae_jax.checks.signatures import checked
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError
from multvae_jax.host.notebook import html_items, items_in_line
from multvae_jax.parallel.partition import mesh_of
from multvae_jax.sizes import request_of, size_of_request, users_at_once
from multvae_jax.types import Scorer, as_scorer, scores_of


@partial(jax.jit, static_argnames="capacity")
def _score_batch(
    scorer: Scorer, histories: Histories, items: Int[Array, "users m"], capacity: int
) -> Float[Array, "users m"]:
    users = jnp.arange(histories.n_users, dtype=jnp.int32)
    scores = scores_of(scorer, take(histories, users, capacity))
    return jnp.take_along_axis(scores, items, axis=1)


_ARGUMENTS = {"histories": check_matrix, "items": check_array, "batch_size": Size}


def _check_items(items: Any, n_users: int, n_items: int) -> None:
    if items.ndim != 2 or len(items) != n_users or items.dtype.kind not in "iu":
        raise InputError(
            f"items: an array of {items.dtype} and shape {items.shape}; give columns of items, "
            f"with a row for each of the {n_users:,} users"
        )
    if items.size and items.max() >= n_items:
        raise InputError(
            f"items: {items.max()}, and the columns of the catalogue are 0 to {n_items - 1}"
        )


@checked(**_ARGUMENTS)
def score_items(
    scorer: Scorer,
    histories: sp.csr_array,
    items: Int[np.ndarray, "users m"],
    batch_size: int = 500,
    user_features: Any = None,
) -> Float32[np.ndarray, "users m"]:
    """The scores of some items for each of many users.

    A user without an item is scored as well, from an empty history.

    Args:
        scorer: any scorer, such as `Run.scorer`.
        histories: users x items.
        items: columns of the items to score, a row per user; a negative one stands for no
            item, whose score is NaN.
        batch_size: users scored at once; fewer if the catalogue is large.
        user_features: data about the users, if the model reads any, with a row per user.

    Raises:
        InputError: the items are not columns of the catalogue with a row per user, or the features
            are missing or of other users.

    Example:
        >>> users = split.test
        >>> lists = mv.recommend_lists(run.scorer, run.catalogue, users.history, users.user_ids)
        >>> scores = mv.scoring.score_items(run.scorer, users.history, lists.items)
        >>> bool(np.allclose(scores[lists.shown], lists.scores[lists.shown], rtol=1e-5))
        True
    """
    n_users, n_items = histories.shape
    check_rows(user_features, n_users)
    _check_items(items, n_users, n_items)
    histories = sp.csr_array(histories)
    scorer, m = as_scorer(scorer), items.shape[1]
    at_once = users_at_once(batch_size, n_items)
    found = np.empty((n_users, m), np.float32)
    for start in range(0, n_users, at_once):
        rows = slice(start, start + at_once)
        features = take_rows(user_features, rows)
        request, capacity = request_of(histories[rows], at_once, features, mesh_of(scorer))
        wanted = np.zeros((request.n_users, size_of_request(m)), np.int32)
        wanted[: len(items[rows]), :m] = np.maximum(items[rows], 0)
        scores = _score_batch(scorer, request, jnp.asarray(wanted), capacity=capacity)
        found[rows] = np.asarray(scores)[: len(items[rows]), :m]
    return np.where(items < 0, np.float32(np.nan), found)


class Reasons(NamedTuple):
    """The effects of the items of a history on the score of an item.

    Attributes:
        item: id of the item.
        score: its score.
        history: ids of the items of the history, the one with the largest effect first.
        effects: the score less the score without the item, in the same order.
        titles: titles of the items of the history; None for an item without one.
        unknown: number of items of the history that are not in the catalogue; they are ignored.
    """

    item: str
    score: float
    history: list[str]
    effects: list[float]
    titles: tuple[str | None, ...]
    unknown: int

    def __repr__(self) -> str:
        what = f"score {self.score:.4g} of {self.item}, because of"
        return items_in_line(what, self.history, self.titles, self.effects)

    def _repr_html_(self) -> str:
        caption = f"Item {self.item}: score {self.score:.4f}, and what it loses without"
        return html_items(caption, "effect", self.history, self.titles, self.effects)


class LeaveOneOut(NamedTuple):
    """Scores of some items for one user, and for the same user without each item in turn.

    Attributes:
        history: columns of the items of the history.
        scores: scores of the items.
        without: the scores when an item of the history is taken away, a row for each of them.
    """

    history: Int[np.ndarray, " history"]
    scores: Float32[np.ndarray, " m"]
    without: Float32[np.ndarray, "history m"]

    @property
    def effects(self) -> Float32[np.ndarray, "history m"]:
        """The losses of each score when an item of the history is taken away."""
        return self.scores[None] - self.without

    def reasons(
        self, items: Int[np.ndarray, " m"], catalogue: Catalogue, unknown: int = 0
    ) -> list[Reasons]:
        """The effects by the ids and titles of the items, the largest first.

        Args:
            items: columns of the items that were scored.
            catalogue: the items of the columns.
            unknown: number of items of the history that are not in the catalogue.
        """
        found = []
        for column, score, effects in zip(items, self.scores, self.effects.T, strict=True):
            order = np.argsort(-effects, kind="stable")
            names = [str(name) for name in catalogue.ids[self.history[order]]]
            found.append(
                Reasons(
                    str(catalogue.ids[column]),
                    float(score),
                    names,
                    effects[order].tolist(),
                    tuple(catalogue.titles.get(name) for name in names),
                    unknown,
                )
            )
        return found


@checked(**_ARGUMENTS)
def leave_one_out_scores(
    scorer: Scorer,
    histories: sp.csr_array,
    items: Int[np.ndarray, "users m"],
    batch_size: int = 500,
    user_features: Any = None,
) -> Iterator[LeaveOneOut]:
    """Score items again without each item of the history: exact, and as ragged batches.

    The histories of all users, each whole and without one item after the other, are rows of the
    same batches. With n items in a history, they are n + 1 rows.

    Args:
        scorer: any scorer, such as `Run.scorer`.
        histories: users x items.
        items: columns of the items to score, as in `score_items`, such as the best ones.
        batch_size: rows scored at once; fewer if the catalogue is large.
        user_features: data about the users, if the model reads any, with a row per user.

    Yields:
        The scores of each user in turn.

    Raises:
        InputError: as in `score_items`.

    Example:
        >>> users = split.test
        >>> lists = mv.recommend_lists(run.scorer, run.catalogue, users.history, users.user_ids)
        >>> for found in mv.scoring.leave_one_out_scores(run.scorer, users.history, lists.items):
        ...     reason = found.history[found.effects[:, 0].argmax()]
    """
    n_users, n_items = histories.shape
    check_rows(user_features, n_users)
    _check_items(items, n_users, n_items)
    if not n_users:
        return
    histories = sp.csr_array(histories)
    at_once = users_at_once(batch_size, n_items)
    lengths = np.diff(histories.indptr)
    # Users whose rows are scored together: whole batches, and few enough to hold in memory.
    group_of = np.cumsum(lengths + 1) // (_BATCHES * at_once)
    for users in np.split(np.arange(len(lengths)), np.flatnonzero(np.diff(group_of)) + 1):
        scored = _scored_group(scorer, histories, items, users, at_once, user_features)
        for user in users:
            mine = histories.indices[histories.indptr[user] : histories.indptr[user + 1]]
            own, scored = scored[: len(mine) + 1], scored[len(mine) + 1 :]
            yield LeaveOneOut(mine.astype(np.int64), own[0], own[1:])


_BATCHES = 4
"""Batches of rows that are made at once."""


def _scored_group(
    scorer: Scorer,
    histories: sp.csr_array,
    items: np.ndarray,
    users: np.ndarray,
    at_once: int,
    user_features: Any,
) -> np.ndarray:
    """The scores of the rows of some users, in parts of a few batches."""
    lengths = np.diff(histories.indptr)[users] + 1
    owner = np.repeat(users, lengths)
    # The first row of a user lacks nothing, and row n + 1 lacks the nth item of the history.
    left_out = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths) - 1
    parts = []
    for start in range(0, len(owner), _BATCHES * at_once):
        rows = slice(start, start + _BATCHES * at_once)
        whole = histories[owner[rows]]
        counts = np.diff(whole.indptr)
        place = np.arange(whole.nnz) - np.repeat(whole.indptr[:-1], counts)
        kept = place != np.repeat(left_out[rows], counts)
        starts = np.concatenate([[0], np.cumsum(counts - (left_out[rows] >= 0))])
        without = sp.csr_array((whole.data[kept], whole.indices[kept], starts), shape=whole.shape)
        features = take_rows(user_features, owner[rows])
        parts.append(score_items(scorer, without, items[owner[rows]], at_once, features))
    return np.concatenate(parts)

"""A run that answers the questions of many requests at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float32, Int

from multvae_jax.batching import empty_batch
from multvae_jax.data.known_items import KnownHistory, KnownItems, matrix_of
from multvae_jax.errors import InputError
from multvae_jax.recommending.recommender import Recommender, SimilarItems
from multvae_jax.recommending.scoring import LeaveOneOut, leave_one_out_scores, score_items
from multvae_jax.recommending.top_k import rank_items
from multvae_jax.runs.run import Run
from multvae_jax.serving.messages import Limits
from multvae_jax.sizes import AT_ONCE, requests_of_all_sizes, users_at_once
from multvae_jax.types import as_scorer, reads_user_features


class ListQuestion(NamedTuple):
    """A user to recommend to.

    Attributes:
        history: the items of the user.
        features: data about the user; None if the model reads none.
        allowed: whether each item may be recommended; None if all may.
        include_seen: whether the items of the history are ranked with the others.
    """

    history: KnownHistory
    features: Float32[np.ndarray, " width"] | None = None
    allowed: Bool[np.ndarray, " items"] | None = None
    include_seen: bool = False


class Ranking(NamedTuple):
    """The best items of a user, as many as a request may ask for.

    Attributes:
        items: columns of the catalogue, best first.
        scores: in descending order.
    """

    items: Int[np.ndarray, " k"]
    scores: Float32[np.ndarray, " k"]


class WhyQuestion(NamedTuple):
    """Items whose scores for a user are explained.

    Attributes:
        history: the items of the user, at least one.
        items: columns of the items to explain.
        features: data about the user; None if the model reads none.
    """

    history: KnownHistory
    items: Int[np.ndarray, " m"]
    features: Float32[np.ndarray, " width"] | None = None


class SimilarQuestion(NamedTuple):
    """An item.

    Attributes:
        item: its id.
        k: number of similar items.
    """

    item: str
    k: int


class ServedModel:
    """A run, and the questions that it answers in batches of a few sizes.

    Whatever a request asks for within the limits, the programs are those of `warm_up`.
    """

    def __init__(self, run: Run, limits: Limits, batch_size: int = 64) -> None:
        """Prepare a run.

        Args:
            run: a run, trained here or loaded.
            limits: the most that a request may ask for.
            batch_size: users ranked at once; fewer if the catalogue is large.

        Raises:
            InputError: the model reads features of users that were given as arrays.
        """
        n_items = len(run.catalogue.ids)
        self.limits, self.batch_size = limits, users_at_once(batch_size, n_items)
        self.known = KnownItems(run.catalogue)
        self.scorer = as_scorer(run.scorer)
        reads = reads_user_features(self.scorer, empty_batch(n_items))
        if reads and run.user_encoder is None:
            raise InputError(
                "the model reads features of users that were given as arrays, which requests have "
                "no names for; train it with --user-features"
            )
        self.encoder = run.user_encoder if reads else None
        self.run, self._recommender = run, Recommender(run, batch_size=batch_size)

    def recommend(self, questions: Sequence[ListQuestion]) -> list[Ranking]:
        """The best items of each user."""
        catalogue = self.run.catalogue
        n_items = len(catalogue.ids)
        allowed = np.ones((len(questions), n_items), bool)
        for row, question in zip(allowed, questions, strict=True):
            if question.allowed is not None:
                row[:] = question.allowed
        ranked = rank_items(
            self.scorer,
            catalogue,
            self._histories(questions),
            self.limits.k,
            self.batch_size,
            self._features(questions),
            allowed=allowed,
            include_seen=np.array([question.include_seen for question in questions]),
        )
        return [
            Ranking(items[items >= 0], scores[items >= 0])
            for batch in ranked
            for items, scores in zip(*batch, strict=True)
        ]

    def why(self, questions: Sequence[WhyQuestion]) -> list[LeaveOneOut]:
        """Score the items of each user again without each item of the history."""
        items = np.zeros((len(questions), self.limits.k), np.int64)
        for row, question in zip(items, questions, strict=True):
            row[: len(question.items)] = question.items
        found = leave_one_out_scores(
            self.scorer,
            self._histories(questions),
            items,
            self.batch_size,
            self._features(questions),
        )
        numbers = [len(question.items) for question in questions]
        return [
            one._replace(scores=one.scores[:m], without=one.without[:, :m])
            for one, m in zip(found, numbers, strict=True)
        ]

    def similar(self, questions: Sequence[SimilarQuestion]) -> list[SimilarItems]:
        """The items that are similar to each item."""
        most = self.limits.k
        found = [self._recommender.similar_items(question.item, most) for question in questions]
        return [
            SimilarItems(one.items[:k], one.scores[:k], one.titles[:k])
            for one, (_, k) in zip(found, questions, strict=True)
        ]

    def warm_up(self) -> int:
        """Compile all programs, so that no request waits for one; returns their number."""
        longest = min(len(self.run.catalogue.ids), self.limits.history)
        matrices = list(self._requests(longest))
        for matrix in matrices:
            self._rank_once(matrix)
            self._score_once(matrix)
        if self.has_similar_items:
            self.similar([SimilarQuestion(str(self.run.catalogue.ids[0]), 1)])
        return 2 * len(matrices)

    def _rank_once(self, matrix: sp.csr_array) -> None:
        each = np.split(matrix.indices, matrix.indptr[1:-1])
        row = None if self.encoder is None else self.encoder.encode([{}])[0]
        self.recommend([ListQuestion(KnownHistory(items.tolist(), 0), row) for items in each])

    def _score_once(self, matrix: sp.csr_array) -> None:
        n_users = matrix.shape[0]
        items = np.zeros((n_users, self.limits.k), np.int64)
        features = None if self.encoder is None else self.encoder.encode([{}] * n_users)
        score_items(self.scorer, matrix, items, self.batch_size, features)

    @property
    def has_similar_items(self) -> bool:
        """Whether items have similar ones: not if nothing can be scored without features."""
        return self.encoder is None

    def _requests(self, longest: int) -> Iterator[sp.csr_array]:
        """Histories of every size that programs are compiled for."""
        sizes = [size for size in AT_ONCE if size < self.batch_size] + [self.batch_size]
        for size in sizes:
            yield from requests_of_all_sizes(size, len(self.run.catalogue.ids), longest)

    def _histories(self, questions: Sequence[ListQuestion | WhyQuestion]) -> sp.csr_array:
        columns = [question.history.columns for question in questions]
        return matrix_of(columns, len(self.run.catalogue.ids))

    def _features(self, questions: Sequence[ListQuestion | WhyQuestion]) -> Any:
        if self.encoder is None:
            return None
        return np.array([question.features for question in questions])

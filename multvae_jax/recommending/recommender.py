"""`Recommender`: recommendations of a run for lists of ids, data frames and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32

from multvae_jax.batching import empty_batch
from multvae_jax.checks.bounds import (
    Count,
    check_flag,
    check_kind,
    check_number,
    check_rows,
    map_arrays,
    take_rows,
)
from multvae_jax.data.in_memory import frame_histories, frame_like, is_frame
from multvae_jax.data.known_items import KnownItems
from multvae_jax.data.list_writer import list_frame
from multvae_jax.data.readers.schema import Columns
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError
from multvae_jax.evaluation.lists import Lists
from multvae_jax.host.notebook import html_items, items_in_line
from multvae_jax.recommending.scoring import leave_one_out_scores, score_items
from multvae_jax.recommending.top_k import as_recommendations, recommend_lists
from multvae_jax.recommending.vectors import directions, vectors_of_items, vectors_of_users
from multvae_jax.runs.own_data import (
    OwnUsers,
    features_of_some_user,
    ids_of,
    rows_of,
    users_of_run,
)
from multvae_jax.runs.run import Run
from multvae_jax.sizes import AT_ONCE, requests_of_all_sizes, sizes_of_requests, users_at_once
from multvae_jax.types import Scorer, as_scorer, reads_user_features


class SimilarItems(NamedTuple):
    """Items that are similar to an item, most similar first.

    Attributes:
        items: item ids.
        scores: similarities, in descending order.
        titles: titles of the items; None for an item without one.
    """

    items: list[str]
    scores: list[float]
    titles: tuple[str | None, ...]

    def __repr__(self) -> str:
        what = f"{len(self.items):,} similar items"
        return items_in_line(what, self.items, self.titles, self.scores)

    def _repr_html_(self) -> str:
        return html_items("Similar items", "similarity", self.items, self.titles, self.scores)


class Recommender:
    """Recommendations, similar items, scores and reasons of a run, by the ids of the data.

    Requests of any number of users, any length of history and any k share a few compiled programs.
    """

    def __init__(self, run: Run, *, batch_size: int = 500) -> None:
        """Make a recommender of a run, trained here or loaded.

        Args:
            run: a run of `fit`, `fit_baseline` or `load_run`.
            batch_size: users ranked at once; fewer if the catalogue is large.

        Raises:
            InputError: if it is not a run, or the batch size is not a positive integer.

        Example:
            >>> recommender = mv.Recommender(mv.load_run("runs/first"))
            >>> (user,) = recommender.recommend([["100", "101"]], k=5)
            >>> similar = recommender.similar_items("100", k=5)
            >>> reasons = recommender.why(["100", "101"], user.items[0])
        """
        check_kind("run", run, Run, "load_run('runs/first')")
        check_number("batch_size", batch_size, Count)
        self.run = run
        self.scorer: Scorer = as_scorer(run.scorer)
        self.batch_size = int(batch_size)
        self._known = KnownItems(run.catalogue)

    def __repr__(self) -> str:
        return repr(self.run).replace("Run", "Recommender", 1)

    def _repr_html_(self) -> str:
        return self.run._repr_html_().replace("Run", "Recommender", 1)

    @property
    def catalogue(self) -> Catalogue:
        """The items, in the order of the columns of matrices."""
        return self.run.catalogue

    def recommend(
        self,
        histories: Any = None,
        k: int = 20,
        *,
        users: Sequence[Any] | np.ndarray | None = None,
        exclude: Any = (),
        candidates: Any = None,
        include_seen: bool = False,
        user_features: Any = None,
        user_column: str | None = None,
        item_column: str | None = None,
        rating_column: str | None = None,
        min_rating: float | None = None,
    ) -> Any:
        """Rank the items that each user does not have yet.

        A user without a known item gets the most popular items, unless the model reads features.

        Args:
            histories: lists of item ids, one per user; a data frame with a row per interaction; a
                sparse users x items matrix with the columns of the catalogue; or None for the
                users of the run's data, with all of their interactions.
            k: number of items per user; may exceed the catalogue.
            users: without histories, ids of the users of the data, by default all; of a matrix,
                the id of each row, by default its number; of a frame, the users to recommend to.
            exclude: ids of items that are recommended to nobody; unknown ones have no effect.
            candidates: ids of the only items to recommend; by default all.
            include_seen: rank the items of the history with the others.
            user_features: data about the users, if the model reads any, with a row per user: an
                array, a dict of arrays, or values such as [{"gender": "F"}] if the run has an
                encoder. The users of the run's data have their own.
            user_column: of a frame, the column of users; by default found by its usual names.
            item_column: of a frame, the column of items.
            rating_column: of a frame, the column of ratings.
            min_rating: of a frame, keep an interaction with at least this rating.

        Returns:
            For lists, a list of `Recommendation`. For a frame, a frame of the same library with
            the columns of users and items as they are called there, `rank`, `title` and `score`.
            For a matrix, and for the users of the data, `Lists`.

        Raises:
            InputError: if the histories are none of these, a user is not in the data, or an
                argument is out of its bounds.

        Example:
            >>> recommender = mv.Recommender(run)
            >>> (user,) = recommender.recommend([["100", "101"]], k=5, exclude=["102"])
            >>> len(user.items)
            5
            >>> everyone = recommender.recommend(k=5)  # of the data, as `Lists`
            >>> everyone.k
            5
        """
        check_number("k", k, Count)
        check_flag("include_seen", include_seen)
        of_frame = {
            "user_column": user_column,
            "item_column": item_column,
            "rating_column": rating_column,
            "min_rating": min_rating,
        }
        given = [name for name, value in of_frame.items() if value is not None]
        if given and not is_frame(histories):
            raise InputError(f"{given[0]}: applies to data frames only; leave it out")
        check_number("min_rating", min_rating, float | None)
        allowed = self._known.mask(exclude, candidates)
        features = self._features(user_features)

        def lists_of(matrix: sp.csr_array, user_ids: Any, features: Any = features) -> Lists:
            return recommend_lists(
                self.scorer,
                self.catalogue,
                matrix,
                user_ids,
                int(k),
                self.batch_size,
                user_features=features,
                allowed=allowed,
                include_seen=include_seen,
            )

        if histories is None:
            ids, matrix, own = self._own_users
            rows = slice(None) if users is None else rows_of(users, ids, "the data of the run")
            if features is None and self._reads_features:
                features = take_rows(own, rows)
            return lists_of(matrix[rows], ids[rows], features)
        if sp.issparse(histories):
            matrix = self._matrix(histories)
            return lists_of(
                matrix,
                [str(user) for user in range(matrix.shape[0])] if users is None else ids_of(users),
            )
        if is_frame(histories):
            columns = Columns(user_column, item_column, rating_column)
            found = frame_histories(histories, self.catalogue, columns, min_rating)
            ids, matrix = np.array(found.known.user_ids(), object), found.known.matrix
            if users is not None:
                rows = rows_of(users, ids, "the frame")
                ids, matrix = ids[rows], matrix[rows]
            lists = lists_of(matrix, ids)
            return frame_like(histories, found, list_frame(lists.flat(), self.catalogue))
        if users is not None:
            raise InputError("users: lists of items have no user ids; leave users out")
        known = self._known.of_lists(histories)
        lists = lists_of(known.matrix, np.arange(len(known.unknown)))
        return as_recommendations(self.scorer, lists, known, features)

    def score(
        self, history: Any, items: Any = None, *, user_features: Any = None
    ) -> Float32[np.ndarray, " items"]:
        """The scores of items for one history; of all items in the order of the catalogue.

        Args:
            history: item ids; those that are not in the catalogue are ignored.
            items: ids of the items to score; None for all.
            user_features: data about the user, if the model reads any, with one row.

        Raises:
            InputError: if an item is not in the catalogue.

        Example:
            >>> mv.Recommender(run).score(["100", "101"], ["104", "105", "106"]).shape
            (3,)
        """
        n_items = len(self.catalogue.ids)
        wanted = np.arange(n_items) if items is None else self._known.columns_of(items, "items")
        if not len(wanted):
            return np.zeros(0, np.float32)
        known = self._known.of_lists([history])
        features = self._features(user_features)
        return score_items(self.scorer, known.matrix, wanted[None], 1, features)[0]

    def why(self, history: Any, item: Any, *, user_features: Any = None) -> Any:
        """Show how much of the score of an item each item of the history accounts for.

        The item is scored again without each item of the history in turn, which is exact: the
        effects are not those of an approximation, and need not add up to the score.

        Args:
            history: item ids; those that are not in the catalogue are ignored.
            item: the id of an item, or a list of ids, such as those of a recommendation.
            user_features: data about the user, if the model reads any, with one row.

        Returns:
            `Reasons`, or a list of them.

        Raises:
            InputError: if an item is not in the catalogue, or no item of the history is.

        Example:
            >>> reasons = mv.Recommender(run).why(["100", "101"], "104")
            >>> sorted(reasons.history)
            ['100', '101']
        """
        one = isinstance(item, str | int | np.integer)
        wanted = self._known.columns_of([item] if one else item, "item")
        known = self._known.of_lists([history])
        if not known.matrix.nnz:
            raise InputError("history: none of its items is in the catalogue")
        if not len(wanted):
            return []
        (found,) = leave_one_out_scores(
            self.scorer, known.matrix, wanted[None], self.batch_size, self._features(user_features)
        )
        reasons = found.reasons(wanted, self.catalogue, int(known.unknown[0]))
        return reasons[0] if one else reasons

    def similar_items(self, item: Any, k: int = 20) -> SimilarItems:
        """The items that are most similar to an item, which is not among them.

        The similarity is the cosine of the items' vectors in the last layer, without their biases
        and less their mean over the items. A model without vectors, such as EASE or a blend, ranks
        the items for a history of the item alone.

        Args:
            item: id of the item.
            k: number of items; may exceed the catalogue.

        Raises:
            InputError: if the item is not in the catalogue, k is not a positive integer, or a
                model without vectors reads features of users.

        Example:
            >>> similar = mv.Recommender(run).similar_items("100", k=3)
            >>> len(similar.items), "100" in similar.items
            (3, False)
        """
        check_number("k", k, Count)
        (column,) = self._known.columns_of([item], "item")
        n_items = len(self.catalogue.ids)
        if self._vectors is None:
            if self._reads_features:
                raise _without_vectors("similar_items")
            matrix = sp.csr_array(([1.0], ([0], [column])), shape=(1, n_items), dtype=np.float32)
            lists = recommend_lists(self.scorer, self.catalogue, matrix, ["0"], int(k))
            items, scores = lists.items[0][lists.shown[0]], lists.scores[0][lists.shown[0]]
        else:
            scores = self._directions @ self._directions[column]
            scores[column] = -np.inf
            items = np.argsort(-scores, kind="stable")[: min(int(k), n_items - 1)]
            scores = scores[items]
        ids = [str(name) for name in self.catalogue.ids[items]]
        titles = tuple(self.catalogue.titles.get(name) for name in ids)
        return SimilarItems(ids, scores.tolist(), titles)

    @property
    def item_vectors(self) -> Float32[np.ndarray, "items features"]:
        """A vector of each item, in the order of the catalogue.

        The inner product with a user's vector is the score; the last feature is the item's bias.

        Raises:
            InputError: if the scores are not inner products, as those of EASE or of a blend.
        """
        if self._vectors is None:
            raise _without_vectors("item_vectors")
        return self._vectors

    def user_vectors(
        self, histories: Any, *, user_features: Any = None
    ) -> Float32[np.ndarray, "users features"]:
        """A vector of each user, whose inner products with `item_vectors` are the scores.

        Args:
            histories: lists of item ids, or a sparse users x items matrix.
            user_features: data about the users, if the model reads any, with a row per user.

        Raises:
            InputError: as in `item_vectors`, or if the histories are not lists of ids.

        Example:
            >>> recommender = mv.Recommender(run)
            >>> scores = recommender.user_vectors([["100", "101"]]) @ recommender.item_vectors.T
            >>> bool(np.allclose(scores[0], recommender.score(["100", "101"]), atol=1e-4))
            True
        """
        if self._vectors is None:
            raise _without_vectors("user_vectors")
        matrix = self._matrix(histories) if sp.issparse(histories) else None
        matrix = self._known.of_lists(histories).matrix if matrix is None else matrix
        check_rows(user_features, matrix.shape[0])
        if not matrix.shape[0]:
            return np.zeros((0, self._vectors.shape[1]), np.float32)
        return vectors_of_users(
            self.run.model, self.run.params, matrix, self.batch_size, self._features(user_features)
        )

    def warm_up(self, k: int = 20, most_users: int = 1) -> int:
        """Compile the programs of `recommend`, so that no request waits for them.

        Args:
            k: largest number of items per user in a request.
            most_users: largest number of users in a request.

        Returns:
            The number of programs.

        Raises:
            InputError: if a number is not a positive integer.

        Example:
            >>> programs = mv.Recommender(run).warm_up(k=5)
        """
        check_number("k", k, Count)
        check_number("most_users", most_users, Count)
        n_programs, n_items = 0, len(self.catalogue.ids)
        features = features_of_some_user(self.run)
        at_once = users_at_once(self.batch_size, n_items)
        sizes = [size for size in AT_ONCE if size < at_once] + [at_once]
        largest = next((size for size in sizes if size >= most_users), at_once)
        for size in (size for size in sizes if size <= largest):
            own = None
            if features is not None:
                own = map_arrays(partial(np.repeat, repeats=size, axis=0), features)
            for matrix in requests_of_all_sizes(size, n_items):
                for most in sizes_of_requests(k, n_items):
                    recommend_lists(
                        self.scorer,
                        self.catalogue,
                        matrix,
                        np.arange(size),
                        most,
                        self.batch_size,
                        user_features=own,
                    )
                    n_programs += 1
        return n_programs

    @property
    def user_histories(self) -> tuple[np.ndarray, sp.csr_array]:
        """The ids and histories of the users of the run's data.

        Raises:
            InputError: if the run does not name its data, or the data cannot be read.
        """
        return self._own_users.ids, self._own_users.histories

    @cached_property
    def _own_users(self) -> OwnUsers:
        """The users of the run's data, which a loaded run reads again."""
        return users_of_run(self.run)

    def _features(self, given: Any) -> Any:
        """Features of users as arrays.

        Raises:
            InputError: they cannot be encoded, or the model reads none.
        """
        if given is None:
            return None
        if not self._reads_features:
            raise InputError("user_features: the model of this run reads no features of users")
        if isinstance(given, Sequence) and self.run.user_encoder is not None:
            return self.run.user_encoder.encode(given)
        return given

    @cached_property
    def _reads_features(self) -> bool:
        return reads_user_features(self.scorer, empty_batch(len(self.catalogue.ids)))

    def _matrix(self, histories: Any) -> sp.csr_array:
        """A matrix of histories with the columns of the catalogue."""
        matrix = sp.csr_array(histories, dtype=np.float32, copy=True)
        n_items = len(self.catalogue.ids)
        if matrix.shape[1] != n_items:
            raise InputError(
                f"histories: of {matrix.shape[1]:,} items, and the catalogue has {n_items:,}"
            )
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        return matrix

    @cached_property
    def _vectors(self) -> Float32[np.ndarray, "items features"] | None:
        run = self.run
        if getattr(run.model, "head", None) is None:
            return None
        features = features_of_some_user(run)
        return vectors_of_items(run.model, run.params, len(self.catalogue.ids), features)

    @cached_property
    def _directions(self) -> Any:
        return directions(self.item_vectors)


def _without_vectors(name: str) -> InputError:
    return InputError(f"{name}: the scores of this model are not inner products of vectors")

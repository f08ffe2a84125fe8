"""`recommend`: the best items for any history, also of users not seen in training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array, Float, Int

from multvae_jax.baselines.popularity import popularity
from multvae_jax.batching import Histories, capacity_of, sequential_order, take, to_device
from multvae_jax.data.types import Catalogue
from multvae_jax.evaluation.ranking import rank
from multvae_jax.types import Scorer


class Recommendation(NamedTuple):
    """Recommended items of one user.

    Attributes:
        items: item ids, best first; fewer than k if the user already has nearly all items.
        scores: scores of the items, in descending order.
        unknown: number of items of the history that are not in the catalogue; they are ignored.
        from_popularity: whether no item of the history is in the catalogue. The items are then
            the most popular ones, and the scores are their counts.
    """

    items: list[str]
    scores: list[float]
    unknown: int
    from_popularity: bool


@partial(jax.jit, static_argnames=("capacity", "k"))
def _rank_batch(
    scorer: Scorer,
    fallback: Scorer,
    histories: Histories,
    users: Int[Array, " users"],
    capacity: int,
    k: int,
) -> tuple[Float[Array, "users k"], Int[Array, "users k"]]:
    batch = take(histories, users, capacity)
    lengths = histories.starts[users + 1] - histories.starts[users]
    scores = jnp.where((lengths > 0)[:, None], scorer(batch), fallback(batch))
    return rank(scores, batch, k)


def recommend(
    scorer: Scorer,
    catalogue: Catalogue,
    histories: Sequence[Sequence[str]],
    k: int = 20,
    batch_size: int = 500,
) -> list[Recommendation]:
    """Rank the items that each user does not have yet.

    Args:
        scorer: any scorer, such as `Run.scorer`.
        catalogue: the items, in the order of the scores.
        histories: item ids of each user, spelled as in the data; repeated items count once. A user
            without a known item gets the most popular items.
        k: number of items per user; may exceed the catalogue.
        batch_size: users ranked at once.

    Example:
        >>> (user,) = mv.recommend(run.scorer, run.catalogue, [["50", "181", "260"]], k=5)
        >>> user.items
    """
    if not histories:
        return []
    column = {item: index for index, item in enumerate(catalogue.ids)}
    known = [sorted({column[item] for item in mine if item in column}) for mine in histories]
    unknown = [sum(item not in column for item in set(mine)) for mine in histories]
    lengths = [len(mine) for mine in known]
    matrix = sp.csr_array(
        (
            np.ones(sum(lengths), np.float32),
            np.concatenate([np.asarray(mine, np.int64) for mine in known]),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(len(known), len(column)),
    )
    fallback = popularity(catalogue.counts)
    on_device = to_device(matrix)
    order = sequential_order(len(known), min(batch_size, len(known)))
    ranked = [
        _rank_batch(
            scorer,
            fallback,
            on_device,
            users,
            capacity=capacity_of(on_device, order),
            k=min(k, len(column)),
        )
        for users in order
    ]
    best = np.concatenate([np.asarray(scores) for scores, _ in ranked])
    items = np.concatenate([np.asarray(items) for _, items in ranked])
    # Items of the history have the score -inf; they come last, if k reaches that far.
    return [
        Recommendation(
            items=[str(catalogue.ids[item]) for item in items[user][np.isfinite(best[user])]],
            scores=best[user][np.isfinite(best[user])].tolist(),
            unknown=unknown[user],
            from_popularity=not known[user],
        )
        for user in range(len(known))
    ]

"""The best items for any history, of users seen in training or never."""

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
    """What is recommended to one user.

    Attributes:
        items: ids, best first; fewer than k where the user has nearly all items.
        scores: one an item, falling.
        unknown: items of the history that the catalogue does not have; they are ignored.
        from_popularity: whether nothing of the history is known, so that the items are the
            most popular ones and the scores their counts.
    """

    items: list[str]
    scores: list[float]
    unknown: int
    from_popularity: bool


@partial(jax.jit, static_argnames=("capacity", "k"))
def _rank_batch(
    score: Scorer,
    fallback: Scorer,
    histories: Histories,
    users: Int[Array, " users"],
    capacity: int,
    k: int,
) -> tuple[Float[Array, "users k"], Int[Array, "users k"]]:
    batch = take(histories, users, capacity)
    lengths = histories.starts[users + 1] - histories.starts[users]
    scores = jnp.where((lengths > 0)[:, None], score(batch), fallback(batch))
    return rank(scores, batch, k)


def recommend(
    score: Scorer,
    catalogue: Catalogue,
    histories: Sequence[Sequence[str]],
    k: int = 20,
    batch_size: int = 500,
) -> list[Recommendation]:
    """Rank the items that each user does not have yet.

    Args:
        score: the recommender.
        catalogue: its items.
        histories: item ids of each user, as the data spells them; repeats count once, and
            none that is known means the popularity ranking.
        k: items a user; may exceed the catalogue.
        batch_size: users ranked at once.
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
            score,
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
    # What the user has is at -inf, and only reached where the catalogue runs out.
    return [
        Recommendation(
            items=[str(catalogue.ids[item]) for item in items[user][np.isfinite(best[user])]],
            scores=best[user][np.isfinite(best[user])].tolist(),
            unknown=unknown[user],
            from_popularity=not known[user],
        )
        for user in range(len(known))
    ]

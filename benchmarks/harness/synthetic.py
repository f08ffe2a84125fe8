"""Random histories and ratings with the shape of ML-20M: power-law items, long-tailed users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

# The interpreter of a peer has neither.
if TYPE_CHECKING:
    import polars as pl

    from multvae_jax.data.types import HeldOut

ML20M_USERS, ML20M_ITEMS, ML20M_MEAN = 116_677, 20_108, 68


def random_histories(
    n_users: int = ML20M_USERS, n_items: int = ML20M_ITEMS, mean: int = ML20M_MEAN, seed: int = 0
) -> sp.csr_array:
    """Draw a users x items matrix of ones.

    Args:
        n_users: number of rows.
        n_items: number of columns; item i is chosen with a probability that falls as
            1 / (i + 1)^0.9.
        mean: interactions per user, before repeated items are merged; their number is
            log-normal with sigma 1.2, at least 5 and at most a quarter of the items.
        seed: seed of the generator.
    """
    random = np.random.default_rng(seed)
    lengths = random.lognormal(np.log(mean) - 1.2**2 / 2, 1.2, n_users).astype(int)
    rows = np.repeat(np.arange(n_users), np.clip(lengths, 5, n_items // 4))
    popularity = np.cumsum(1.0 / np.arange(1, n_items + 1) ** 0.9)
    items = np.searchsorted(popularity / popularity[-1], random.random(rows.size))
    matrix = sp.csr_array((np.ones(rows.size, np.float32), (rows, items)), (n_users, n_items))
    matrix.data[:] = 1.0
    return matrix


def random_held_out(
    n_users: int, n_items: int = ML20M_ITEMS, mean: int = ML20M_MEAN, seed: int = 0
) -> HeldOut:
    """Draw histories as `random_histories` does, and hold out a fifth of each, at least one."""
    from multvae_jax.data.types import HeldOut

    whole = random_histories(n_users, n_items, mean, seed)
    # Every user has at least five items, the first of which is always held out.
    held_out = np.random.default_rng(seed).random(whole.nnz) < 0.2
    held_out[whole.indptr[:-1]] = True
    parts = []
    for mask in (~held_out, held_out):
        part = whole.copy()
        part.data = mask.astype(np.float32)
        part.eliminate_zeros()
        parts.append(part)
    return HeldOut(*parts, np.arange(n_users).astype(object))


ML20M_RATERS, ML20M_FILMS, ML20M_RATINGS = 138_493, 26_744, 20_000_263
"""Sizes of ML-20M before it is filtered."""

STARS = {
    0.5: 239_125,
    1.0: 680_732,
    1.5: 279_252,
    2.0: 1_430_997,
    2.5: 883_398,
    3.0: 4_291_193,
    3.5: 2_200_156,
    4.0: 5_561_926,
    4.5: 1_534_824,
    5.0: 2_898_660,
}
"""Number of ratings of ML-20M by stars."""


def random_ratings(
    n_users: int = ML20M_RATERS,
    n_items: int = ML20M_FILMS,
    n_ratings: int = ML20M_RATINGS,
    seed: int = 0,
) -> pl.DataFrame:
    """Draw a table of ratings in the form of ML-20M: userId, movieId, rating, timestamp.

    Rows are sorted by user and item, and no pair of them occurs twice. Stars have ML-20M's
    proportions and are independent of users and items.

    Args:
        n_users: users, numbered from 1; each has about 20 ratings or more, log-normally spread.
        n_items: items that can be rated; their ids are a fifth of the numbers up to five times
            as many. The item of popularity rank p is chosen with a probability that falls as
            1 / (p + 386)^2.3, about as in ML-20M.
        n_ratings: rows, more than 20 per user.
        seed: seed of the generator.
    """
    import polars as pl

    random = np.random.default_rng(seed)
    activity = random.lognormal(0, 1.3, n_users)
    lengths = 20 + random.multinomial(n_ratings - 20 * n_users, activity / activity.sum())
    raters = np.repeat(np.arange(n_users), lengths)
    popularity = np.cumsum(1.0 / np.arange(387, 387 + n_items) ** 2.3)
    films = random.permutation(n_items)
    pairs = np.empty(0, np.int64)
    # A repeated pair counts once; the missing ones are drawn anew.
    while pairs.size < n_ratings:
        users = random.choice(raters, 3 * (n_ratings - pairs.size) // 2) if pairs.size else raters
        ranks = np.searchsorted(popularity / popularity[-1], random.random(users.size))
        pairs = np.sort(np.concatenate([pairs, users * n_items + films[ranks]]))
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    pairs = np.delete(pairs, random.choice(pairs.size, pairs.size - n_ratings, replace=False))
    ids = 1 + np.sort(random.choice(5 * n_items, n_items, replace=False))
    shares = np.array(list(STARS.values())) / sum(STARS.values())
    return pl.DataFrame(
        {
            "userId": 1 + pairs // n_items,
            "movieId": ids[pairs % n_items],
            "rating": random.choice(list(STARS), n_ratings, p=shares),
            "timestamp": random.integers(789_652_009, 1_427_784_003, n_ratings),
        }
    )

"""Metrics of one user's list that depend on how popular the items are, as pure functions.

They take a `UserList` and

- `popularity`: number of training users of each item,
- `n_users`: number of training users,

which are passed by name. Means are over the items shown; every metric of an empty list is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from multvae_jax.evaluation.list_metrics import UserList

Popularity = Float[Array, " items"]
Value = Float[Array, ""]


def novelty(user_list: UserList, popularity: Popularity, n_users: Value) -> Value:
    """Mean self-information of the items shown, in bits (Castells, Vargas and Wang, 2011).

    With n(i) the training users of item i among U,

        novelty = mean over the list of -log2(max(n(i), 1) / U)

    An item without training users counts as if it had one. This is `MeanInvUserFreq` in RecTools.

    Example:
        >>> popularity = jnp.array([8.0, 2.0, 1.0])
        >>> float(novelty(UserList.of([0, 1], n_items=3), popularity, jnp.float32(8)))
        1.0
    """
    n_item_users = jnp.maximum(popularity[user_list.items], 1.0)
    return user_list.mean(jnp.log2(jnp.asarray(n_users, jnp.float32)) - jnp.log2(n_item_users))


def average_popularity(user_list: UserList, popularity: Popularity) -> Value:
    """Mean number of training users of the items shown: ARP of Yin et al. (VLDB 2012).

    As in Elliot and RecTools (`AvgRecPopularity`). WarpRec counts an item without training users
    as if it had one.

    Example:
        >>> popularity = jnp.array([8.0, 2.0, 1.0])
        >>> float(average_popularity(UserList.of([0, 1], n_items=3), popularity))
        5.0
    """
    return user_list.mean(popularity[user_list.items])


def long_tail(popularity: Popularity) -> Bool[Array, " items"]:
    """Return whether each item is in the long tail.

    The short head is the smallest number of items, the most popular first, that have at least 80%
    of the training interactions; the long tail is the rest, as in Elliot and WarpRec. (WarpRec
    adds one more item to a head that has exactly 80%.) Of items that are equally popular, those
    with a lower number come first.

    Args:
        popularity: whole numbers, with a sum below 2^31.

    Example:
        >>> long_tail(jnp.array([1.0, 5.0, 1.0, 3.0])).tolist()
        [True, False, True, False]
    """
    order = jnp.argsort(-popularity, stable=True)
    # Whole numbers, because the float32 sum of 20 million interactions is not exact.
    n_users = popularity[order].astype(jnp.int32)
    before = jnp.cumsum(n_users) - n_users
    total = n_users.sum()
    return jnp.zeros(popularity.shape, bool).at[order].set(before >= total - total // 5)


def aplt(user_list: UserList, popularity: Popularity) -> Value:
    """Share of the items shown that are in the `long_tail` (Abdollahpouri et al., RecSys 2017).

    The mean over users is the average percentage of long-tail items, APLT.

    Example:
        >>> popularity = jnp.array([1.0, 5.0, 1.0, 3.0])
        >>> float(aplt(UserList.of([1, 0], n_items=4), popularity))
        0.5
    """
    return user_list.mean(long_tail(popularity)[user_list.items].astype(jnp.float32))


def aclt(user_list: UserList, popularity: Popularity) -> Value:
    """Number of items shown that are in the `long_tail` (Abdollahpouri et al., FLAIRS 2019).

    The mean over users is the average coverage of long-tail items, ACLT.

    Example:
        >>> popularity = jnp.array([1.0, 5.0, 1.0, 3.0])
        >>> float(aclt(UserList.of([1, 0, 2], n_items=4), popularity))
        2.0
    """
    is_shown = long_tail(popularity)[user_list.items] & user_list.shown
    return is_shown.sum().astype(jnp.float32)


def popularity_lift(user_list: UserList, popularity: Popularity) -> Value:
    """How much more popular the items shown are than those of the user's history.

    With P the mean popularity of the history and Q that of the items shown,

        lift = (Q - P) / P

    A value of 1 means twice as popular, 0 as popular. It is 0 for a user whose history has no item
    with a training user. Abdollahpouri et al. (RecSys 2020) take the quotient of the means over a
    group of users; this is the value of each user, so that groups can be compared by their means.

    Example:
        >>> popularity = jnp.array([8.0, 2.0, 1.0])
        >>> float(popularity_lift(UserList.of([0], n_items=3, history=[1]), popularity))
        3.0
    """
    in_history = user_list.mean_of_history(popularity)
    lift = average_popularity(user_list, popularity) / jnp.where(in_history > 0, in_history, 1.0)
    return jnp.where((in_history > 0) & user_list.shown.any(), lift - 1.0, 0.0)


def popularity_ranks(popularity: Popularity) -> Int[Array, " items"]:
    """Return the rank of each item by popularity, from 1; equal items share one, without gaps.

    Example:
        >>> popularity_ranks(jnp.array([5.0, 9.0, 5.0, 0.0])).tolist()
        [2, 1, 2, 3]
    """
    order = jnp.argsort(-popularity)
    falling = popularity[order]
    ranks = 1 + jnp.cumsum(jnp.diff(falling, prepend=falling[:1]) < 0, dtype=jnp.int32)
    return jnp.zeros(popularity.shape, jnp.int32).at[order].set(ranks)


def popularity_serendipity(user_list: UserList, popularity: Popularity) -> Value:
    """Mean over the items shown of hit times how much higher it is than by popularity alone.

    With `popularity_ranks` r(i) among I items, an item i at the rank k of the list counts

        max(r(i) - k, 0) / I                if it is a hit, 0 otherwise

    and (I + 1 - k) / I for a hit without training users. This is `Serendipity` in RecTools.

    Example:
        >>> popularity = jnp.array([8.0, 2.0, 1.0, 1.0])
        >>> user_list = UserList.of([1, 2], n_items=4, targets=[1, 2])
        >>> float(popularity_serendipity(user_list, popularity))
        0.25
    """
    n_items = popularity.shape[0]
    # One past the rank that an item has at most stands for an item without training users.
    by_popularity = jnp.where(popularity > 0, popularity_ranks(popularity), n_items + 1)
    ranks = jnp.arange(1, user_list.items.shape[0] + 1, dtype=jnp.int32)
    higher = jnp.maximum(by_popularity[user_list.items] - ranks, 0)
    return user_list.mean(jnp.where(user_list.hits, higher, 0).astype(jnp.float32)) / n_items


FAMILIES: Mapping[str, Callable[..., Array]] = {
    "novelty": novelty,
    "average_popularity": average_popularity,
    "aplt": aplt,
    "aclt": aclt,
    "popularity_lift": popularity_lift,
    "popularity_serendipity": popularity_serendipity,
}
"""The metrics of this module by the names that tables and options call them."""

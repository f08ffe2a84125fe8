"""Overlap of recommendation lists: rank-biased overlap, and shared items.

A list holds the numbers of different items, best first, as the rows of `Lists.items` do: -1 stands
after its end, and -2 for an item that keeps its place but equals no other.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from multvae_jax.evaluation.lists import NO_ITEM

BATCH = 500
"""Users whose lists are compared at once."""


def rbo(one: Int[Array, " k"], other: Int[Array, " k"], p: Float[Array, ""]) -> Float[Array, ""]:
    """Return the rank-biased overlap of two lists, extrapolated from what is seen of them.

    With the overlap X_d, the number of items that both have among their first d, of a list of
    length s and one of length l >= s, it is equation 32 of Webber, Moffat and Zobel (TOIS 2010):

        RBO_EXT = (1 - p) / p * (sum_{d=1}^l X_d / d p^d + sum_{d=s+1}^l X_s (d - s) / (s d) p^d)
                  + ((X_l - X_s) / l + X_s / s) p^l

    It is 1 for equal lists and 0 for lists without a common item. Both lists may be empty, which
    makes them equal; one that is empty has nothing in common with one that is not.

    Args:
        one: a list.
        other: another list.
        p: weight of a rank relative to the one above it, between 0 and 1. With .9, the first 10
            ranks have 86% of the weight.

    Example:
        >>> one, other = jnp.array([2, 0, 1]), jnp.array([2, 1, -1])
        >>> round(float(rbo(one, other, jnp.float32(0.9))), 4)
        0.82
    """
    found = _equal(one, other)
    depths = jnp.arange(1, one.size + 1)
    # An item is shared from the depth of the lower of its two ranks.
    lower = jnp.maximum(depths, 1 + jnp.argmax(found, axis=1))
    shared = found.any(axis=1)
    overlap = (shared[:, None] & (lower[:, None] <= depths[None])).sum(axis=0)
    lengths = (one != NO_ITEM).sum(), (other != NO_ITEM).sum()
    s, l = jnp.minimum(*lengths), jnp.maximum(*lengths)  # noqa: E741 - letters of the paper
    x_s, x_l = (overlap[jnp.maximum(length - 1, 0)].astype(jnp.float32) for length in (s, l))
    d, short, long = (n.astype(jnp.float32) for n in (depths, jnp.maximum(s, 1), jnp.maximum(l, 1)))
    beyond = jnp.where(depths > s, x_s * (d - short) / (short * d), 0.0)
    terms = jnp.where(depths <= l, (overlap.astype(jnp.float32) / d + beyond) * p**d, 0.0)
    value = (1.0 - p) / p * terms.sum() + ((x_l - x_s) / long + x_s / short) * p**long
    return jnp.where(s > 0, jnp.clip(value, 0.0, 1.0), (l == 0).astype(jnp.float32))


def jaccard(one: Int[Array, " k"], other: Int[Array, " k"]) -> Float[Array, ""]:
    """Return the share of the items of two lists that both have; 1 if both are empty.

    Example:
        >>> float(jaccard(jnp.array([3, 1, 2]), jnp.array([1, 4, -1])))
        0.25
    """
    shared = _equal(one, other).sum()
    every = (one != NO_ITEM).sum() + (other != NO_ITEM).sum() - shared
    share = shared.astype(jnp.float32) / jnp.maximum(every, 1).astype(jnp.float32)
    return jnp.where(every > 0, share, 1.0)


def _equal(one: Int[Array, " k"], other: Int[Array, " k"]) -> Bool[Array, "k k"]:
    return (one[:, None] == other[None, :]) & (one >= 0)[:, None]


@partial(jax.jit, static_argnames="k")
def _overlaps(
    one: Int[Array, "users items"], other: Int[Array, "users items"], p: Float[Array, ""], k: int
) -> tuple[Float[Array, " users"], Float[Array, " users"]]:
    def of_user(lists: tuple[Array, Array]) -> tuple[Array, Array]:
        mine, others = lists
        return rbo(mine, others, p), jaccard(mine[:k], others[:k])

    return jax.lax.map(of_user, (one, other), batch_size=min(BATCH, one.shape[0]))


def overlaps(
    one: Int[np.ndarray, "users ones"],
    other: Int[np.ndarray, "users others"],
    p: float = 0.9,
    k: int = 20,
) -> tuple[Float[np.ndarray, " users"], Float[np.ndarray, " users"]]:
    """Compare the lists of two recommenders, user by user, on the device.

    Args:
        one: lists of the users.
        other: lists of the same users, of items with the same numbers.
        p: as in `rbo`.
        k: number of items of each list that `jaccard` looks at.

    Returns:
        `rbo` and `jaccard` of each user, float64.

    Example:
        >>> same, half = overlaps(np.array([[0, 1]]), np.array([[0, 2]]), k=2)
        >>> same.round(2).tolist(), half.round(2).tolist()
        ([0.55], [0.33])
    """
    width = max(one.shape[1], other.shape[1])
    padded = (_widened(lists, width) for lists in (one, other))
    found = _overlaps(*padded, jnp.float32(p), k)
    rank_biased, shared = (np.asarray(values, np.float64) for values in found)
    return rank_biased, shared


def _widened(lists: Int[np.ndarray, "users items"], width: int) -> Int[np.ndarray, "users width"]:
    missing = width - lists.shape[1]
    return np.pad(lists.astype(np.int32), ((0, 0), (0, missing)), constant_values=NO_ITEM)

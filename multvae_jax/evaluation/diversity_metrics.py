"""Metrics of one user's list that depend on what the items are like, as pure functions.

They take a `UserList` and, by name, one of

- `vectors`: a vector of each item,
- `genres`: 1 for each genre that an item has, else 0.

The cosine with a vector of zeros, such as that of an item without genres, is 0. Means are over the
items shown, and a metric of an empty list is 0 unless its own text tells another value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from multvae_jax.evaluation.list_metrics import UserList

Vectors = Float[Array, "items d"]
Genres = Float[Array, "items genres"]
Value = Float[Array, ""]


def _unit(vectors: Float[Array, "n d"]) -> Float[Array, "n d"]:
    """The vectors at length 1; vectors of zeros stay."""
    largest = jnp.abs(vectors).max(axis=1, keepdims=True)
    scaled = vectors / jnp.where(largest > 0, largest, 1.0)
    lengths = jnp.sqrt((scaled**2).sum(axis=1, keepdims=True))
    return scaled / jnp.where(lengths > 0, lengths, 1.0)


def intra_list_diversity(user_list: UserList, vectors: Vectors) -> Value:
    """Mean of 1 - cosine over all pairs of items shown (Ziegler et al., WWW 2005).

    With unit vectors v of the n items shown, and s their sum,

        ILD = 1 - (|s|^2 - sum of |v|^2) / (n (n - 1))

    which needs no n x n array. It is 0 for a list of fewer than two items. RecTools computes the
    same mean of any distance between items.

    Example:
        >>> vectors = jnp.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
        >>> round(float(intra_list_diversity(UserList.of([0, 1, 2], n_items=3), vectors)), 4)
        0.6667
    """
    unit = jnp.where(user_list.shown[:, None], _unit(vectors[user_list.items]), 0.0)
    n = user_list.shown.sum().astype(jnp.float32)
    pairs = n * (n - 1.0)
    cosines = (unit.sum(axis=0) ** 2).sum() - (unit**2).sum()
    return jnp.where(n > 1, jnp.clip(1.0 - cosines / jnp.maximum(pairs, 1.0), 0.0, 2.0), 0.0)


def genre_diversity(user_list: UserList, genres: Genres) -> Value:
    """Intra-list diversity of the items' genres: mean of 1 - cosine over all pairs shown.

    Example:
        >>> genres = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> float(genre_diversity(UserList.of([0, 1], n_items=3), genres))
        0.0
    """
    return intra_list_diversity(user_list, genres)


def _distances_to_history(user_list: UserList, vectors: Vectors) -> Float[Array, " k"]:
    """Mean of 1 - cosine between each item of the list and the items of the history."""
    of_history = user_list.mean_of_history(_unit(vectors))
    # The default of a GPU is less than float32.
    return 1.0 - jnp.matmul(_unit(vectors[user_list.items]), of_history, precision="highest")


def unexpectedness(user_list: UserList, vectors: Vectors) -> Value:
    """Mean of 1 - cosine between the items shown and the items of the user's history.

    The complement of "unserendipity" of Zhang et al. (WSDM 2012). It is 1 for a user without
    history.

    Example:
        >>> vectors = jnp.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
        >>> float(unexpectedness(UserList.of([1, 2], n_items=3, history=[0]), vectors))
        0.5
    """
    return user_list.mean(_distances_to_history(user_list, vectors))


def vector_serendipity(user_list: UserList, vectors: Vectors) -> Value:
    """Mean over the items shown of hit times its mean distance, 1 - cosine, from the history.

    What counts is relevant and unexpected (Adamopoulos and Tuzhilin, TIST 2014): this is
    `unexpectedness` with each miss counted as 0.

    Example:
        >>> vectors = jnp.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
        >>> user_list = UserList.of([1, 2], n_items=3, history=[0], targets=[2])
        >>> float(vector_serendipity(user_list, vectors))
        0.5
    """
    return user_list.mean(jnp.where(user_list.hits, _distances_to_history(user_list, vectors), 0.0))


ALPHA = 0.01
"""Weight of the history's distribution in that of the list, which keeps the divergence finite."""


def _proportions(weights: Float[Array, " *any"], axis: int = 0) -> Float[Array, " *any"]:
    """The weights at sum 1; those that are all zero stay."""
    total = weights.sum(axis=axis, keepdims=True)
    return weights / jnp.where(total > 0, total, 1.0)


def miscalibration(user_list: UserList, genres: Genres) -> Value:
    """How far the genres of the items shown are from those of the history (Steck, RecSys 2018).

    With p(g|i) = 1 / number of genres of item i for each of its genres, p(g) its mean over the
    history, q(g) its mean over the items shown, and a = 0.01,

        miscalibration = sum over g of p(g) ln(p(g) / ((1 - a) q(g) + a p(g)))

    in nats. Items without genres are left out of both means. 0 is a list with the proportions of
    the history; the largest value, -ln(a) = 4.6, one that has none of its genres, such as an empty
    list. It is 0 for a user whose history has no genres.

    Example:
        >>> genres = jnp.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> calibrated = UserList.of([1, 3], n_items=4, history=[0, 2])
        >>> abs(round(float(miscalibration(calibrated, genres)), 4))
        0.0
        >>> only_one = UserList.of([1], n_items=4, history=[0, 2])
        >>> round(float(miscalibration(only_one, genres)), 4)
        1.9585
    """
    shares = _proportions(genres, axis=1)
    wanted = _proportions(user_list.mean_of_history(shares))
    given = _proportions(user_list.mean(shares[user_list.items]))
    mixed = (1.0 - ALPHA) * given + ALPHA * wanted
    ratio = jnp.where(wanted > 0, wanted, 1.0) / jnp.where(wanted > 0, mixed, 1.0)
    return (wanted * jnp.log(ratio)).sum()


FAMILIES: Mapping[str, Callable[..., Array]] = {
    "intra_list_diversity": intra_list_diversity,
    "genre_diversity": genre_diversity,
    "unexpectedness": unexpectedness,
    "vector_serendipity": vector_serendipity,
    "miscalibration": miscalibration,
}
"""The metrics of this module by the names that tables and options call them."""

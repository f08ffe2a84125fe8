"""Item-based nearest neighbours: what is alike to what the user has.

Sarwar, Karypis, Konstan, Riedl, "Item-based Collaborative Filtering Recommendation Algorithms",
WWW 2001, with the neighbours found by the package `implicit`.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from multvae_jax.baselines._implicit import as_implicit_takes_it, from_implicit
from multvae_jax.batching import Batch
from multvae_jax.errors import InputError
from multvae_jax.types import Scorer


def _score(
    neighbors: Int[Array, "items neighbors"],
    similarities: Float[Array, "items neighbors"],
    batch: Batch,
) -> Float[Array, "users items"]:
    """Sum over each user's interactions of x_i s_ij, at the neighbours j of i."""
    nothing = jnp.zeros((batch.users.shape[0], neighbors.shape[0]), similarities.dtype)
    # A chunk that is padding belongs to no user, and is dropped; a padded item has value 0.
    return nothing.at[batch.owner[:, None, None], neighbors[batch.items]].add(
        batch.values[:, :, None] * similarities[batch.items], mode="drop"
    )


def item_knn(train: sp.csr_array, neighbors: int = 100) -> Scorer:
    """Scores an item by its cosine similarities to those of the user's items it is a neighbour of.

    Args:
        train: users x items.
        neighbors: how many most similar other items each item has; may exceed the catalogue.

    Raises:
        InputError: if there is to be no neighbour, or the package `implicit` is missing.
    """
    if neighbors < 1:
        raise InputError(f"item kNN: {neighbors} neighbours: it takes at least one")
    # An item is its own neighbour to the package.
    knn = from_implicit("nearest_neighbours").ItemItemRecommender(K=neighbors + 1)
    knn.fit(as_implicit_takes_it(_unit_columns(train), np.float64), show_progress=False)
    return Partial(_score, *_padded(sp.csr_array(knn.similarity), neighbors))


def _unit_columns(train: sp.csr_array) -> sp.csr_array:
    """Each item's users over their norm, so that a product of two items is their cosine."""
    norms = np.sqrt(train.multiply(train).sum(axis=0, dtype=np.float64))
    scale = np.divide(1.0, norms, out=np.zeros(norms.shape), where=norms > 0)
    return sp.csr_array(train @ sp.diags_array(scale))


def _padded(
    similarity: sp.csr_array, most: int
) -> tuple[Int[Array, "items neighbors"], Float[Array, "items neighbors"]]:
    """Each item's most similar others, and their similarities; padded with 0."""
    pairs = similarity.tocoo()
    other = pairs.row != pairs.col
    rows, columns, values = pairs.row[other], pairs.col[other], pairs.data[other]
    counts = np.bincount(rows, minlength=similarity.shape[0])
    order = np.lexsort((columns, rows))
    place = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
    # One too many where the item itself was not among them, for want of room among its equals.
    order, place = order[place < most], place[place < most]
    shape = (similarity.shape[0], max(1, min(most, int(counts.max(initial=0)))))
    items, similarities = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    items[rows[order], place] = columns[order]
    similarities[rows[order], place] = values[order]
    return jnp.asarray(items), jnp.asarray(similarities)

"""Item-based nearest neighbors, by cosine similarity.

Sarwar, Karypis, Konstan, Riedl, "Item-based Collaborative Filtering Recommendation Algorithms",
WWW 2001. The package `implicit` finds the neighbors.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from multvae_jax.baselines._implicit import import_implicit, to_implicit
from multvae_jax.batching import Batch
from multvae_jax.errors import InputError
from multvae_jax.types import Scorer


def _score(
    neighbors: Int[Array, "items neighbors"],
    similarities: Float[Array, "items neighbors"],
    batch: Batch,
) -> Float[Array, "users items"]:
    """Sum x_i s_ij over the items i of each user, for the neighbors j of i."""
    zeros = jnp.zeros((batch.users.shape[0], neighbors.shape[0]), similarities.dtype)
    # Chunks of padding have no user and are dropped; items of padding have the value 0.
    return zeros.at[batch.owner[:, None, None], neighbors[batch.items]].add(
        batch.values[:, :, None] * similarities[batch.items], mode="drop"
    )


def item_knn(train: sp.csr_array, neighbors: int = 100) -> Scorer:
    """Score item j by the sum of its cosine similarities to the items i of the user's history.

    Only those i count that have j among their nearest neighbors.

    Args:
        train: users x items.
        neighbors: number of nearest neighbors of each item; may exceed the catalogue.

    Raises:
        InputError: if `neighbors` is below 1, or the package `implicit` is missing.

    Example:
        `evaluate(item_knn(split.train, neighbors=30), split.test)`
    """
    if neighbors < 1:
        raise InputError(f"item kNN: {neighbors} neighbors, but at least 1 is needed")
    # `implicit` counts an item among its own neighbors.
    knn = import_implicit("nearest_neighbours").ItemItemRecommender(K=neighbors + 1)
    knn.fit(to_implicit(_unit_columns(train), np.float64), show_progress=False)
    return Partial(_score, *_padded(sp.csr_array(knn.similarity), neighbors))


def _unit_columns(train: sp.csr_array) -> sp.csr_array:
    """Scale columns to unit norm, so that the inner product of two items is their cosine."""
    norms = np.sqrt(train.multiply(train).sum(axis=0, dtype=np.float64))
    scale = np.divide(1.0, norms, out=np.zeros(norms.shape), where=norms > 0)
    return sp.csr_array(train @ sp.diags_array(scale))


def _padded(
    similarity: sp.csr_array, neighbors: int
) -> tuple[Int[Array, "items neighbors"], Float[Array, "items neighbors"]]:
    """Return the nearest neighbors of each item and their similarities, padded with 0."""
    pairs = similarity.tocoo()
    is_other = pairs.row != pairs.col
    rows, columns, values = pairs.row[is_other], pairs.col[is_other], pairs.data[is_other]
    counts = np.bincount(rows, minlength=similarity.shape[0])
    order = np.lexsort((columns, rows))
    place = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
    # One too many if ties with its neighbors displaced the item itself.
    order, place = order[place < neighbors], place[place < neighbors]
    shape = (similarity.shape[0], max(1, min(neighbors, int(counts.max(initial=0)))))
    items, similarities = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    items[rows[order], place] = columns[order]
    similarities[rows[order], place] = values[order]
    return jnp.asarray(items), jnp.asarray(similarities)

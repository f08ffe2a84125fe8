"""Item-item models of which only the largest weights of each item are kept."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from multvae_jax.batching import Batch
from multvae_jax.types import Params


def score(params: Params, batch: Batch) -> Float[Array, "users items"]:
    """Sum x_i w_ij over the items i of each user, for the neighbors j of i."""
    neighbors, weights = params["neighbors"], params["weights"]
    zeros = jnp.zeros((batch.users.shape[0], neighbors.shape[0]), weights.dtype)
    # Chunks of padding have no user and are dropped; items of padding have the value 0.
    return zeros.at[batch.owner[:, None, None], neighbors[batch.items]].add(
        batch.values[:, :, None] * weights[batch.items], mode="drop"
    )


def padded(
    rows: np.ndarray, columns: np.ndarray, values: np.ndarray, n_items: int, neighbors: int
) -> Params:
    """The neighbors of each item and their weights, padded with 0.

    Args:
        rows: the item i of each weight.
        columns: its neighbor j.
        values: the weight of j; where a row has more than `neighbors`, the first are kept.
        n_items: number of items.
        neighbors: largest number of neighbors of an item.
    """
    counts = np.bincount(rows, minlength=n_items)
    order = np.lexsort((columns, rows))
    place = np.arange(rows.size) - np.repeat(np.cumsum(counts) - counts, counts)
    order, place = order[place < neighbors], place[place < neighbors]
    shape = (n_items, max(1, min(neighbors, int(counts.max(initial=0)))))
    items, weights = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    items[rows[order], place] = columns[order]
    weights[rows[order], place] = values[order]
    return {"neighbors": jnp.asarray(items), "weights": jnp.asarray(weights)}

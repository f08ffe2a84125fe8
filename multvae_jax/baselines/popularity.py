"""Popularity: the same ranking for every user."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from multvae_jax.batching import Batch
from multvae_jax.types import Scorer


def _score(counts: Float[Array, " items"], batch: Batch) -> Float[Array, "users items"]:
    return jnp.broadcast_to(counts, (batch.users.shape[0], counts.shape[0]))


def popularity(counts: np.ndarray) -> Scorer:
    """Score every item by its count.

    Args:
        counts: one number per item, such as `split.catalogue.counts`.

    Example:
        >>> from multvae_jax.batching import empty_batch
        >>> popularity(np.array([5, 3]))(empty_batch(n_items=2)).tolist()
        [[5.0, 3.0]]
    """
    return Partial(_score, jnp.asarray(counts, jnp.float32))

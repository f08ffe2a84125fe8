"""Popularity: the same ranking for every user."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from multvae_jax.baselines.baseline import Baseline
from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import described
from multvae_jax.errors import InputError
from multvae_jax.types import Params, Scorer


def score(params: Params, batch: Batch) -> Float[Array, "users items"]:
    """Score the items of every user by their counts."""
    counts = params["counts"]
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
    if getattr(counts, "ndim", None) != 1:
        raise InputError(f"counts: {described(counts)}; give an array of one number per item")
    return Partial(score, _params(counts))


def fit(train: sp.csr_array) -> Params:
    """Count the users of each item."""
    counts = np.bincount(train.indices[train.data != 0], minlength=train.shape[1])
    return _params(counts)


def _params(counts: Any) -> Params:
    return {"counts": jax.device_put(np.asarray(counts, np.float32))}


POPULARITY = Baseline("popularity", fit, score)

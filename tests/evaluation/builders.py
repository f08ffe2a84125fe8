"""Small recommendation lists, and recommenders of known scores."""

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from multvae_jax.batching import dense_rows
from multvae_jax.data.types import Catalogue
from multvae_jax.evaluation.lists import NO_ITEM, UNKNOWN_ITEM, Lists


def catalogue(ids, titles=None):
    """Items of which the first is the most popular."""
    return Catalogue(np.array(list(ids), object), np.arange(len(ids))[::-1].copy(), titles or {})


def lists_of(items, of="abc"):
    """Lists of users by id; a letter that is not in the catalogue is an unknown item."""
    k = max(map(len, items.values()))
    columns = np.full((len(items), k), NO_ITEM, np.int32)
    scores = np.full((len(items), k), np.nan, np.float32)
    for row, mine in enumerate(items.values()):
        columns[row, : len(mine)] = [of.index(i) if i in of else UNKNOWN_ITEM for i in mine]
        scores[row, : len(mine)] = np.arange(len(mine), 0, -1)
    return Lists(np.array(list(items), object), columns, scores, catalogue(of))


def linear(weights, batch):
    return dense_rows(batch) @ weights


def whole_weights(n_items, seed, largest):
    """Weights for which every score is an integer, exact in float32; small ones cause ties."""
    random = np.random.default_rng(seed)
    return random.integers(-largest, largest + 1, (n_items, n_items))


def linear_scorer(weights):
    return Partial(linear, jnp.asarray(weights, jnp.float32))


def rows_at(scores, batch):
    """Random scores of each user, independent of the history."""
    return scores[batch.users]

"""Item-based nearest neighbors, by cosine similarity.

Sarwar, Karypis, Konstan, Riedl, "Item-based Collaborative Filtering Recommendation Algorithms",
WWW 2001. The package `implicit` finds the neighbors.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial

from multvae_jax.baselines.baseline import Baseline
from multvae_jax.baselines.implicit_package import import_implicit, to_implicit
from multvae_jax.baselines.neighbors import padded, score
from multvae_jax.checks.bounds import check_matrix
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.types import Params, Scorer


@checked(train=check_matrix, neighbors=int)
def item_knn(train: sp.csr_array, neighbors: int = 100) -> Scorer:
    """Score item j by the sum of its cosine similarities to the items i of the user's history.

    Only those i count that have j among their nearest neighbors.

    Args:
        train: users x items.
        neighbors: number of nearest neighbors of each item; may exceed the catalogue.

    Raises:
        InputError: if `neighbors` is below 1, or the package `implicit` is missing.

    Example:
        >>> scorer = item_knn(split.train, neighbors=10)
        >>> evaluation = mv.evaluate(scorer, split.test)
    """
    return Partial(score, fit(train, neighbors))


def fit(train: sp.csr_array, neighbors: int) -> Params:
    """Find the nearest neighbors of each item and their similarities, as `item_knn`."""
    if neighbors < 1:
        raise InputError(f"item kNN: {neighbors} neighbors, but at least 1 is needed")
    # `implicit` counts an item among its own neighbors.
    knn = import_implicit("nearest_neighbours").ItemItemRecommender(K=neighbors + 1)
    knn.fit(to_implicit(_unit_columns(train), np.float64), show_progress=False)
    pairs = sp.csr_array(knn.similarity).tocoo()
    # One neighbor too many is left if ties displaced the item itself.
    is_other = pairs.row != pairs.col
    rows, columns, values = pairs.row[is_other], pairs.col[is_other], pairs.data[is_other]
    return padded(rows, columns, values, train.shape[1], neighbors)


def _unit_columns(train: sp.csr_array) -> sp.csr_array:
    """Scale columns to unit norm, so that the inner product of two items is their cosine."""
    norms = np.sqrt(train.multiply(train).sum(axis=0, dtype=np.float64))
    scale = np.divide(1.0, norms, out=np.zeros(norms.shape), where=norms > 0)
    return sp.csr_array(train @ sp.diags_array(scale))


ITEM_KNN = Baseline(
    "item-knn",
    fit,
    score,
    constants={"neighbors": 100},
    grid={"neighbors": (10, 30, 100, 300, 1000)},
    check=partial(import_implicit, "nearest_neighbours"),
)

"""Vectors of the items for metrics of diversity: the same for all recommenders, trained by none."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg

DIMENSIONS = 64
"""Length of the item vectors that diversity and serendipity are measured with."""


def item_vectors(train: sp.csr_array) -> np.ndarray:
    """Vectors of the items: the right singular vectors of the training data, scaled.

    They are the same for all recommenders, and none of them is trained on them.
    """
    k = min(DIMENSIONS, min(train.shape) - 1)
    _, sizes, directions = scipy.sparse.linalg.svds(train.astype(np.float32), k=k, random_state=0)
    return (directions.T * sizes).astype(np.float32)

"""A split of a matrix that holds nobody out."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from multvae_jax.data.types import Catalogue, HeldOut, Split


def train_on_all(matrix: sp.csr_array) -> Split:
    """Make a split that trains on all rows of a matrix; its ids are numbers of rows and columns.

    Args:
        matrix: users x items, float32; rows and columns may be empty.
    """
    users, items = (_numbers(count) for count in matrix.shape)
    counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
    nobody = HeldOut(matrix[:0], matrix[:0], users[:0])
    return Split(matrix, None, nobody, users, Catalogue(items, counts, {}))


def _numbers(count: int) -> np.ndarray:
    return np.arange(count).astype(str).astype(object)

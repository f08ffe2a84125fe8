"""Held-out users over the items of another catalogue."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.sparse as sp

from multvae_jax.data.splits.parts import column_in, matrix_of
from multvae_jax.data.types import Catalogue, HeldOut


def over_catalogue(held_out: HeldOut, item_ids: np.ndarray, catalogue: Catalogue) -> HeldOut:
    """The same held-out users over the items of another catalogue, found by id.

    Args:
        held_out: the users.
        item_ids: id of each item of theirs.
        catalogue: the other catalogue; interactions with items that it lacks are left out.
    """
    column = column_in(catalogue, item_ids)

    def moved(matrix: sp.csr_array) -> sp.csr_array:
        cells = matrix.tocoo()
        known = column[cells.col] >= 0
        shape = (matrix.shape[0], len(catalogue.ids))
        return matrix_of(cells.row[known], column[cells.col[known]], cells.data[known], shape)

    history, targets = moved(held_out.history), moved(held_out.targets)
    return dataclasses.replace(held_out, history=history, targets=targets)

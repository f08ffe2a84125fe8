"""Vectors of the items, whose products with a vector of the user are the scores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from multvae_jax.export.program import CannotExportError, Program
from multvae_jax.export.subject import Subject


def item_vectors(
    subject: Subject, program: Callable[[], Program]
) -> Float32[np.ndarray, "items features"]:
    """The vectors of the items, for an index of the largest inner products.

    A bias of the items is the last entry, which meets a 1 at the end of the user's vector.

    Args:
        subject: the recommender.
        program: returns its program.

    Raises:
        CannotExportError: the scores are not such products.
    """
    if "item_factors" in subject.params:
        return np.asarray(subject.params["item_factors"], np.float32)
    found = program()
    if found.item_table is None:
        raise CannotExportError(
            "the scores of this model are not products of a vector of the user and one of the item"
        )
    table = found.weights[found.item_table].T
    if isinstance(found.item_bias, str):
        table = np.hstack([table, found.weights[found.item_bias].reshape(-1, 1)])
    return np.ascontiguousarray(table, np.float32)

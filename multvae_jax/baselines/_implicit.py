"""Lazy import of the optional package `implicit`."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from multvae_jax.host.optional import import_optional


def from_implicit(module: str) -> Any:
    """A module of the package `implicit`, which comes with the extra `baselines`.

    Args:
        module: its name below `implicit`.

    Raises:
        InputError: if the package is missing or fails to import; the message says how to get it.
    """
    return import_optional(f"implicit.{module}", "baselines", "this baseline")


def as_implicit_takes_it(matrix: sp.csr_array, dtype: type[np.floating[Any]]) -> sp.csr_matrix:
    """The matrix in the form that the package knows: of the old kind, with indices of 32 bits.

    Args:
        matrix: users x items.
        dtype: of its values, float32 for a factorization and float64 for neighbours.
    """
    parts = (
        matrix.data.astype(dtype),
        matrix.indices.astype(np.int32),
        matrix.indptr.astype(np.int32),
    )
    return sp.csr_matrix(parts, shape=matrix.shape)

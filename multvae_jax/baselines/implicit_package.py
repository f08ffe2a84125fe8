"""Lazy import of the optional package `implicit`."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from multvae_jax.host.optional import import_optional


def import_implicit(module: str) -> Any:
    """Import a module of the package `implicit`, which the extra `baselines` installs.

    Args:
        module: name of the module within `implicit`, such as `als`.

    Raises:
        InputError: if the package is missing or cannot be imported.
    """
    return import_optional(f"implicit.{module}", "baselines", "this baseline")


def to_implicit(matrix: sp.csr_array, dtype: type[np.floating[Any]]) -> sp.csr_matrix:
    """Convert to the only form that `implicit` accepts: a `csr_matrix` with 32-bit indices.

    Args:
        matrix: users x items.
        dtype: type of the values; float32 for a factorization, float64 for neighbors.
    """
    parts = (
        matrix.data.astype(dtype),
        matrix.indices.astype(np.int32),
        matrix.indptr.astype(np.int32),
    )
    return sp.csr_matrix(parts, shape=matrix.shape)

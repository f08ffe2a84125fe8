"""Cost of fitting EASE or EDLAE, and whether it is affordable.

Measured for one setting: seconds of one core (AMD EPYC, OpenBLAS 0.3), the estimate of
`seconds_to_fit`, and the memory of the whole process.

| users | items | interactions | seconds | estimate | GB |
|---|---|---|---|---|---|
| 483 | 5,660 | 38,246 | 0.5 | 0.5 | |
| 6,040 | 3,700 | 804,199 | 2.0 | 1.2 | |
| 20,000 | 5,000 | 1,856,453 | 5.2 | 2.9 | 0.7 |
| 30,000 | 10,000 | 2,826,751 | 27 | 23 | 1.7 |
| 5,000 | 20,000 | 914,731 | 43 | 44 | 2.4 |
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from multvae_jax.host.stored_matrix import StoredMatrix

FLOPS = 4.3e10
"""Operations in a second of the inverse, of which a matrix of n x n takes n^3."""

PRODUCTS = 4.5e8
"""Products in a second of a sparse and a dense matrix."""


def seconds_to_fit(train: sp.csr_array | StoredMatrix) -> float:
    """Estimate the seconds of one core that one setting takes."""
    n_users, n_items = train.shape
    inverse = min(n_users, n_items) ** 3 / FLOPS
    # From the inverse of users x users to weights of items x items.
    return inverse + (train.nnz * n_items / PRODUCTS if n_users < n_items else 0.0)


def bytes_to_fit(shape: tuple[int, ...], bytes_of_number: int = 8) -> int:
    """Bytes of the inverse, and of the weights in float32."""
    smaller, n_items = min(shape), shape[1]
    return bytes_of_number * smaller**2 + np.dtype(np.float32).itemsize * n_items**2


def is_affordable(train: sp.csr_array | StoredMatrix, *, seconds: float, gigabytes: float) -> bool:
    """Return whether one setting takes no more than some seconds of one core, and some memory."""
    return seconds_to_fit(train) <= seconds and bytes_to_fit(train.shape) <= 1e9 * gigabytes

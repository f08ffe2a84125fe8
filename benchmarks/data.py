"""Random histories with the shape of ML-20M: power-law items, long-tailed users."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

ML20M_USERS, ML20M_ITEMS, ML20M_MEAN = 116_677, 20_108, 68


def histories(
    n_users: int = ML20M_USERS, n_items: int = ML20M_ITEMS, mean: int = ML20M_MEAN, seed: int = 0
) -> sp.csr_array:
    """A users x items matrix of ones.

    Args:
        n_users: rows.
        n_items: columns; item i is chosen with a probability that falls as 1 / (i + 1)^0.9.
        mean: interactions a user, before an item drawn twice is counted once; their number is
            log-normal with sigma 1.2, at least 5 and at most a quarter of the items.
        seed: of numpy's generator.
    """
    random = np.random.default_rng(seed)
    lengths = random.lognormal(np.log(mean) - 1.2**2 / 2, 1.2, n_users).astype(int)
    rows = np.repeat(np.arange(n_users), np.clip(lengths, 5, n_items // 4))
    popularity = np.cumsum(1.0 / np.arange(1, n_items + 1) ** 0.9)
    items = np.searchsorted(popularity / popularity[-1], random.random(rows.size))
    matrix = sp.csr_array((np.ones(rows.size, np.float32), (rows, items)), (n_users, n_items))
    matrix.data[:] = 1.0
    return matrix

"""Fingerprints of results."""

import numpy as np
import polars as pl
import scipy.sparse as sp

from benchmarks.harness.fingerprints import fingerprint


def test_a_fingerprint_depends_on_contents_and_not_on_layout():
    matrix = np.array([[0, 1, 1], [1, 0, 0]], np.float32)
    one = sp.csr_array(matrix)
    unsorted = sp.csr_array(
        (np.ones(3, np.float64), np.array([2, 1, 0]), np.array([0, 2, 3])), shape=(2, 3)
    )
    assert fingerprint(one) == fingerprint(unsorted)
    assert fingerprint(one) != fingerprint(sp.csr_array(matrix[::-1]))
    assert fingerprint([1, 23]) == fingerprint(pl.Series(["1", "23"]))
    assert fingerprint([1, 23]) != fingerprint([12, 3])

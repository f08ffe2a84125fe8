"""The plain arrays that readers, splits and evaluation share."""

import subprocess
import sys

import numpy as np

from tests.data.builders import interactions


def test_the_types_need_no_reader():
    code = "import sys, multvae_jax.data.types; assert not {'polars', 'jax'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_interactions_as_a_matrix():
    data = interactions([("b", "x", 2.0), ("a", "y", 3.0), ("b", "y", 1.0)])
    assert (data.n_users, data.n_items) == (2, 2)
    assert data.csr().dtype == np.float32
    np.testing.assert_array_equal(data.csr().toarray(), [[0.0, 3.0], [2.0, 1.0]])

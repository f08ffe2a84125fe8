"""Data that the tests of the baselines share."""

import importlib.util

import numpy as np
import pytest

from tests.builders import counts

needs_implicit = pytest.mark.skipif(
    importlib.util.find_spec("implicit") is None, reason="the package implicit is not installed"
)
needs_scikit_learn = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed"
)


def clicks(seed, n_users=40, n_items=15, share=0.3):
    """A users x items matrix of ones; user 0 has every item, the last user none."""
    return np.minimum(counts(seed, n_users, n_items, share=share), 1.0)

"""Scores of a model and of a baseline on one scale."""

import jax.numpy as jnp
import numpy as np

from multvae_jax.models import standardize
from tests.builders import assert_same


def test_standardize_against_numpy():
    scores = 5 + 3 * np.random.default_rng(0).standard_normal((4, 50))
    expected = (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)
    np.testing.assert_allclose(standardize(jnp.float32(scores)), expected, atol=1e-5)
    # Equal scores carry no preference.
    assert_same(standardize(jnp.full((2, 3), 7.0)), np.zeros((2, 3), np.float32))

"""Metrics of all lists together, against other forms of their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from multvae_jax.evaluation import catalogue_metrics

compiled = jax.jit(
    lambda counts: {name: metric(counts) for name, metric in catalogue_metrics.FAMILIES.items()}
)


def values(counts):
    return {name: float(value) for name, value in compiled(jnp.array(counts, jnp.int32)).items()}


@settings(max_examples=60)
@given(st.sampled_from([1, 2, 7, 30]), st.data())
def test_every_metric_agrees_with_its_definition(n, data):
    counts = data.draw(st.lists(st.integers(0, 2_000_000), min_size=n, max_size=n))
    found = values(counts)
    assert found["coverage"] == pytest.approx(np.count_nonzero(counts) / n)
    if not any(counts):
        assert found == {"coverage": 0, "gini": 0, "shannon_entropy": 0}
        return
    # The Gini index is half the relative mean absolute difference of all pairs.
    counts = np.array(counts, np.float64)
    differences = np.abs(counts[:, None] - counts[None]).sum() / (2 * n * counts.sum())
    assert found["gini"] == pytest.approx(differences * n / max(n - 1, 1), rel=1e-5, abs=1e-6)
    expected = scipy.stats.entropy(counts, base=2)
    assert found["shannon_entropy"] == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_large_catalogue_keeps_its_precision():
    """Of the size of ML-20M, as long lists of many users leave it."""
    counts = (3e5 / np.arange(1, 20_109)).astype(np.int64)
    found, n = values(counts), counts.size
    rising = np.sort(counts)
    expected = ((2 * np.arange(1, n + 1) - n - 1) * rising).sum() / counts.sum() / (n - 1)
    assert found["gini"] == pytest.approx(expected, rel=1e-5)
    assert found["shannon_entropy"] == pytest.approx(scipy.stats.entropy(counts, base=2), rel=1e-5)

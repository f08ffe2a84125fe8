"""The measured bias of the sampled softmax, against its expected value."""

import jax.numpy as jnp
import numpy as np

from experiments.sampled_bias import bias_of
from tests.builders import batch_of, counts


def test_the_bias_is_the_expected_value_over_all_draws():
    """Of a single draw there are as many as items, so that the mean over them is exact."""
    x = counts(3, 4, 9)
    x = x[x.any(axis=1)]
    logits = np.random.default_rng(4).normal(size=x.shape)
    weights = np.arange(1.0, 10.0)
    q, exp = weights / weights.sum(), np.exp(logits)
    own = (exp * (x > 0)).sum(axis=1, keepdims=True)
    estimates = np.log(own + np.where(x > 0, 0.0, exp / q))
    expected = np.mean(np.log(exp.sum(axis=1)) - estimates @ q)
    found = bias_of(jnp.float32(logits), batch_of(x), 1, weights, keys=2_000)
    # A right program fails once in a million keys, and the key is fixed.
    assert abs(found["bias"] - expected) < 5 * found["standard_error"]
    assert found["standard_error"] < 0.1 * expected

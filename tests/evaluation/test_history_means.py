"""Means over a user's history, against the matrix product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.evaluation.history_means import mean_of_history
from tests.builders import batch_of, counts

N_USERS, N_ITEMS = 9, 25
CLICKS = counts(3, N_USERS, N_ITEMS)
# A place of the batch that is padding, too.
BATCH = batch_of(CLICKS, users=[4, 0, 8, -1, 2], extra=2)
PLACES = jnp.array([2, 0, 1, 4, 3, 0], jnp.int32)
HISTORY = np.stack([CLICKS[8], CLICKS[4], CLICKS[0], CLICKS[2], 0 * CLICKS[0], CLICKS[4]]) != 0


def values_of(*shape):
    return np.random.default_rng(4).normal(size=shape).astype(np.float32)


def expected(values):
    lengths = np.maximum(HISTORY.sum(axis=1), 1)
    return (HISTORY @ values) / lengths.reshape(-1, *[1] * (values.ndim - 1))


@pytest.mark.parametrize("shape", [(N_ITEMS,), (N_ITEMS, 3)])
def test_means_of_a_batch_and_of_single_users(shape):
    values = values_of(*shape)
    together = jax.jit(jax.vmap(mean_of_history, in_axes=(0, None, None)))
    found = together(PLACES, BATCH, jnp.asarray(values))
    np.testing.assert_allclose(found, expected(values), rtol=1e-5, atol=1e-6)
    alone = jax.jit(mean_of_history)(PLACES[1], BATCH, jnp.asarray(values))
    np.testing.assert_allclose(alone, expected(values)[1], rtol=1e-5, atol=1e-6)


def test_every_user_may_have_values_of_its_own():
    """A metric may give values that depend on the user's list."""
    places = PLACES[:5]
    values = values_of(5, N_ITEMS, 2)
    found = jax.vmap(mean_of_history, in_axes=(0, None, 0))(places, BATCH, jnp.asarray(values))
    for row, one in enumerate(found):
        np.testing.assert_allclose(one, expected(values[row])[row], rtol=1e-5, atol=1e-6)


def test_values_of_other_items_do_not_matter():
    values = np.where(HISTORY[1], 1.0, np.nan).astype(np.float32)
    assert float(mean_of_history(PLACES[1], BATCH, jnp.asarray(values))) == 1.0

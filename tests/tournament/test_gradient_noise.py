"""The noise of a gradient that is known in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.batching import to_device
from multvae_jax.tournament.gradient_noise import gradient_noise
from tests.builders import matrix

D, USERS, SIZE, SPREAD = 5, 2400, 12, 0.3
TABLE = np.random.default_rng(0).normal(0.5, 1.0, (USERS, D)).astype(np.float32)


def loss(params, hyper, batch, key, step):
    """Its gradient is the mean of the users' rows, with normal noise from the key."""
    mean = jnp.asarray(TABLE)[batch.users].mean(axis=0)
    noise = SPREAD * jax.random.normal(key, (D,))
    value = jnp.sum(params["w"] * hyper["scale"] * (mean + noise))
    return value, {"loss": value}


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_it_is_the_spread_of_users_and_keys_over_the_norm_of_the_mean(scale):
    order = np.random.default_rng(1).permutation(USERS).reshape(-1, SIZE).astype(np.int32)
    found = gradient_noise(
        loss, {"w": jnp.ones(D)}, {"scale": jnp.float32(scale)}, 0,
        to_device(matrix([[0]] * USERS, 1)), order, SIZE, jax.random.key(0),
    )  # fmt: skip
    of_keys, of_users = SPREAD**2 * D, TABLE.var(axis=0).sum() / SIZE
    norm = np.linalg.norm(TABLE.mean(axis=0))
    assert found.relative == pytest.approx(np.sqrt(of_keys + of_users) / norm, rel=0.08)
    assert found.of_keys == pytest.approx(of_keys / (of_keys + of_users), rel=0.15)

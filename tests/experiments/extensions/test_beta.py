"""Cyclical annealing and free bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.extensions.beta import cyclical_annealing, free_bits

pytestmark = pytest.mark.updates


def test_cyclical_annealing_rises_stays_and_starts_again():
    schedule = cyclical_annealing(0.4, period=8, rise=0.5)
    cycle = [0.0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4]
    values = jax.vmap(schedule)(jnp.arange(24))
    np.testing.assert_allclose(values, cycle * 3, rtol=1e-6)
    assert len(jax.tree.leaves(schedule)) == 3


def test_free_bits_charge_each_dimension_at_least_so_much():
    prior = free_bits(0.5)
    mu, logvar = jnp.array([0.1, 2.0, 0.0]), jnp.array([0.2, -1.0, 0.0])

    def divergence(mu, logvar):
        return prior.divergence(mu, logvar, jnp.zeros(3), prior.constants)

    each = [(m**2 + np.exp(v) - 1 - v) / 2 for m, v in ((0.1, 0.2), (2.0, -1.0), (0.0, 0.0))]
    np.testing.assert_allclose(divergence(mu, logvar), 0.5 + each[1] + 0.5, rtol=1e-6)
    of_mu, of_logvar = jax.grad(divergence, (0, 1))(mu, logvar)
    np.testing.assert_allclose(of_mu, [0.0, 2.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(of_logvar, [0.0, (np.exp(-1) - 1) / 2, 0.0], atol=1e-6)

"""Checks for your own likelihoods, priors and networks."""

from multvae_jax.testing.checks import check_likelihood as check_likelihood
from multvae_jax.testing.checks import check_network as check_network
from multvae_jax.testing.checks import check_prior as check_prior

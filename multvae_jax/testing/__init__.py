"""Checks for likelihoods, priors and networks written outside this package."""

from multvae_jax.testing.checks import check_likelihood as check_likelihood
from multvae_jax.testing.checks import check_network as check_network
from multvae_jax.testing.checks import check_prior as check_prior

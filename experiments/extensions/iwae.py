"""The importance-weighted autoencoder (Burda et al., ICLR 2016).

    python -m experiments.extensions iwae --dataset ml-1m --hidden 100 --latent 32

    log 1/K sum over k of w_k,    log w = log p(x | z) - beta (log q(z | x) - log p(z))

With beta 1 it is a tighter bound of log p(x) than the ELBO, which is the case of K = 1. The prior's
divergence has to be estimated at the sample, since each sample has its own weight.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

import multvae_jax as mv
from multvae_jax.objectives import (
    divergences,
    dropout,
    make_log_p,
    mean_over_users,
    normalize,
    sample_posterior,
    theta_of,
)
from multvae_jax.posteriors import as_posterior
from multvae_jax.priors import log_normal


def sampled_standard_normal() -> mv.Prior:
    """The standard normal, its divergence estimated at the sample."""

    def divergence(mu: Array, logvar: Array, z: Array, theta: mv.types.Theta) -> Array:
        del theta
        nothing = jnp.zeros_like(z)
        return (log_normal(z, mu, logvar) - log_normal(z, nothing, nothing)).sum()

    return mv.Prior(divergence)


def importance_weighted(
    network: mv.Network, likelihood: mv.Likelihood, prior: mv.Prior, samples: int = 5
) -> mv.objectives.Loss:
    """The negative importance-weighted bound, with `samples` draws of z."""
    log_p_of = make_log_p(network, likelihood)

    def loss(
        params: mv.types.Params,
        hyper: mv.types.Hyper,
        batch: mv.Batch,
        key: PRNGKeyArray,
        step: Array,
    ) -> tuple[Array, dict[str, Array]]:
        first, second = jax.random.fold_in(key, 0), jax.random.fold_in(key, 1)
        corrupted = dropout(first, normalize(batch), hyper["dropout"])
        posterior = as_posterior(network.encode(params["network"], corrupted))
        beta = jnp.asarray(hyper["beta"](step), jnp.float32)

        def draw(number: Array) -> tuple[Array, Array]:
            z = sample_posterior(jax.random.fold_in(second, number), batch.users, posterior)
            theta = theta_of("likelihood", params, hyper)
            kl = divergences(prior, posterior, z, theta_of("prior", params, hyper))
            return log_p_of(params["network"], theta, z, batch, key), kl

        log_p, kl = jax.vmap(draw)(jnp.arange(samples))
        bound = jax.nn.logsumexp(log_p - beta * kl, axis=0) - jnp.log(samples)
        mean = partial(mean_over_users, batch)
        value = -mean(bound)
        terms = {"log_likelihood": mean(log_p.mean(axis=0)), "kl": mean(kl.mean(axis=0))}
        return value, {"loss": value, **terms, "beta": beta}

    return loss

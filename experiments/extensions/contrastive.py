"""A contrastive term beside the ELBO: two corrupted histories of a user have alike codes.

    python -m experiments.extensions contrastive --dataset ml-1m --hidden 100 --latent 32

The term is InfoNCE (van den Oord et al., 2018) between the codes of two draws of dropout, as in
SimCLR (Chen et al., ICML 2020): of all users of the batch, whose second code is closest to a user's
first by the cosine? The other users are the negatives, so that it depends on the batch.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

import multvae_jax as mv
from multvae_jax.objectives import dropout, mean_over_users, negative_elbo, normalize
from multvae_jax.posteriors import posterior_mean

VIEWS = (2, 3)
"""Purposes that the key is folded with; those of the ELBO are 0 and 1."""


def info_nce(
    one: Float[Array, "users latent"],
    two: Float[Array, "users latent"],
    real: Float[Array, " users"],
    temperature: float,
) -> Float[Array, " users"]:
    """Return -log of the softmax of each user's own code among those of all real users."""

    def unit(codes: Array) -> Array:
        return codes * jax.lax.rsqrt((codes**2).sum(axis=1, keepdims=True) + 1e-12)

    similarity = unit(one) @ unit(two).T / temperature
    # Padding is not a negative; it keeps its own place, so that the sum is never empty.
    candidate = (real[None, :] > 0) | jnp.eye(len(real), dtype=bool)
    among = jax.nn.logsumexp(jnp.where(candidate, similarity, -jnp.inf), axis=1)
    return among - jnp.diagonal(similarity)


def contrastive(
    network: mv.Network,
    likelihood: mv.Likelihood,
    prior: mv.Prior,
    weight: float = 1.0,
    temperature: float = 0.2,
) -> mv.objectives.Loss:
    """The negative ELBO, and `weight` times InfoNCE."""
    elbo = negative_elbo(network, likelihood, prior)

    def loss(
        params: mv.types.Params,
        hyper: mv.types.Hyper,
        batch: mv.Batch,
        key: PRNGKeyArray,
        step: Array,
    ) -> tuple[Array, dict[str, Array]]:
        value, terms = elbo(params, hyper, batch, key, step)

        def view(number: int) -> Array:
            corrupted = dropout(jax.random.fold_in(key, number), normalize(batch), hyper["dropout"])
            code: Array = posterior_mean(network.encode(params["network"], corrupted))
            return code

        nce = mean_over_users(batch, info_nce(*map(view, VIEWS), batch.real, temperature))
        value = value + weight * nce
        return value, {**terms, "loss": value, "contrast": nce}

    return loss

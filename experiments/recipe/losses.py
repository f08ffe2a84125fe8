"""Ingredients that change the loss: noise of the input, weight of the KL term, and a skip."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

import multvae_jax as mv
from multvae_jax import objectives
from multvae_jax.batching import totals
from multvae_jax.keys import DROPOUT, SAMPLE, user_keys

Corrupt = Callable[[PRNGKeyArray, mv.Batch, Any], mv.Batch]
"""`(key, batch, rate) -> batch`: what the encoder sees in training."""

Logits = Callable[[Any, Array, mv.Batch], Array]
"""`(params, z, input of the encoder) -> users x items`."""


def elbo(
    network: mv.Network,
    likelihood: mv.Likelihood,
    prior: mv.Prior,
    *,
    corrupt: Corrupt = objectives.dropout,
    logits_of: Logits | None = None,
) -> objectives.Loss:
    """The negative ELBO with another noise of the input, or with another decoder.

    Args:
        network: as in `objectives.negative_elbo`, as are the next two.
        likelihood: log p(x | f).
        prior: p(z).
        corrupt: hides a part of the normalized input.
        logits_of: the logits; by default those of the network's decoder.
    """

    def loss(
        params: Any, hyper: Any, batch: mv.Batch, key: PRNGKeyArray, step: Array
    ) -> tuple[Array, dict[str, Array]]:
        seen = corrupt(
            jax.random.fold_in(key, DROPOUT), objectives.normalize(batch), hyper["dropout"]
        )
        mu, logvar = network.encode(params["network"], seen)
        z = objectives.reparameterize(jax.random.fold_in(key, SAMPLE), batch.users, mu, logvar)
        if logits_of is None:
            logits = network.decode(params["network"], z)
        else:
            logits = logits_of(params, z, seen)
        theta = objectives.theta_of("likelihood", params, hyper)
        log_p = mv.likelihoods.log_likelihood(likelihood, theta, logits, batch)
        of_prior = objectives.theta_of("prior", params, hyper)
        kl = jax.vmap(prior.divergence, (0, 0, 0, None))(mu, logvar, z, of_prior)
        cost = hyper["beta"](step) * kl - log_p
        value = objectives.mean_over_users(batch, cost)
        return value, {"loss": value, "kl": objectives.mean_over_users(batch, kl)}

    return loss


def mean_interactions(batch: mv.Batch) -> Float[Array, " users"]:
    """The interactions of each user over the mean of the batch, as RecVAE weighs the KL term.

    The mean keeps the size of beta; RecVAE has a factor gamma in its place.
    """
    counts = totals(batch)
    return counts / jnp.maximum(objectives.mean_over_users(batch, counts), 1.0)


def mixed_dropout(key: PRNGKeyArray, batch: mv.Batch, rate: Any) -> mv.Batch:
    """Drop the interactions of each user at a rate of their own, uniform from 0 to twice `rate`."""
    first, second = jax.random.split(key)
    draws = jax.vmap(jax.random.uniform)(user_keys(first, batch.users))
    rates = 2.0 * rate * draws.at[batch.owner].get(mode="clip")
    owners = batch.users.at[batch.owner].get(mode="clip")
    keys = jax.vmap(jax.random.fold_in)(user_keys(second, owners), batch.part)
    width = batch.items.shape[1]
    uniform = jax.vmap(lambda own: jax.random.uniform(own, (width,)))(keys)
    kept = uniform >= rates[:, None]
    values = jnp.where(kept, batch.values / jnp.maximum(1.0 - rates[:, None], 1e-3), 0.0)
    return dataclasses.replace(batch, values=values)


def user_dropout(key: PRNGKeyArray, batch: mv.Batch, rate: Any, share: float = 0.1) -> mv.Batch:
    """Dropout of interactions, and for a share of the users of the whole input."""
    first, second = jax.random.split(key)
    shown = jax.vmap(lambda own: jax.random.bernoulli(own, 1.0 - share))(
        user_keys(first, batch.users)
    )
    batch = objectives.dropout(second, batch, rate)
    of_chunks = shown.at[batch.owner].get(mode="clip")
    return dataclasses.replace(batch, values=jnp.where(of_chunks[:, None], batch.values, 0.0))


def with_skip(
    network: Callable[..., mv.Network], hidden: Any, latent: int, dropout: float
) -> mv.Model:
    """Mult-VAE plus a linear layer from the input to the output, which starts at zero.

    The wide part sees the input with dropout, as the encoder does, so that it does not learn to
    copy. It has items x items weights.
    """
    parts = network(hidden, latent, jnp.tanh)
    likelihood, prior = mv.likelihoods.multinomial(), mv.priors.standard_normal()

    def logits_of(params: Any, z: Array, seen: mv.Batch) -> Array:
        wide = mv.ops.embedding_bag(params["skip"]["kernel"], seen)
        return parts.decode(params["network"], z) + wide

    def init(key: PRNGKeyArray, n_items: int) -> Any:
        params = plain.init(key, n_items)
        return {**params, "skip": {"kernel": jnp.zeros((n_items, n_items))}}

    def score(params: Any, batch: mv.Batch) -> Array:
        seen = objectives.normalize(batch)
        return logits_of(params, parts.encode(params["network"], seen).mu, seen)

    plain = mv.vae(parts, likelihood, prior, dropout=dropout)
    loss = elbo(parts, likelihood, prior, logits_of=logits_of)
    return plain._replace(init=init, loss=loss, score=score)

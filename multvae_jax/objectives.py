"""Training losses (section 2.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.batching import Batch, sum_per_user
from multvae_jax.checks.bounds import check_function
from multvae_jax.checks.signatures import checked, or_none
from multvae_jax.errors import InputError, names_like
from multvae_jax.keys import DROPOUT, SAMPLE, user_keys
from multvae_jax.likelihoods import Likelihood
from multvae_jax.networks import Network
from multvae_jax.posteriors import Posterior, as_code, as_posterior
from multvae_jax.posteriors import sample_posterior as sample_posterior
from multvae_jax.priors import Prior
from multvae_jax.priors import divergences as divergences
from multvae_jax.reconstruction import PARTS
from multvae_jax.reconstruction import LogP as LogP
from multvae_jax.reconstruction import Reconstruction as Reconstruction
from multvae_jax.reconstruction import blockwise_logits as blockwise_logits
from multvae_jax.reconstruction import full_logits as full_logits
from multvae_jax.reconstruction import make_log_p as make_log_p
from multvae_jax.selection import OWN_ENTRIES
from multvae_jax.types import Hyper, Params

Loss = Callable[
    [Params, Hyper, Batch, PRNGKeyArray, Array], tuple[Float[Array, ""], dict[str, Array]]
]
"""`(params, hyper, batch, key, step) -> (loss, terms)`, means over the users of the batch. A term
may have any shape; the log has the mean of each of its entries over the users of an epoch."""


class Objective(NamedTuple):
    """A loss with constants of its own, which an objective may return instead of the loss alone.

    Attributes:
        loss: the loss.
        constants: its constants, which it finds in `hyper["objective"]`. They are traced: a new
            value does not recompile anything, and a sweep may vary them.
    """

    loss: Loss
    constants: Mapping[str, Any] = {}

    def __call__(self, *arguments: Any) -> Any:
        """The loss and its terms."""
        return self.loss(*arguments)


def checked_loss(loss: Loss) -> Loss:
    """The same loss, which refuses in one sentence what a training cannot use; free of cost."""

    def checked(*arguments: Any) -> Any:
        result = loss(*arguments)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise InputError(
                "the objective returns the loss alone or something else, but must return "
                "(loss, terms), where terms is a dict of arrays"
            )
        value, terms = result
        if jnp.shape(value) != ():
            raise InputError(f"the objective returns a loss of shape {jnp.shape(value)}")
        if "loss" not in terms:
            raise InputError(
                "the objective returns terms without 'loss'; add the loss to them"
                f"{names_like('loss', terms)}"
            )
        check_terms("the objective", terms)
        return result

    return checked


def check_terms(source: str, terms: Any) -> None:
    """Refuse terms that a log cannot hold.

    Args:
        source: what returns them, for the message.
        terms: the terms.

    Raises:
        InputError: if one is not an array of numbers, or has the name of another entry of the log.
    """
    if not isinstance(terms, Mapping):
        raise InputError(f"{source}: returns {type(terms).__name__}, and not a dict of arrays")
    for name, term in terms.items():
        if not isinstance(name, str):
            raise InputError(f"{source}: a term is called {name!r}, and must have a name")
        if name in OWN_ENTRIES:
            raise InputError(f"{source}: the log has an entry '{name}'; give the term another name")
        if not hasattr(term, "shape") and not isinstance(term, int | float):
            raise InputError(
                f"{source}: the term '{name}' is {type(term).__name__}, and not an array; give "
                "each of its parts a name of its own"
            )


def normalize(batch: Batch) -> Batch:
    """Scale each user's values to unit L2 norm; an empty history stays empty.

    Example:
        >>> batch = mv.objectives.normalize(batch)
        >>> squares = mv.batching.sum_per_user(batch, batch.values**2)
        >>> [round(float(square), 4) for square in squares]
        [1.0, 1.0]
    """
    squares = sum_per_user(batch, batch.values**2)
    scale = jax.lax.rsqrt(jnp.maximum(squares, 1e-12))
    return dataclasses.replace(
        batch, values=batch.values * scale.at[batch.owner].get(mode="clip")[:, None]
    )


def dropout(key: PRNGKeyArray, batch: Batch, rate: float | Array) -> Batch:
    """Drop each interaction with probability `rate`; scale the kept ones by 1 / (1 - rate).

    Example:
        >>> dropped = mv.objectives.dropout(key, batch, 0.5)
        >>> sorted(set(dropped.values.ravel().tolist()))  # a click is dropped, or counts twice
        [0.0, 2.0]
    """
    owners = batch.users.at[batch.owner].get(mode="clip")
    keys = jax.vmap(jax.random.fold_in)(user_keys(key, owners), batch.part)
    width = batch.items.shape[1]
    kept = jax.vmap(lambda k: jax.random.bernoulli(k, 1.0 - rate, (width,)))(keys)
    return dataclasses.replace(batch, values=jnp.where(kept, batch.values / (1.0 - rate), 0.0))


def corrupt(key: PRNGKeyArray, batch: Batch, hyper: Hyper) -> Batch:
    """The batch as an encoder sees it in training, normalized and with dropout.

    Args:
        key: key of the update.
        batch: the batch.
        hyper: numbers of the model, with its rate of dropout.
    """
    return dropout(jax.random.fold_in(key, DROPOUT), normalize(batch), hyper["dropout"])


def reparameterize(
    key: PRNGKeyArray,
    users: Array,
    mu: Float[Array, "users latent"],
    logvar: Float[Array, "users latent"],
) -> Float[Array, "users latent"]:
    """The reparameterized sample z = mu + eps exp(logvar / 2), eps ~ N(0, 1).

    Example:
        >>> mu, logvar = jnp.ones((2, 3)), jnp.full((2, 3), -50.0)
        >>> z = reparameterize(key, jnp.arange(2), mu, logvar)
        >>> bool(jnp.allclose(z, mu))
        True
    """
    z: Array = sample_posterior(key, users, Posterior(mu, logvar))
    return z


def sum_of_squared_weights(params: Params) -> Float[Array, ""]:
    """Sum of squares of the matrices of a network; biases do not count.

    Example:
        >>> params = {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.ones(2)}
        >>> float(sum_of_squared_weights(params))
        36.0
    """
    return sum(
        (jnp.sum(leaf**2) for leaf in jax.tree.leaves(params) if leaf.ndim > 1), jnp.float32(0)
    )


def penalty_of(params: Params, hyper: Hyper) -> Float[Array, ""]:
    """The weight penalty, lambda sum of w^2 over the network; 0 without a lambda."""
    if "weight_penalty" not in hyper:
        return jnp.float32(0)
    return hyper["weight_penalty"] * sum_of_squared_weights(params["network"])


def mean_over_users(batch: Batch, per_user: Float[Array, " users"]) -> Float[Array, ""]:
    """Mean over the users of a batch; padding does not count.

    Example:
        >>> float(mean_over_users(batch, jnp.array([1.0, 3.0])))
        2.0
    """
    # Not by multiplication: padding may be NaN, such as log p / N with N = 0.
    of_users = jnp.where(batch.real > 0, per_user, 0.0)
    return jnp.sum(of_users) / jnp.maximum(jnp.sum(batch.real), 1.0)


def theta_of(part: str, params: Params, hyper: Hyper) -> dict[str, Any]:
    """Constants and trained parameters of the `likelihood` or the `prior`."""
    return {**hyper[part], **params[part]}


_BATCH_FUNCTION = or_none(partial(check_function, what="a function of a batch"))


@checked(**PARTS, prior=(Prior, "standard_normal()"), user_beta=_BATCH_FUNCTION)
def negative_elbo(
    network: Network,
    likelihood: Likelihood,
    prior: Prior,
    reconstruction: Reconstruction = full_logits,
    user_beta: Callable[[Batch], Float[Array, " users"]] | None = None,
) -> Loss:
    """Loss of the variational autoencoder (equation 6), with the weight penalty of the DAE.

    The mean over users of -log p(x | f(z)) + beta KL(q(z | x) || p(z)), plus lambda sum of w^2.
    The target is the batch itself; the encoder takes it normalized and with dropout.

    Args:
        network: encoder and decoder; the encoder returns a posterior, see
            `multvae_jax.posteriors`.
        likelihood: log p(x | f).
        prior: p(z), given by the divergence of the posterior from it.
        reconstruction: `full_logits`, or `blockwise_logits(size)` to save memory.
        user_beta: `(batch) -> users`, a factor of beta for each user, from the interactions or the
            features of the user; by default 1.

    Raises:
        InputError: an argument is not a value of its kind, or as in `make_log_p`.

    Example:
        >>> def by_activity(batch):
        ...     return 0.005 * mv.batching.totals(batch)  # beta of each user, as in RecVAE
        >>> objective = partial(mv.objectives.negative_elbo, user_beta=by_activity)
        >>> model = mv.mult_vae(objective=objective)
    """
    log_p_of = make_log_p(network, likelihood, reconstruction)

    def loss(
        params: Params, hyper: Hyper, batch: Batch, key: PRNGKeyArray, step: Array
    ) -> tuple[Array, dict[str, Array]]:
        corrupted = corrupt(key, batch, hyper)
        posterior = as_posterior(network.encode(params["network"], corrupted))
        z = sample_posterior(jax.random.fold_in(key, SAMPLE), batch.users, posterior)
        theta = theta_of("likelihood", params, hyper)
        log_p = mean_over_users(batch, log_p_of(params["network"], theta, z, batch, key))
        kl_of_users = divergences(prior, posterior, z, theta_of("prior", params, hyper))
        kl = mean_over_users(batch, kl_of_users)
        beta = jnp.asarray(hyper["beta"](step), jnp.float32)
        weighted = kl
        if user_beta is not None:
            weighted = mean_over_users(batch, user_beta(batch) * kl_of_users)
        penalty = penalty_of(params, hyper)
        value = -log_p + beta * weighted + penalty
        return value, {"loss": value, "log_likelihood": log_p, "kl": kl, "beta": beta}

    return loss


@checked(**PARTS)
def denoising_loss(
    network: Network, likelihood: Likelihood, reconstruction: Reconstruction = full_logits
) -> Loss:
    """Loss of the denoising autoencoder: the mean of -log p(x | f), plus lambda sum of w^2.

    Arguments are as in `negative_elbo`; the encoder returns an array.

    Example:
        >>> in_blocks = mv.objectives.blockwise_logits(4096)
        >>> objective = partial(mv.objectives.denoising_loss, reconstruction=in_blocks)
        >>> model = mv.mult_dae(objective=objective)
    """
    log_p_of = make_log_p(network, likelihood, reconstruction)

    def loss(
        params: Params, hyper: Hyper, batch: Batch, key: PRNGKeyArray, step: Array
    ) -> tuple[Array, dict[str, Array]]:
        del step
        corrupted = corrupt(key, batch, hyper)
        code = as_code(network.encode(params["network"], corrupted))
        theta = theta_of("likelihood", params, hyper)
        log_p = mean_over_users(batch, log_p_of(params["network"], theta, code, batch, key))
        penalty = penalty_of(params, hyper)
        value = -log_p + penalty
        return value, {"loss": value, "log_likelihood": log_p, "penalty": penalty}

    return loss

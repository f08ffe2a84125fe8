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
from multvae_jax.bounds import Size, check_function, check_number
from multvae_jax.errors import InputError, names_like
from multvae_jax.keys import DROPOUT, LIKELIHOOD, SAMPLE, user_keys
from multvae_jax.likelihoods import Likelihood, log_likelihood
from multvae_jax.log_probability import (
    click_sums,
    further_parameters,
    log_likelihood_of_draws,
    needs_key,
    normalizers_of,
)
from multvae_jax.networks import Network, chosen_logits
from multvae_jax.ops.blockwise import blockwise, in_parts, joined
from multvae_jax.parallel.meshes import parts_of_items
from multvae_jax.posteriors import Posterior, as_code, as_posterior
from multvae_jax.posteriors import sample_posterior as sample_posterior
from multvae_jax.priors import Prior
from multvae_jax.priors import divergences as divergences
from multvae_jax.selection import OWN_ENTRIES
from multvae_jax.signatures import checked, or_none
from multvae_jax.types import Hyper, Params, Theta

Loss = Callable[
    [Params, Hyper, Batch, PRNGKeyArray, Array], tuple[Float[Array, ""], dict[str, Array]]
]
"""`(params, hyper, batch, key, step) -> (loss, terms)`, means over the users of the batch. A term
may have any shape; the log has the mean of each of its entries over the users of an epoch."""


class Objective(NamedTuple):
    """A loss with constants of its own, which an objective may return in place of the loss alone.

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


LogP = Callable[..., Array]
"""`(params, theta, z, batch, key=None) -> log p(x | z)` of every user, with `z` as the decoder
takes it; the key is for a likelihood that draws."""

Reconstruction = Callable[[Network, Likelihood], LogP]
"""A way to compute log p(x | z): from all logits at once, or block by block."""


def full_logits(network: Network, likelihood: Likelihood) -> LogP:
    """Compute log p(x | z) from the logits of all items at once.

    Example:
        >>> network = mv.mlp.variational_mlp((), 8)
        >>> log_p = mv.objectives.full_logits(network, mv.likelihoods.multinomial())
        >>> params = network.init(jax.random.key(0), batch.n_items)
        >>> log_p(params, {}, jnp.zeros((2, 8)), batch).shape
        (2,)
    """

    def log_p(
        params: Params, theta: Theta, z: Any, batch: Batch, key: PRNGKeyArray | None = None
    ) -> Array:
        return log_likelihood(likelihood, theta, network.decode(params, z), batch, key)

    return log_p


_PARTS = {
    "network": (Network, "variational_mlp((600,), 200)"),
    "likelihood": (Likelihood, "multinomial()"),
    "reconstruction": partial(check_function, what="a function such as blockwise_logits(4096)"),
}
_BATCH_FUNCTION = or_none(partial(check_function, what="a function of a batch"))


@checked(**_PARTS)
def make_log_p(
    network: Network, likelihood: Likelihood, reconstruction: Reconstruction = full_logits
) -> LogP:
    """Make `(params, theta, z, batch, key) -> log p(x | z)`, for any likelihood.

    Of a likelihood with a `draw`, the logits of its draws and of the users' own items are computed,
    and no others.

    Args:
        network: the decoder, with a `head` if the likelihood has a `draw`.
        likelihood: log p(x | f).
        reconstruction: as in `negative_elbo`.

    Raises:
        InputError: the network has no head, or the logits are asked for in blocks.

    Example:
        An objective of your own, the mean of log p at the posterior mean:

        >>> def at_the_mean(network, likelihood, prior):
        ...     log_p_of = mv.objectives.make_log_p(network, likelihood)
        ...     def loss(params, hyper, batch, key, step):
        ...         z = network.encode(params["network"], mv.objectives.normalize(batch)).mu
        ...         theta = mv.objectives.theta_of("likelihood", params, hyper)
        ...         log_p = log_p_of(params["network"], theta, z, batch, key)
        ...         mean = -mv.objectives.mean_over_users(batch, log_p)
        ...         return mean, {"loss": mean}
        ...     return loss
        >>> model = mv.mult_vae(objective=at_the_mean)
    """
    draws = needs_key(likelihood)
    if likelihood.draw is None:
        log_p_of = reconstruction(network, likelihood)
    elif reconstruction is not full_logits:
        raise InputError(
            "a likelihood that draws items computes their logits alone, and none in blocks of "
            "items (blockwise_logits, --item-block)"
        )
    else:
        log_p_of = _drawn_logits(network, likelihood)

    def log_p(params: Params, theta: Theta, z: Any, batch: Batch, key: PRNGKeyArray) -> Array:
        if not draws:
            return log_p_of(params, theta, z, batch)
        return log_p_of(params, theta, z, batch, jax.random.fold_in(key, LIKELIHOOD))

    return log_p


def _drawn_logits(network: Network, likelihood: Likelihood) -> LogP:
    """Compute log p(x | z) from the logits of drawn items and of the users' own."""
    if network.head is None:
        raise InputError(
            "a likelihood that draws items needs a network with a head, which computes their "
            "logits alone; give Network(..., head=...)"
        )
    head_of = network.head

    def log_p(params: Params, theta: Theta, z: Any, batch: Batch, key: PRNGKeyArray) -> Array:
        logits_at = partial(chosen_logits, head_of(params, z))
        return log_likelihood_of_draws(likelihood, theta, logits_at, batch, key)

    return log_p


def blockwise_logits(size: int) -> Reconstruction:
    """Compute log p(x | z) from the logits of `size` items at a time: same value, same gradients.

    For catalogues whose logits do not fit in memory. No users x items array is formed, but each
    block of logits is computed again for its gradient.

    Raises:
        InputError: the size is not positive; or, from the result, for a network without `head` or
            a likelihood without `merge`.

    Example:
        >>> in_blocks = mv.objectives.blockwise_logits(4096)
        >>> objective = partial(mv.objectives.negative_elbo, reconstruction=in_blocks)
        >>> model = mv.mult_vae(objective=objective)
    """
    check_number("size", size, Size)

    def reconstruction(network: Network, likelihood: Likelihood) -> LogP:
        if network.head is None:
            raise InputError("a network without a head cannot be computed in blocks of items")
        if likelihood.merge is None:
            raise InputError("a likelihood without a merge cannot be computed in blocks of items")
        if "key" in further_parameters(likelihood, "normalizer"):
            raise InputError(
                "a likelihood whose normalizer draws cannot be computed in blocks of items"
            )
        head_of, merge = network.head, likelihood.merge

        def log_p(
            params: Params, theta: Theta, z: Any, batch: Batch, key: PRNGKeyArray | None = None
        ) -> Array:
            head = head_of(params, z)
            summary = likelihood.summary(batch)

            n_parts = parts_of_items(batch.mesh)
            # A catalogue that is too small to divide evenly is not worth dividing.
            n_parts = n_parts if n_parts**2 <= batch.n_items else 1
            columns, last, width = in_parts(head.columns, n_parts)

            def of_block(start: Array, columns: Any, shared: Any) -> tuple[Array, Array]:
                """Both sums over one block: the same columns of every part, from `start` on."""
                h, theta, batch, summary, key = shared
                w = jax.tree.leaves(columns)[0].shape[-1]
                block = joined(columns) if n_parts > 1 else columns
                logits = head.logits(h, block)
                n = logits.shape[1] // w
                part, within = batch.items // width, batch.items % width - start
                inside = (within >= 0) & (within < w) & (part < n)
                here = dataclasses.replace(batch, values=jnp.where(inside, batch.values, 0.0))
                at_clicks = logits.at[batch.owner[:, None], part * w + within].get(mode="clip")
                firsts = width * jnp.arange(n, dtype=jnp.int32)[:, None]
                items = (firsts + start + jnp.arange(w, dtype=jnp.int32)[None]).ravel()
                return (
                    click_sums(likelihood, theta, at_clicks, here, key),
                    normalizers_of(likelihood, theta, logits, summary, items=items),
                )

            shared = head.h, theta, batch, summary, key
            found = blockwise(of_block, max(1, size // n_parts), columns, shared)
            if last is not None:
                start = jnp.int32(jax.tree.leaves(columns)[0].shape[-1])
                rest = of_block(start, last, shared)
                found = jax.tree.map(lambda of, one: jnp.concatenate([of, one[None]]), found, rest)
            clicks, parts = found
            normalizers = jax.vmap(merge, (1, 0, None))(parts, summary, theta)
            return clicks.sum(axis=0) - normalizers

        return log_p

    return reconstruction


@checked(**_PARTS, prior=(Prior, "standard_normal()"), user_beta=_BATCH_FUNCTION)
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
        corrupted = dropout(jax.random.fold_in(key, DROPOUT), normalize(batch), hyper["dropout"])
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


@checked(**_PARTS)
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
        corrupted = dropout(jax.random.fold_in(key, DROPOUT), normalize(batch), hyper["dropout"])
        code = as_code(network.encode(params["network"], corrupted))
        theta = theta_of("likelihood", params, hyper)
        log_p = mean_over_users(batch, log_p_of(params["network"], theta, code, batch, key))
        penalty = penalty_of(params, hyper)
        value = -log_p + penalty
        return value, {"loss": value, "log_likelihood": log_p, "penalty": penalty}

    return loss

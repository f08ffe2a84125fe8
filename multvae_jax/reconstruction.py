"""The reconstruction term log p(x | z): from all logits, block by block, or from drawn items."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import Size, check_function, check_number
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.keys import LIKELIHOOD
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
from multvae_jax.types import Params, Theta

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

            def of_block(start: Array, columns: Any, shared: Any) -> tuple[Array, Any]:
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
                    normalizers_of(likelihood, theta, logits, summary, items=items, in_blocks=True),
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


PARTS = {
    "network": (Network, "variational_mlp((600,), 200)"),
    "likelihood": (Likelihood, "multinomial()"),
    "reconstruction": partial(check_function, what="a function such as blockwise_logits(4096)"),
}
"""The types of the arguments of a loss, and how to make them; for `signatures.checked`."""


@checked(**PARTS)
def make_log_p(
    network: Network, likelihood: Likelihood, reconstruction: Reconstruction = full_logits
) -> LogP:
    """Make `(params, theta, z, batch, key) -> log p(x | z)`, for any likelihood.

    For a likelihood with a `draw`, only the logits of its draws and of the users' own items are
    computed.

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

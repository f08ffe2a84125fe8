"""log p(x | z): a decoder and a likelihood together, on all items at once or in blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from multvae_jax.batching import Batch
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import Likelihood, log_likelihood, normalizers_of, sum_of_clicks
from multvae_jax.networks import Network
from multvae_jax.ops.blockwise import over_blocks
from multvae_jax.types import Params, Theta

LogP = Callable[[Params, Theta, Array, Batch], Array]
"""`(params, theta, z, batch) -> log p(x | z)` of every user, from `z` (`users x latent`)."""

Reconstruction = Callable[[Network, Likelihood], LogP]
"""How log p(x | z) is computed."""


def at_once(network: Network, likelihood: Likelihood) -> LogP:
    """From the logits of all users and items."""

    def log_p(params: Params, theta: Theta, z: Array, batch: Batch) -> Array:
        return log_likelihood(likelihood, theta, network.decode(params, z), batch)

    return log_p


def in_blocks(size: int) -> Reconstruction:
    """From the logits of `size` items at a time: the same number, and the same gradients.

    For catalogues whose logits are too large to be held. No array of users x items is formed,
    and the price is that each block of logits is computed once more for its gradient.

    Raises:
        InputError: once it meets a network without `head` or a likelihood without `merge`.
    """

    def reconstruction(network: Network, likelihood: Likelihood) -> LogP:
        if network.head is None:
            raise InputError("a network without a head cannot be computed in blocks of items")
        if likelihood.merge is None:
            raise InputError("a likelihood without a merge cannot be computed in blocks of items")
        head_of, merge = network.head, likelihood.merge

        def log_p(params: Params, theta: Theta, z: Array, batch: Batch) -> Array:
            head = head_of(params, z)
            n_items = jax.tree.leaves(head.columns)[0].shape[-1]
            summary = likelihood.summary(batch, n_items)

            def of_block(start: Array, columns: Any, shared: Any) -> tuple[Array, Array]:
                h, theta, batch, summary = shared
                logits = head.logits(h, columns)
                items = batch.items - start
                inside = (items >= 0) & (items < logits.shape[1])
                here = dataclasses.replace(
                    batch, items=items, values=jnp.where(inside, batch.values, 0.0)
                )
                return (
                    sum_of_clicks(likelihood, theta, logits, here),
                    normalizers_of(likelihood, theta, logits, summary),
                )

            clicks, parts = over_blocks(
                of_block, size, head.columns, (head.h, theta, batch, summary)
            )
            normalizers = jax.vmap(merge, (1, 0, None))(parts, summary, theta)
            return clicks.sum(axis=0) - normalizers

        return log_p

    return reconstruction

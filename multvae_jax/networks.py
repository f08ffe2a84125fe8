"""Encoders and decoders as three pure functions, and the paper's networks.

The only module that knows flax, but for an adapter of `adapters`. Everything else sees a `Network`
over nested dicts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.batching import Batch
from multvae_jax.types import Params

Activation = Callable[[Array], Array]


class Posterior(NamedTuple):
    """q(z | x) of each user: a normal with diagonal covariance.

    Attributes:
        mu: means, `users x latent`.
        logvar: logarithms of the variances, `users x latent`.
    """

    mu: Float[Array, "users latent"]
    logvar: Float[Array, "users latent"]


class Head(NamedTuple):
    """The last layer of a decoder before it is applied, so that it can be in blocks of items.

    Attributes:
        h: what the layer reads, `users x features`.
        columns: its parameters, arrays whose last axis is the items.
        logits: `(h, columns) -> users x items`, of all columns or of any block of them.
    """

    h: Array
    columns: Any
    logits: Callable[[Array, Any], Array]


class Network(NamedTuple):
    """An encoder and a decoder.

    Attributes:
        init: `(key, n_items) -> params`.
        encode: `(params, batch) -> code`: a `Posterior` in a variational autoencoder, an
            array `users x latent` in a denoising one. The batch is normalized already.
        decode: `(params, z) -> logits`, from `users x latent` to `users x items`.
        head: `(params, z) -> Head`, the decoder but for its last layer; None where it cannot
            be told apart.
    """

    init: Callable[[PRNGKeyArray, int], Params]
    encode: Callable[[Params, Batch], Any]
    decode: Callable[[Params, Array], Array]
    head: Callable[[Params, Array], Head] | None = None

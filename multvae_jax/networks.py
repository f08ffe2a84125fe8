"""Encoders and decoders as three pure functions, and the paper's networks.

The only module that knows flax. Everything else sees a `Network` over nested dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.bags import bag
from multvae_jax.batching import Batch, empty_batch
from multvae_jax.products import dot_general

Params = Any
"""Nested dicts of arrays."""

Activation = Callable[[Array], Array]

# Section 3.4 and the authors' code: biases from a normal cut at two sigma, sigma = 0.001.
bias_init = nn.initializers.truncated_normal(0.001)
kernel_init = nn.initializers.glorot_uniform()


class Posterior(NamedTuple):
    """q(z | x) of each user: a normal with diagonal covariance.

    Attributes:
        mu: means, `users x latent`.
        logvar: logarithms of the variances, `users x latent`.
    """

    mu: Float[Array, "users latent"]
    logvar: Float[Array, "users latent"]


class Network(NamedTuple):
    """An encoder and a decoder.

    Attributes:
        init: `(key, n_items) -> params`.
        encode: `(params, batch) -> code`: a `Posterior` in a variational autoencoder, an
            array `users x latent` in a denoising one. The batch is normalized already.
        decode: `(params, z) -> logits`, from `users x latent` to `users x items`.
    """

    init: Callable[[PRNGKeyArray, int], Params]
    encode: Callable[[Params, Batch], Any]
    decode: Callable[[Params, Array], Array]


class _RaggedDense(nn.Module):
    """A dense layer whose input is a ragged batch."""

    n_items: int
    features: int

    @nn.compact
    def __call__(self, batch: Batch) -> Array:
        kernel = self.param("kernel", kernel_init, (self.n_items, self.features))
        bias = self.param("bias", bias_init, (self.features,))
        return bag(kernel, batch) + bias[None]


def _dense(features: int) -> nn.Module:
    return nn.Dense(features, kernel_init=kernel_init, bias_init=bias_init, dot_general=dot_general)


def _autoencoder(
    hidden: Sequence[int],
    latent: int,
    activation: Activation,
    code: int,
    read_code: Callable[[Array], Any],
) -> Network:
    """Items -> hidden -> code, and latent -> hidden reversed -> items.

    The last layer on either side is linear; `read_code` turns the encoder's into the code.
    """

    def encoder(n_items: int) -> nn.Sequential:
        first, *others = (*hidden, code)
        layers: list[Any] = [_RaggedDense(n_items, first)]
        for width in others:
            layers += [activation, _dense(width)]
        return nn.Sequential(layers)

    def decoder(n_items: int) -> nn.Sequential:
        layers: list[Any] = []
        for width in reversed(hidden):
            layers += [_dense(width), activation]
        return nn.Sequential([*layers, _dense(n_items)])

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        encoder_key, decoder_key = jax.random.split(key)
        return {
            "encoder": encoder(n_items).init(encoder_key, empty_batch())["params"],
            "decoder": decoder(n_items).init(decoder_key, jnp.zeros((1, latent)))["params"],
        }

    def n_items_of(params: Params) -> int:
        return int(params["encoder"]["layers_0"]["kernel"].shape[0])

    def encode(params: Params, batch: Batch) -> Any:
        h: Any = encoder(n_items_of(params)).apply({"params": params["encoder"]}, batch)
        return read_code(h)

    def decode(params: Params, z: Array) -> Any:
        return decoder(n_items_of(params)).apply({"params": params["decoder"]}, z)

    return Network(init, encode, decode)


def variational_mlp(
    hidden: Sequence[int] = (600,), latent: int = 200, activation: Activation = jnp.tanh
) -> Network:
    """The network of Mult-VAE: items -> hidden -> (mu, logvar), z -> hidden -> items.

    Args:
        hidden: widths between the items and z, from the items' side; may be empty.
        latent: dimensions of z.
        activation: applied after every layer but the last of the encoder and of the decoder.
    """

    def posterior(h: Array) -> Posterior:
        return Posterior(*jnp.split(h, 2, axis=-1))

    return _autoencoder(hidden, latent, activation, 2 * latent, posterior)


def denoising_mlp(
    hidden: Sequence[int] = (), latent: int = 200, activation: Activation = jnp.tanh
) -> Network:
    """The network of Mult-DAE, whose code is activated too: items -> hidden -> code -> items."""
    return _autoencoder(hidden, latent, activation, latent, activation)

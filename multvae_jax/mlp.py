"""The paper's networks: multilayer perceptrons on either side of the code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray

from multvae_jax.batching import Batch, empty_batch
from multvae_jax.networks import Activation, Head, Network, Posterior
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.ops.matmul import Matmul, add_bias, dot_general, matmul
from multvae_jax.types import Params

# The authors' code: biases from a normal truncated at two sigma, sigma = 0.001.
bias_init = nn.initializers.truncated_normal(0.001)
kernel_init = nn.initializers.glorot_uniform()


class _RaggedDense(nn.Module):
    """Dense layer with a ragged batch as input."""

    n_items: int
    features: int

    @nn.compact
    def __call__(self, batch: Batch) -> Array:
        kernel = self.param("kernel", kernel_init, (self.n_items, self.features))
        bias = self.param("bias", bias_init, (self.features,))
        return embedding_bag(kernel, batch) + bias[None]


class _LastDense(nn.Module):
    """Dense layer that returns its input and its parameters instead of its output."""

    features: int

    @nn.compact
    def __call__(self, h: Array) -> tuple[Array, tuple[Array, Array]]:
        kernel = self.param("kernel", kernel_init, (h.shape[-1], self.features))
        bias = self.param("bias", bias_init, (self.features,))
        return h, (kernel, bias)


def _autoencoder(
    hidden: Sequence[int],
    latent: int,
    activation: Activation,
    matmul: Matmul,
    code: int,
    read_code: Callable[[Array], Any],
) -> Network:
    """Items -> hidden -> code, and latent -> hidden reversed -> items.

    The last layer on either side is linear; `read_code` turns the encoder's output into the code.
    """

    def dense(features: int) -> nn.Module:
        return nn.Dense(
            features,
            kernel_init=kernel_init,
            bias_init=bias_init,
            dot_general=dot_general(matmul),
        )

    def encoder(n_items: int) -> nn.Sequential:
        first, *others = (*hidden, code)
        layers: list[Any] = [_RaggedDense(n_items, first)]
        for width in others:
            layers += [activation, dense(width)]
        return nn.Sequential(layers)

    def decoder(n_items: int) -> nn.Sequential:
        layers: list[Any] = []
        for width in reversed(hidden):
            layers += [dense(width), activation]
        return nn.Sequential([*layers, _LastDense(n_items)])

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        encoder_key, decoder_key = jax.random.split(key)
        return {
            "encoder": encoder(n_items).init(encoder_key, empty_batch(n_items))["params"],
            "decoder": decoder(n_items).init(decoder_key, jnp.zeros((1, latent)))["params"],
        }

    def encode(params: Params, batch: Batch) -> Any:
        h: Any = encoder(batch.n_items).apply({"params": params["encoder"]}, batch)
        return read_code(h)

    def logits(h: Array, columns: tuple[Array, Array]) -> Array:
        kernel, bias = columns
        return add_bias(matmul(h, kernel), bias)

    def head(params: Params, z: Array) -> Head:
        n_items = params["decoder"][f"layers_{2 * len(hidden)}"]["kernel"].shape[-1]
        last: Any = decoder(n_items).apply({"params": params["decoder"]}, z)
        h, columns = last
        return Head(h, columns, logits)

    def decode(params: Params, z: Array) -> Array:
        return logits(*head(params, z)[:2])

    return Network(init, encode, decode, head)


def variational_mlp(
    hidden: Sequence[int] = (600,),
    latent: int = 200,
    activation: Activation = jnp.tanh,
    matmul: Matmul = matmul,
) -> Network:
    """The network of Mult-VAE: items -> hidden -> (mu, logvar), z -> hidden -> items.

    Args:
        hidden: widths of the layers between the items and z, from the side of the items; may be
            empty.
        latent: dimensions of z.
        activation: applied after every layer except the last of the encoder and of the decoder.
        matmul: matrix product in every layer except the first, whose input is ragged.
    """

    def posterior(h: Array) -> Posterior:
        return Posterior(*jnp.split(h, 2, axis=-1))

    return _autoencoder(hidden, latent, activation, matmul, 2 * latent, posterior)


def denoising_mlp(
    hidden: Sequence[int] = (),
    latent: int = 200,
    activation: Activation = jnp.tanh,
    matmul: Matmul = matmul,
) -> Network:
    """The network of Mult-DAE: items -> hidden -> code -> items, with an activated code.

    Arguments are as in `variational_mlp`.
    """
    return _autoencoder(hidden, latent, activation, matmul, latent, activation)

"""The paper's networks: multilayer perceptrons on either side of the code.

Their encoders take a ragged batch, or dense rows `users x items` in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from multvae_jax.batching import Batch, empty_batch
from multvae_jax.by_value import remembered
from multvae_jax.checks.bounds import Size, Widths, check_function, check_number
from multvae_jax.networks import Activation, Head, Network, Posterior
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.ops.matmul import Matmul, dot_general, matmul, with_bias
from multvae_jax.types import Params

# The authors' code: biases from a normal truncated at two sigma, sigma = 0.001.
bias_init = nn.initializers.truncated_normal(0.001)
kernel_init = nn.initializers.glorot_uniform()

NETWORKS = 16
"""Number of compiled initializers that are kept, for later networks of the same shape."""


@remembered(most=NETWORKS)
def _compiled_init(
    parameters: Callable[[PRNGKeyArray, int], Params], n_items: int
) -> Callable[[PRNGKeyArray], Params]:
    """`parameters` as one program, where flax would compile and run each of its operations."""
    return jax.jit(lambda key: parameters(key, n_items))


class _RaggedDense(nn.Module):
    """Dense layer with a ragged batch, or dense rows, as input."""

    n_items: int
    features: int
    matmul: Matmul

    @nn.compact
    def __call__(self, rows: Batch | Array) -> Array:
        kernel = self.param("kernel", kernel_init, (self.n_items, self.features))
        bias = self.param("bias", bias_init, (self.features,))
        if isinstance(rows, Batch):
            return embedding_bag(kernel, rows) + bias[None]
        return self.matmul(rows, kernel) + bias[None]


class _LastDense(nn.Module):
    """Dense layer that returns its input and its parameters instead of its output."""

    features: int

    @nn.compact
    def __call__(self, h: Array) -> tuple[Array, tuple[Array, Array]]:
        kernel = self.param("kernel", kernel_init, (h.shape[-1], self.features))
        bias = self.param("bias", bias_init, (self.features,))
        return h, (kernel, bias)


def as_widths(hidden: Any) -> tuple[int, ...]:
    """The widths of layers; a number stands for the width of a single layer.

    Raises:
        InputError: they are not positive integers.
    """
    try:
        widths = tuple(np.atleast_1d(hidden).tolist())
    # NumPy cannot convert a key of jax, which is refused below.
    except TypeError:
        widths = (hidden,)
    check_number("hidden", widths, Widths)
    return widths


def _autoencoder(
    hidden: Any,
    latent: Any,
    activation: Activation,
    matmul: Matmul,
    arrays: int,
    read_code: Callable[[Array], Any],
    gated: bool = False,
) -> Network:
    """Items -> hidden -> code, and latent -> hidden reversed -> items.

    The last layer on either side is linear; `read_code` turns the encoder's output into the code.
    The encoder's output has the dimensions of `arrays` arrays like z. With `gated`, a hidden layer
    has twice the outputs, which the activation reduces to its width.
    """
    hidden = as_widths(hidden)
    check_number("latent", latent, Size)
    check_function("activation", activation, "a function such as jax.nn.tanh")
    outputs = 2 if gated else 1

    def dense(features: int) -> nn.Module:
        return nn.Dense(
            features,
            kernel_init=kernel_init,
            bias_init=bias_init,
            dot_general=dot_general(matmul),
        )

    def encoder(n_items: int) -> nn.Sequential:
        first, *others = (*(outputs * width for width in hidden), arrays * latent)
        layers: list[Any] = [_RaggedDense(n_items, first, matmul)]
        for width in others:
            layers += [activation, dense(width)]
        return nn.Sequential(layers)

    def decoder(n_items: int) -> nn.Sequential:
        layers: list[Any] = []
        for width in reversed(hidden):
            layers += [dense(outputs * width), activation]
        return nn.Sequential([*layers, _LastDense(n_items)])

    def parameters(key: PRNGKeyArray, n_items: int) -> Params:
        encoder_key, decoder_key = jax.random.split(key)
        return {
            "encoder": encoder(n_items).init(encoder_key, empty_batch(n_items))["params"],
            "decoder": decoder(n_items).init(decoder_key, jnp.zeros((1, latent)))["params"],
        }

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        return _compiled_init(parameters, n_items)(key)

    def encode(params: Params, batch: Batch | Array) -> Any:
        n_items = batch.n_items if isinstance(batch, Batch) else batch.shape[-1]
        h: Any = encoder(n_items).apply({"params": params["encoder"]}, batch)
        return read_code(h)

    def logits(h: Array, columns: tuple[Array, Array]) -> Array:
        kernel, bias = columns
        return with_bias(matmul)(h, kernel, bias)

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

    Example:
        >>> network = mv.mlp.variational_mlp(hidden=(600,), latent=200)
        >>> params = network.init(jax.random.key(0), 30)
        >>> network.decode(params, jnp.zeros((1, 200))).shape
        (1, 30)
    """

    def posterior(h: Array) -> Posterior:
        return Posterior(*jnp.split(h, 2, axis=-1))

    return _autoencoder(hidden, latent, activation, matmul, 2, posterior)


def bounded_mlp(
    hidden: Sequence[int] = (),
    latent: int = 200,
    activation: Activation = jnp.tanh,
    matmul: Matmul = matmul,
) -> Network:
    """The network of Mult-VAE with an activated posterior mean, as the code of Mult-DAE is.

    It departs from the paper, where the mean is linear; tanh bounds it, so that a user with an
    unusual history is not scored from a code far away from all others. Arguments are as in
    `variational_mlp`.

    Example:
        >>> model = mv.mult_vae((), 200, network=mv.mlp.bounded_mlp)
    """

    def posterior(h: Array) -> Posterior:
        mu, logvar = jnp.split(h, 2, axis=-1)
        return Posterior(activation(mu), logvar)

    return _autoencoder(hidden, latent, activation, matmul, 2, posterior)


def denoising_mlp(
    hidden: Sequence[int] = (),
    latent: int = 200,
    activation: Activation = jnp.tanh,
    matmul: Matmul = matmul,
) -> Network:
    """The network of Mult-DAE: items -> hidden -> code -> items, with an activated code.

    Arguments are as in `variational_mlp`.

    Example:
        >>> model = mv.dae(mv.mlp.denoising_mlp(latent=100), mv.likelihoods.multinomial())
    """
    return _autoencoder(hidden, latent, activation, matmul, 1, activation)


def _identity(h: Array) -> Array:
    return h


def gated_mlp(
    hidden: Sequence[int] = (600,),
    latent: int = 200,
    activation: Activation = _identity,
    matmul: Matmul = matmul,
) -> Network:
    """The gated network of Kim & Suh (RecSys 2019, https://arxiv.org/abs/1911.00936).

    It is `variational_mlp` with gated linear units: a hidden layer is one product of its input
    times the sigmoid of another one. As in the authors' code, the logarithms of the variances are
    clipped to [-12, 4].

    Args:
        hidden: widths of the gated layers, as in `variational_mlp`.
        latent: dimensions of z.
        activation: applied to the product that is not the gate; the authors have none.
        matmul: as in `variational_mlp`.

    Example:
        >>> model = mv.mult_vae((600,), 200, network=mv.mlp.gated_mlp)
    """

    def gate(h: Array) -> Array:
        value, opening = jnp.split(h, 2, axis=-1)
        return activation(value) * jax.nn.sigmoid(opening)

    def posterior(h: Array) -> Posterior:
        mu, logvar = jnp.split(h, 2, axis=-1)
        return Posterior(mu, jnp.clip(logvar, -12.0, 4.0))

    return _autoencoder(hidden, latent, gate, matmul, 2, posterior, gated=True)

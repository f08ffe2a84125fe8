"""RecVAE (Shenbin et al., WSDM 2020, https://arxiv.org/abs/1912.11160).

It differs from Mult-VAE in

- the network: a densely connected encoder with swish and layer normalization, and a linear decoder;
- the prior, in each dimension a mixture of the standard normal, the posterior of the encoder as it
  was before its present turn, and a wide normal;
- beta, which is gamma times the user's number of interactions;
- the updates: three epochs of the encoder, then one of the decoder, the latter without dropout.

Whatever takes turns is a part of the parameters, beside the network: the `previous` encoder, and
`encoders_turn`, which is 1 or 0. Neither has a gradient; the optimizer, see
`multvae_jax.extensions.turns`, moves both.

Numbers without a section are those of the authors' code, https://github.com/ilya-shenbin/RecVAE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.batching import Batch, totals
from multvae_jax.checks.bounds import NotNegative, check_number, whole_number
from multvae_jax.errors import InputError
from multvae_jax.extensions.turns import in_turns
from multvae_jax.keys import DROPOUT, SAMPLE
from multvae_jax.likelihoods import Likelihood, multinomial
from multvae_jax.models import Model
from multvae_jax.models.assembly import (
    checked_widths,
    made_part,
    model_of_parts,
    network_of,
)
from multvae_jax.networks import Activation, Head, Network, Posterior
from multvae_jax.objectives import (
    Loss,
    Reconstruction,
    dropout,
    full_logits,
    make_log_p,
    mean_over_users,
    normalize,
    penalty_of,
    reparameterize,
    theta_of,
)
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.ops.matmul import Matmul, add_bias, matmul
from multvae_jax.posteriors import as_normal, log_normal, posterior_mean
from multvae_jax.types import Hyper, Params

# --- the network --------------------------------------------------------------------------------

LAYERS = 5
"""Layers of the encoder."""

EPSILON = 0.1
"""Added to the variance in layer normalization."""


def densely_connected_mlp(
    hidden: Sequence[int] = (600,),
    latent: int = 200,
    activation: Activation = jax.nn.swish,
    matmul: Matmul = matmul,
) -> Network:
    """The network of RecVAE: five layers, each with the sum of those before, and a linear decoder.

    Args:
        hidden: one width, that of each layer.
        latent: dimensions of z.
        activation: applied in each layer, before layer normalization.
        matmul: matrix product in every layer except the first, whose input is ragged.

    Raises:
        InputError: if there is not exactly one width.
    """
    if len(hidden) != 1:
        raise InputError(
            f"hidden: {len(hidden)} widths, but RecVAE takes one, that of all its {LAYERS} layers"
        )
    (width,) = hidden
    glorot = jax.nn.initializers.glorot_uniform()

    def layer(key: PRNGKeyArray, n_in: int, n_out: int) -> dict[str, Array]:
        return {"kernel": glorot(key, (n_in, n_out)), "bias": jnp.zeros(n_out)}

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        keys = jax.random.split(key, LAYERS + 2)
        encoder: dict[str, Any] = {"code": layer(keys[-2], width, 2 * latent)}
        for number in range(LAYERS):
            norm = {"scale": jnp.ones(width), "shift": jnp.zeros(width)}
            n_in = width if number else n_items
            encoder[f"layers_{number}"] = {**layer(keys[number], n_in, width), **norm}
        return {"encoder": encoder, "decoder": layer(keys[-1], latent, n_items)}

    def normalized(params: Params, h: Array) -> Array:
        centered = h - h.mean(axis=1, keepdims=True)
        variance = (centered**2).mean(axis=1, keepdims=True)
        scaled = centered * jax.lax.rsqrt(variance + EPSILON)
        return scaled * params["scale"][None] + params["shift"][None]

    def dense(params: Params, h: Array) -> Array:
        return add_bias(matmul(h, params["kernel"]), params["bias"])

    def encode(params: Params, batch: Batch) -> Posterior:
        encoder = params["encoder"]
        first = encoder["layers_0"]
        h = embedding_bag(first["kernel"], batch) + first["bias"][None]
        h = before = normalized(first, activation(h))
        for number in range(1, LAYERS):
            own = encoder[f"layers_{number}"]
            h = normalized(own, activation(dense(own, h) + before))
            before = before + h
        return Posterior(*jnp.split(dense(encoder["code"], h), 2, axis=-1))

    def logits(h: Array, columns: Mapping[str, Array]) -> Array:
        return dense(columns, h)

    def head(params: Params, z: Array) -> Head:
        return Head(z, params["decoder"], logits)

    def decode(params: Params, z: Array) -> Array:
        return logits(z, params["decoder"])

    return Network(init, encode, decode, head)


# --- the loss -----------------------------------------------------------------------------------

WEIGHTS = (3 / 20, 3 / 4, 1 / 10)
"""Weights of the standard normal, the previous posterior and the wide normal."""

WIDE_LOGVAR = 10.0


def log_composite(
    z: Float[Array, "users latent"], previous: Posterior
) -> Float[Array, "users latent"]:
    """The log density of the composite prior in each dimension."""
    nothing = jnp.zeros_like(z)
    parts = (
        log_normal(z, nothing, nothing),
        log_normal(z, *previous),
        log_normal(z, nothing, nothing + WIDE_LOGVAR),
    )
    weighted = [part + np.log(weight) for part, weight in zip(parts, WEIGHTS, strict=True)]
    return jax.nn.logsumexp(jnp.stack(weighted), axis=0)


def composite_elbo(
    network: Network, likelihood: Likelihood, reconstruction: Reconstruction = full_logits
) -> Loss:
    """The loss of RecVAE (sections 3.3 to 3.5), to be minimized in turns.

    The mean over users of -log p(x | f(z)) + gamma N_u KL(q(z | x) || p(z)), with N_u the sum of
    the user's values and the KL term estimated at the sample z, plus lambda sum of w^2. The
    previous encoder takes the input without dropout.

    Args:
        network: its parameters have a part "encoder".
        likelihood: log p(x | f).
        reconstruction: as in `multvae_jax.objectives.negative_elbo`.
    """
    log_p_of = make_log_p(network, likelihood, reconstruction)

    def loss(
        params: Params, hyper: Hyper, batch: Batch, key: PRNGKeyArray, step: Array
    ) -> tuple[Array, dict[str, Array]]:
        del step
        own, whole = params["network"], normalize(batch)
        rate = hyper["dropout"] * jax.lax.stop_gradient(params["encoders_turn"])
        corrupted = dropout(jax.random.fold_in(key, DROPOUT), whole, rate)
        mu, logvar = as_normal(network.encode(own, corrupted), "recvae")
        before = jax.lax.stop_gradient({**own, "encoder": params["previous"]})
        previous = as_normal(network.encode(before, whole), "recvae")
        z = reparameterize(jax.random.fold_in(key, SAMPLE), batch.users, mu, logvar)
        kl = (log_normal(z, mu, logvar) - log_composite(z, previous)).sum(axis=1)
        beta = hyper["gamma"] * totals(batch)
        log_p = log_p_of(own, theta_of("likelihood", params, hyper), z, batch, key)
        terms = {"loss": beta * kl - log_p, "log_likelihood": log_p, "kl": kl, "beta": beta}
        means = {name: mean_over_users(batch, term) for name, term in terms.items()}
        means["loss"] += penalty_of(params, hyper)
        return means["loss"], means

    return loss


# --- the model ----------------------------------------------------------------------------------


def recvae(
    hidden: Sequence[int] | int = (600,),
    latent: int = 200,
    *,
    network: Callable[[Sequence[int], int], Network] = densely_connected_mlp,
    likelihood: Likelihood | None = None,
    objective: Callable[[Network, Likelihood], Loss] = composite_elbo,
    gamma: float = 0.005,
    encoder_epochs: int | float = 3,
    decoder_epochs: int | float = 1,
    dropout: float = 0.5,
    weight_penalty: float | None = None,
) -> Model:
    """RecVAE with the authors' network and constants; it has gamma instead of beta.

    An epoch is still one pass over the training users: the authors' 50 cycles are 200 epochs, at
    the learning rate 5e-4.

    Args:
        hidden: width of each of the encoder's five layers.
        latent: dimensions of z.
        network: called with `hidden` and `latent`; its parameters need a part "encoder".
        likelihood: by default multinomial.
        objective: called with the network and the likelihood; as in `mult_vae`.
        gamma: beta per interaction of a user. The authors' is .005 on MovieLens 20M, .0035 on the
            Netflix Prize and .01 on the Million Song Dataset.
        encoder_epochs: epochs of a turn of the encoder.
        decoder_epochs: epochs of a turn of the decoder.
        dropout: dropout rate of the input in the encoder's turn.
        weight_penalty: as in `mult_vae`.

    Example:
        >>> model = mv.recvae(gamma=0.01)  # mv.fit(key, model, split, epochs=200) trains it
        >>> model.has_beta
        False
    """
    likelihood = made_part(multinomial if likelihood is None else likelihood)
    widths = checked_widths(hidden, latent, jax.nn.swish, network, objective)
    check_number("gamma", gamma, NotNegative)
    encoders = whole_number("encoder_epochs", encoder_epochs)
    decoders = whole_number("decoder_epochs", decoder_epochs)
    made_by = {
        "model": "recvae",
        "hidden": widths,
        "latent": latent,
        "network": network,
        "likelihood": likelihood,
        "objective": objective,
        "gamma": gamma,
        "encoder_epochs": encoders,
        "decoder_epochs": decoders,
        "dropout": dropout,
        "weight_penalty": weight_penalty,
    }
    made = network_of(network, widths, latent)
    parts = {"likelihood": likelihood}
    plain = model_of_parts(made, parts, objective, posterior_mean, dropout, weight_penalty)

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        own, other = jax.random.split(key)
        params = plain.init(own, n_items)
        if "encoder" not in params["network"]:
            raise InputError("network: its parameters have no 'encoder', which takes turns")
        previous = made.init(other, n_items)["encoder"]
        return {**params, "previous": previous, "encoders_turn": jnp.float32(1)}

    def optimizer(
        given: optax.GradientTransformation, updates_per_epoch: int
    ) -> optax.GradientTransformation:
        return in_turns(given, encoders * updates_per_epoch, decoders * updates_per_epoch)

    return plain._replace(
        init=init,
        hyper={**plain.hyper, "gamma": gamma},
        made_by=made_by,
        optimizer=optimizer,
        has_beta=False,
    )

"""A variational autoencoder with a VampPrior and gated layers (Kim & Suh, RecSys 2019).

The VampPrior (Tomczak & Welling, AISTATS 2018) is the mean of the posteriors of pseudo-inputs,
which are trained. It needs the encoder, so it is an objective and not a `Prior`. Kim & Suh,
https://arxiv.org/abs/1911.00936, add gated linear units, `multvae_jax.mlp.gated_mlp`.

This is their "Vamp (Gated)", with one latent level, not the hierarchical "H+Vamp (Gated)". It
differs from their code, https://github.com/psywaves/EVCF, in that pseudo-inputs are scaled to unit
norm as users are, and have no dropout; that weights start as in Mult-VAE; and in the optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import Size, whole_number
from multvae_jax.errors import InputError
from multvae_jax.keys import SAMPLE
from multvae_jax.likelihoods import Likelihood, multinomial
from multvae_jax.mlp import gated_mlp
from multvae_jax.models import Model
from multvae_jax.models.assembly import (
    checked_widths,
    made_part,
    model_of_parts,
    network_of,
)
from multvae_jax.networks import Network, Posterior
from multvae_jax.objectives import (
    Loss,
    Reconstruction,
    corrupt,
    full_logits,
    make_log_p,
    mean_over_users,
    penalty_of,
    reparameterize,
    theta_of,
)
from multvae_jax.posteriors import as_normal, log_normal, posterior_mean
from multvae_jax.types import Hyper, Params


def log_vamp(z: Float[Array, "users latent"], pseudo: Posterior) -> Float[Array, " users"]:
    """The log density of the mean of the pseudo-inputs' posteriors.

    The squares (z - mu)^2 / sigma^2 are multiplied out, so that two matrix products take the place
    of an array users x inputs x latent.
    """
    # Numbers about 0 lose the least in the difference of the products.
    center = jax.lax.stop_gradient(pseudo.mu.mean(axis=0, keepdims=True))
    z, mu = z - center, pseudo.mu - center
    precision = jnp.exp(-pseudo.logvar)
    product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    squares = product(z**2, precision.T) - 2.0 * product(z, (mu * precision).T)
    of_inputs = (mu**2 * precision + pseudo.logvar + np.log(2.0 * np.pi)).sum(axis=1)
    return jax.nn.logsumexp(-0.5 * (squares + of_inputs[None]), axis=1) - np.log(len(mu))


def vamp_elbo(
    network: Network, likelihood: Likelihood, reconstruction: Reconstruction = full_logits
) -> Loss:
    """The negative ELBO with a VampPrior, and the weight penalty of `negative_elbo`.

    The KL term is estimated at the sample z, and weighted by beta.

    Args:
        network: the encoder also takes dense rows, `inputs x items`.
        likelihood: log p(x | f).
        reconstruction: as in `multvae_jax.objectives.negative_elbo`.
    """
    log_p_of = make_log_p(network, likelihood, reconstruction)
    # The type of a network's encoder promises a batch; `vamp_vae` has checked that it takes rows.
    encode_rows: Callable[[Params, Any], Posterior] = network.encode

    def loss(
        params: Params, hyper: Hyper, batch: Batch, key: PRNGKeyArray, step: Array
    ) -> tuple[Array, dict[str, Array]]:
        own = params["network"]
        corrupted = corrupt(key, batch, hyper)
        mu, logvar = as_normal(network.encode(own, corrupted), "vamp_vae")
        pseudo = as_normal(encode_rows(own, _unit_rows(params["pseudo_inputs"])), "vamp_vae")
        z = reparameterize(jax.random.fold_in(key, SAMPLE), batch.users, mu, logvar)
        kl = log_normal(z, mu, logvar).sum(axis=1) - log_vamp(z, pseudo)
        log_p = log_p_of(own, theta_of("likelihood", params, hyper), z, batch, key)
        beta = jnp.asarray(hyper["beta"](step), jnp.float32)
        terms = {"loss": beta * kl - log_p, "log_likelihood": log_p, "kl": kl}
        means = {name: mean_over_users(batch, term) for name, term in terms.items()}
        means["loss"] += penalty_of(params, hyper)
        return means["loss"], {**means, "beta": beta}

    return loss


def _unit_rows(pseudo_inputs: Float[Array, "inputs items"]) -> Float[Array, "inputs items"]:
    """The pseudo-inputs within [0, 1], scaled to unit norm; one of zeros stays so."""
    rows = jnp.clip(pseudo_inputs, 0.0, 1.0)
    squares = (rows**2).sum(axis=1, keepdims=True)
    return rows * jax.lax.rsqrt(jnp.maximum(squares, 1e-12))


def vamp_vae(
    hidden: Sequence[int] | int = (600,),
    latent: int = 200,
    *,
    network: Callable[[Sequence[int], int], Network] = gated_mlp,
    likelihood: Likelihood | None = None,
    objective: Callable[[Network, Likelihood], Loss] = vamp_elbo,
    pseudo_inputs: int | float = 1000,
    dropout: float = 0.5,
    weight_penalty: float | None = None,
) -> Model:
    """A variational autoencoder with a VampPrior and gated layers; arguments are as in `mult_vae`.

    Args:
        hidden: widths of the gated layers between the items and z, from the side of the items.
        latent: dimensions of z.
        network: called with the two above; `multvae_jax.mlp.variational_mlp` for layers without
            gates. The encoder also takes dense rows.
        likelihood: by default multinomial.
        objective: called with the network and the likelihood.
        pseudo_inputs: number of posteriors in the mean that is the prior. An update encodes them
            all: fewer are faster, and take less memory.
        dropout: dropout rate of the users' rows during training.
        weight_penalty: as in `mult_vae`.

    Example:
        >>> model = mv.vamp_vae(pseudo_inputs=200)  # mv.fit(key, model, split) trains it
        >>> float(model.hyper["dropout"])
        0.5
    """
    likelihood = made_part(multinomial if likelihood is None else likelihood)
    widths = checked_widths(hidden, latent, jnp.tanh, network, objective)
    n_inputs = whole_number("pseudo_inputs", pseudo_inputs, Size)
    made_by = {
        "model": "vamp-vae",
        "hidden": widths,
        "latent": latent,
        "network": network,
        "likelihood": likelihood,
        "objective": objective,
        "pseudo_inputs": n_inputs,
        "dropout": dropout,
        "weight_penalty": weight_penalty,
    }
    made = network_of(network, widths, latent)
    parts = {"likelihood": likelihood}
    plain = model_of_parts(made, parts, objective, posterior_mean, dropout, weight_penalty)

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        own, other = jax.random.split(key)
        params = plain.init(own, n_items)
        _check_takes_rows(made, params["network"], n_items)
        draw = jax.random.normal(other, (n_inputs, n_items))
        return {**params, "pseudo_inputs": 0.05 + 0.01 * draw}

    return plain._replace(init=init, made_by=made_by)


def _check_takes_rows(network: Network, params: Params, n_items: int) -> None:
    """Refuse a network whose encoder takes a ragged batch alone.

    Raises:
        InputError: the encoder fails for dense rows.
    """
    rows: Any = jax.ShapeDtypeStruct((1, n_items), jnp.float32)
    try:
        jax.eval_shape(network.encode, params, rows)
    # An encoder may raise any exception for an array instead of a batch.
    except Exception as error:
        raise InputError(
            "network: its encoder takes a ragged batch alone, but pseudo-inputs are dense rows "
            "(users x items)"
        ) from error

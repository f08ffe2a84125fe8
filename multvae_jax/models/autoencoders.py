"""The models of the paper: Mult-VAE and Mult-DAE, and autoencoders of other parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax.numpy as jnp

from multvae_jax.likelihoods import Likelihood, multinomial
from multvae_jax.mlp import denoising_mlp, variational_mlp
from multvae_jax.models.assembly import (
    checked_widths,
    made_part,
    model_of_parts,
    network_of,
)
from multvae_jax.models.model import Model
from multvae_jax.networks import Activation, Network
from multvae_jax.objectives import Loss, denoising_loss, negative_elbo
from multvae_jax.posteriors import as_code, posterior_mean
from multvae_jax.priors import Prior, standard_normal

NetworkFactory = Callable[[Sequence[int], int, Activation], Network]
"""`(hidden, latent, activation) -> Network`, such as `multvae_jax.mlp.variational_mlp`."""


def vae(
    network: Network,
    likelihood: Likelihood,
    prior: Prior,
    *,
    objective: Callable[[Network, Likelihood, Prior], Loss] = negative_elbo,
    dropout: float = 0.5,
    weight_penalty: float | None = None,
) -> Model:
    """Make a variational autoencoder from its parts; it scores with the posterior mean.

    Args:
        network: encoder and decoder; the encoder returns a posterior, see
            `multvae_jax.posteriors`.
        likelihood: log p(x | f).
        prior: p(z).
        objective: called with the network, the likelihood and the prior.
        dropout: dropout rate of the input during training.
        weight_penalty: lambda, the weight of the squared weights; None leaves the term out.

    Raises:
        InputError: a part is not a value of its kind, or a number is out of bounds.

    Example:
        >>> network = mv.mlp.variational_mlp(hidden=(600,), latent=200)
        >>> model = mv.vae(network, mv.likelihoods.logistic(), mv.priors.standard_normal())
    """
    network = made_part(network)
    likelihood, prior = made_part(likelihood), made_part(prior)
    parts = {"likelihood": likelihood, "prior": prior}
    return model_of_parts(network, parts, objective, posterior_mean, dropout, weight_penalty)


def dae(
    network: Network,
    likelihood: Likelihood,
    *,
    objective: Callable[[Network, Likelihood], Loss] = denoising_loss,
    dropout: float = 0.5,
    weight_penalty: float = 0.01 / 500,
) -> Model:
    """Make a denoising autoencoder from its parts.

    Args:
        network: encoder and decoder; the encoder returns an array `users x latent`.
        likelihood: log p(x | f).
        objective: called with the network and the likelihood.
        dropout: dropout rate of the input during training.
        weight_penalty: lambda, the weight of the squared weights. The default is the authors' 0.01
            over their batch size of 500.

    Raises:
        InputError: a part is not a value of its kind, or a number is out of bounds.

    Example:
        >>> model = mv.dae(mv.mlp.denoising_mlp(latent=200), mv.likelihoods.multinomial())
        >>> model.has_beta
        False
    """
    network, likelihood = made_part(network), made_part(likelihood)
    parts: dict[str, Likelihood | Prior] = {"likelihood": likelihood}
    model = model_of_parts(network, parts, objective, as_code, dropout, weight_penalty)
    return model._replace(has_beta=False, posterior=None)


def mult_vae(
    hidden: Sequence[int] | int = (600,),
    latent: int = 200,
    *,
    activation: Activation = jnp.tanh,
    network: NetworkFactory = variational_mlp,
    likelihood: Likelihood | None = None,
    prior: Prior | None = None,
    objective: Callable[[Network, Likelihood, Prior], Loss] = negative_elbo,
    dropout: float = 0.5,
    weight_penalty: float | None = None,
) -> Model:
    """Mult-VAE^PR with the paper's network and constants; `fit` takes the schedule of beta.

    Given to `fit` uncalled, it has the shape of the recipe. `mult_vae((), network=bounded_mlp)` is
    the model of the default recipe, to which other parts can be added.

    Args:
        hidden: widths of the layers between the items and z, from the side of the items; a
            number for a single layer.
        latent: dimensions of z.
        activation: activation function between the layers.
        network: called with the three above; `partial(variational_mlp, matmul=...)` replaces the
            float32 matrix product, see `multvae_jax.ops.matmul_in`.
        likelihood: by default multinomial.
        prior: by default standard normal.
        objective: called with the network, the likelihood and the prior;
            `partial(negative_elbo, reconstruction=blockwise_logits(size))` if the logits of a
            batch do not fit in memory.
        dropout: dropout rate of the input during training.
        weight_penalty: lambda, the weight of the squared weights; by default none, as in the
            paper, and the term is not computed.

    Raises:
        InputError: a part is not a value of its kind, or a number is out of bounds.

    Example:
        >>> model = mv.mult_vae(hidden=(600,), latent=200)
        >>> in_blocks = mv.objectives.blockwise_logits(4096)
        >>> objective = partial(mv.objectives.negative_elbo, reconstruction=in_blocks)
        >>> large = mv.mult_vae(objective=objective)  # logits of 4,096 items at a time
    """
    likelihood = made_part(multinomial if likelihood is None else likelihood)
    prior = made_part(standard_normal if prior is None else prior)
    hidden = checked_widths(hidden, latent, activation, network, objective)
    made_by = {
        "model": "mult-vae",
        "hidden": hidden,
        "latent": latent,
        "activation": activation,
        "network": network,
        "likelihood": likelihood,
        "prior": prior,
        "objective": objective,
        "dropout": dropout,
        "weight_penalty": weight_penalty,
    }
    return vae(
        network_of(network, hidden, latent, activation),
        likelihood,
        prior,
        objective=objective,
        dropout=dropout,
        weight_penalty=weight_penalty,
    )._replace(made_by=made_by)


def mult_dae(
    hidden: Sequence[int] | int = (),
    latent: int = 200,
    *,
    activation: Activation = jnp.tanh,
    network: NetworkFactory = denoising_mlp,
    likelihood: Likelihood | None = None,
    objective: Callable[[Network, Likelihood], Loss] = denoising_loss,
    dropout: float = 0.5,
    weight_penalty: float = 0.01 / 500,
) -> Model:
    """Mult-DAE with the paper's network and constants; arguments are as in `mult_vae`.

    Example:
        >>> model = mv.mult_dae(latent=100)
        >>> model.has_beta
        False
    """
    likelihood = made_part(multinomial if likelihood is None else likelihood)
    hidden = checked_widths(hidden, latent, activation, network, objective)
    made_by = {
        "model": "mult-dae",
        "hidden": hidden,
        "latent": latent,
        "activation": activation,
        "network": network,
        "likelihood": likelihood,
        "objective": objective,
        "dropout": dropout,
        "weight_penalty": weight_penalty,
    }
    return dae(
        network_of(network, hidden, latent, activation),
        likelihood,
        objective=objective,
        dropout=dropout,
        weight_penalty=weight_penalty,
    )._replace(made_by=made_by)

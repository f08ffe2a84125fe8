"""`Model`: init, loss, score, and the hyperparameters of the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.baselines.baseline import Baseline
from multvae_jax.batching import Batch
from multvae_jax.bounds import (
    NotNegative,
    Rate,
    Size,
    check_function,
    check_kind,
    check_number,
)
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import Likelihood, multinomial
from multvae_jax.mlp import as_widths, denoising_mlp, variational_mlp
from multvae_jax.networks import Activation, Head, Network
from multvae_jax.objectives import Loss, Objective, denoising_loss, negative_elbo, normalize
from multvae_jax.parallel.partition import Partition
from multvae_jax.parts import check_constants, check_part
from multvae_jax.posteriors import as_code, as_posterior, posterior_mean
from multvae_jax.priors import Prior, standard_normal
from multvae_jax.signatures import cannot_take, takes_positional
from multvae_jax.types import Params, Scorer

ModelOptimizer = Callable[[optax.GradientTransformation, int], optax.GradientTransformation]
"""`(optimizer, updates per epoch) -> optimizer`, see `Model`."""


class Model(NamedTuple):
    """A trainable recommender.

    Attributes:
        init: `(key, n_items) -> params`.
        loss: the objective, see `multvae_jax.objectives.Loss`.
        score: `(params, batch) -> users x items`, higher is better; deterministic.
        hyper: the numbers of the objective, see `multvae_jax.types.Hyper`.
        made_by: name and arguments of `mult_vae`, `mult_dae` or another model of the package, by
            which a saved run makes the model again; None for a model of other parts.
        optimizer: `(optimizer, updates per epoch) -> optimizer`, for a model whose parts are
            updated in their own way; `fit` and `sweep` apply it to the optimizer that they are
            given. None if all parameters are updated in every update.
        has_beta: whether the loss has a term that the schedule of beta weights.
        head: `(params, batch) -> Head`, the last layer of `score`, not yet applied, from which
            vectors of users and items are taken; None if it cannot be separated.
        posterior: `(params, batch) -> q(z | x)` of each user, as `score` sees it; None for a model
            without, such as `mult_dae`.
    """

    init: Callable[[PRNGKeyArray, int], Params]
    loss: Loss
    score: Callable[[Params, Batch], Array]
    hyper: dict[str, Any]
    made_by: Mapping[str, Any] | None = None
    optimizer: ModelOptimizer | None = None
    has_beta: bool = True
    head: Callable[[Params, Batch], Head] | None = None
    posterior: Callable[[Params, Batch], Any] | None = None


NetworkFactory = Callable[[Sequence[int], int, Activation], Network]
"""`(hidden, latent, activation) -> Network`, such as `multvae_jax.mlp.variational_mlp`."""


def scorer(model: Model, params: Params) -> Scorer:
    """The scorer of a model with its parameters, for `evaluate` and `recommend`.

    Example:
        >>> scorer = mv.models.scorer(run.model, run.params)
        >>> mv.evaluate(scorer, split.test).users == mv.evaluate(run.scorer, split.test).users
        True
    """
    if not hasattr(model, "score"):
        check_kind("model", model, Model, "mult_vae()")
    return Partial(model.score, params)


def divided_scorer(
    score: Callable[[Params, Batch], Array], partition: Partition, params: Params
) -> Scorer:
    """The scorer of parameters that are divided over devices, as the partition has placed them."""
    if partition.mesh is None:
        return Partial(score, params)

    def divided(params: Params, batch: Batch) -> Array:
        return score(partition.plain(params), batch)

    return Partial(divided, params)


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

    Example:
        >>> network = mv.mlp.variational_mlp(hidden=(600,), latent=200)
        >>> model = mv.vae(network, mv.likelihoods.logistic(), mv.priors.standard_normal())
    """
    network = made_part(network)
    likelihood, prior = made_part(likelihood), made_part(prior)
    parts: dict[str, Likelihood | Prior] = {"likelihood": likelihood, "prior": prior}
    check_parts(network, parts, dropout, weight_penalty)
    loss = loss_of(objective, network, likelihood, prior)
    return model_of_parts(network, parts, loss, posterior_mean, dropout, weight_penalty)


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

    Example:
        >>> model = mv.dae(mv.mlp.denoising_mlp(latent=200), mv.likelihoods.multinomial())
        >>> model.has_beta
        False
    """
    network, likelihood = made_part(network), made_part(likelihood)
    parts: dict[str, Likelihood | Prior] = {"likelihood": likelihood}
    check_parts(network, parts, dropout, weight_penalty)
    loss = loss_of(objective, network, likelihood)
    model = model_of_parts(network, parts, loss, as_code, dropout, weight_penalty)
    return model._replace(has_beta=False, posterior=None)


def loss_of(objective: Any, network: Network, *parts: Likelihood | Prior) -> Loss:
    """The loss of an objective, from the network and the other parts.

    The constants of the parts reach a loss in `hyper`. The objectives of the package look nowhere
    else and get parts without them, so that their loss is the same for all values.
    """
    check_function("objective", objective, "a function such as negative_elbo")
    names = [f"the {type(part).__name__.lower()}" for part in parts]
    function = objective
    while isinstance(function, partial):
        function = function.func
    if (getattr(function, "__module__", None) or "").startswith("multvae_jax."):
        parts = tuple(part._replace(constants={}) for part in parts)
    if not takes_positional(objective, 1 + len(parts)):
        raise InputError(
            f"objective: it must be called with the network and {' and '.join(names)}, and return "
            "the loss, a function of (params, hyper, batch, key, step)"
        )
    loss = objective(network, *parts)
    if isinstance(loss, Objective):
        check_function(
            "objective: its loss", loss.loss, "a function of (params, hyper, batch, key, step)"
        )
        check_constants("objective: its constants", loss.constants)
    check_function("objective: its result", loss, "a function of (params, hyper, batch, key, step)")
    return loss


def made_part(part: Any) -> Any:
    """A part of a model, which its factory makes if that needs no arguments.

    Example:
        >>> made_part(multinomial)._fields == multinomial()._fields
        True
    """
    is_factory = callable(part) and not isinstance(part, type) and takes_positional(part, 0)
    return part() if is_factory else part


def network_of(network: Callable[..., Any], *shape: Any) -> Any:
    """The network that a function makes of widths, dimensions of z and perhaps an activation.

    Raises:
        InputError: the function cannot be called with them.
    """
    if cannot_take(network, len(shape)):
        name = getattr(network, "__name__", type(network).__name__)
        wanted = ("hidden", "latent", "activation")[: len(shape)]
        raise InputError(f"network: {name} must take ({', '.join(wanted)})")
    return network(*shape)


def check_parts(network: Any, parts: Mapping[str, Any], dropout: Any, weight_penalty: Any) -> None:
    """Refuse parts that are not values of their kind, and numbers out of their bounds."""
    check_part("network", network, Network)
    for name, part in parts.items():
        check_part(name, part, _PARTS[name])
    check_number("dropout", dropout, Rate)
    check_number("weight_penalty", weight_penalty, NotNegative | None)


_PARTS = {"likelihood": Likelihood, "prior": Prior}


def checked_widths(
    hidden: Any, latent: Any, activation: Any, network: Any, objective: Any
) -> tuple[int, ...]:
    """The widths of the layers, of which a single one may be given as a number.

    Raises:
        InputError: a width is out of bounds, or one of the others is not a function.
    """
    widths = as_widths(hidden)
    check_number("latent", latent, Size)
    check_function("activation", activation, "a function such as jax.nn.tanh")
    if isinstance(network, Network):
        raise InputError(
            "network: a Network of its own shape; use a function of (hidden, latent, activation), "
            "or vae(network, likelihood, prior)"
        )
    check_function("network", network, "a function such as variational_mlp")
    check_function("objective", objective, "a function such as negative_elbo")
    return widths


def model_of_parts(
    network: Network,
    parts: Mapping[str, Likelihood | Prior],
    loss: Loss,
    z_of: Callable[[Any], Any],
    dropout: float,
    weight_penalty: float | None,
) -> Model:
    """A model of a network and the other parts of its loss; `z_of` turns a code into z to score."""
    # The functions alone, without constants: models of other numbers are equal by value.
    inits = {"network": network.init, **{name: part.init for name, part in parts.items()}}

    def init(key: PRNGKeyArray, n_items: int) -> Params:
        keys = jax.random.split(key, len(inits))
        return {
            name: init_of(own, n_items)
            for own, (name, init_of) in zip(keys, inits.items(), strict=True)
        }

    def score(params: Params, batch: Batch) -> Array:
        code = network.encode(params["network"], normalize(batch))
        return network.decode(params["network"], z_of(code))

    last_layer = network.head

    def head(params: Params, batch: Batch) -> Head:
        assert last_layer is not None
        code = network.encode(params["network"], normalize(batch))
        return last_layer(params["network"], z_of(code))

    def posterior(params: Params, batch: Batch) -> Any:
        return as_posterior(network.encode(params["network"], normalize(batch)))

    hyper = {"dropout": dropout, **{name: part.constants for name, part in parts.items()}}
    if weight_penalty is not None:
        hyper["weight_penalty"] = weight_penalty
    if isinstance(loss, Objective):
        hyper["objective"] = dict(loss.constants)
    last = None if last_layer is None else head
    return Model(init, loss, score, hyper, head=last, posterior=posterior)


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


class Blend(NamedTuple):
    """A model and a baseline whose scores are added.

    Attributes:
        model: the model.
        baseline: the baseline.
        score: `(params, batch) -> users x items`; the parameters are those of the `model`, those of
            the `baseline`, and the `weight` of the baseline, from 0 to 1.
    """

    model: Model
    baseline: Baseline
    score: Callable[[Params, Batch], Array]


def blend_of(model: Model, baseline: Baseline) -> Blend:
    """Add the scores of a model and of a baseline, each standardized over the items of a user.

    With s the scores of a user, and w the weight of the baseline, the score is

        (1 - w) (s_model - mean) / std  +  w (s_baseline - mean) / std

    A user whom one of them scores alike for all items is ranked by the other.
    """

    def score(params: Params, batch: Batch) -> Array:
        weight = params["weight"]
        of_model = standardize(model.score(params["model"], batch))
        of_baseline = standardize(baseline.score(params["baseline"], batch))
        return (1.0 - weight) * of_model + weight * of_baseline

    return Blend(model, baseline, score)


def standardize(scores: Float[Array, "users items"]) -> Float[Array, "users items"]:
    """Shift and scale each user's scores to mean 0 and standard deviation 1; equal scores to 0."""
    centered = scores - scores.mean(axis=1, keepdims=True)
    spread = jnp.sqrt((centered**2).mean(axis=1, keepdims=True))
    return centered / jnp.where(spread > 0, spread, 1.0)

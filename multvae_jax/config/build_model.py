"""A model and its parts from the options that name them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from multvae_jax.baselines import Baseline
from multvae_jax.config.options import ModelOptions
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.vocabulary import ACTIVATION, LIKELIHOOD, MODEL, NETWORK, OBJECTIVE, PRIOR
from multvae_jax.errors import InputError, first_line, names_like
from multvae_jax.likelihoods import Likelihood
from multvae_jax.models import Model
from multvae_jax.networks import Network
from multvae_jax.objectives import blockwise_logits
from multvae_jax.ops.matmul import matmul_in
from multvae_jax.priors import Prior
from multvae_jax.signatures import accepted_arguments, has_parameter, takes_positional

ARGUMENT = {
    "hidden": "hidden",
    "latent": "latent",
    "activation": "activation",
    "network": "network",
    "likelihood": "likelihood",
    "constants": "likelihood",
    "prior": "prior",
    "prior_constants": "prior",
    "objective": "objective",
    "dropout": "dropout",
    "weight_penalty": "weight_penalty",
    "precision": "network",
    "item_block": "objective",
}
"""The argument of a model through which each option of the model reaches it."""


def build_model(options: ModelOptions) -> Model:
    """The model of a configuration.

    `--model` names a model, or a function like `mult_vae`, which receives those of the options
    that it has parameters for.

    Raises:
        InputError: if a name is unknown, a function fails or returns something else than it
            should, or an option is set that cannot take effect.
    """
    factory = MODEL.find(options.model)
    if isinstance(factory, Model):
        refuse_set(options, ("model_constants", *ARGUMENT), f"--model {options.model} is a model")
        return factory
    if isinstance(factory, Baseline):
        raise InputError(
            f"--model {options.model}: is a baseline, which has no training; multvae train chooses "
            "its constants and fits it"
        )
    if not callable(factory):
        return _model(options, factory)
    arguments = {
        "hidden": options.hidden,
        "latent": options.latent,
        "activation": _activation(options),
        "network": _network_factory(options, factory),
        "likelihood": build_likelihood(options),
        "prior": build_prior(options),
        "objective": _objective_factory(options, factory),
        "dropout": options.dropout,
        "weight_penalty": options.weight_penalty,
        "n_user_features": options.n_user_features,
    }
    taken = accepted_arguments(factory, arguments)
    without = [option for option, argument in ARGUMENT.items() if argument not in taken]
    refuse_set(options, without, f"--model {options.model} has no parameter for it")
    return _model(options, factory, **taken)


def _model(options: ModelOptions, factory: Any, **arguments: Any) -> Model:
    if twice := options.model_constants.keys() & arguments:
        raise InputError(
            f"--model-constants {min(twice)}: has an option of its own, "
            f"--{min(twice).replace('_', '-')}"
        )
    constants = options.model_constants if callable(factory) else {}
    taken = accepted_arguments(factory, constants) if constants else {}
    for name in constants.keys() - taken.keys():
        known = [name for name in inspect.signature(factory).parameters if name not in ARGUMENT]
        raise InputError(
            f"--model-constants {name}: --model {options.model} has no such constant"
            f"{names_like(name, known)}"
        )
    # What is unset is the function's own default.
    given = {argument: value for argument, value in arguments.items() if value is not None}
    model: Model = MODEL.call(options.model, Model, factory, **given, **constants)
    return model


def _activation(options: ModelOptions) -> Callable[..., Any]:
    found = ACTIVATION.find(options.activation)
    if not callable(found):
        got = type(found).__name__
        raise InputError(f"--activation {options.activation}: is not a function, but of type {got}")
    function: Callable[..., Any] = found
    like = jax.ShapeDtypeStruct((2,), jnp.float32)
    try:
        shape = jax.eval_shape(function, like).shape
    # Any exception of the user's function is reported in one line.
    except Exception as error:
        reason = first_line(error, with_type=True)
        raise InputError(f"--activation {options.activation}: {reason}") from error
    if shape != like.shape:
        raise InputError(
            f"--activation {options.activation}: returns the shape {shape} for a layer of shape "
            f"{like.shape}"
        )
    return function


def build_likelihood(options: ModelOptions) -> Likelihood:
    """The likelihood of a configuration.

    Raises:
        InputError: as in `build_model`.
    """
    found = LIKELIHOOD.find(options.likelihood)
    if isinstance(found, Likelihood):
        reason = f"--likelihood {options.likelihood} is a likelihood with constants of its own"
        refuse_set(options, ["constants"], reason)
        return found
    made: Likelihood = LIKELIHOOD.call(options.likelihood, Likelihood, found, **options.constants)
    return made


def build_prior(options: ModelOptions) -> Prior:
    """The prior of a configuration.

    Raises:
        InputError: as in `build_model`.
    """
    found = PRIOR.find(options.prior)
    if isinstance(found, Prior):
        reason = f"--prior {options.prior} is a prior with constants of its own"
        refuse_set(options, ["prior_constants"], reason)
        return found
    # A prior with parameters may need the length of z.
    latent = {"latent": options.latent} if _takes_latent(found) else {}
    made: Prior = PRIOR.call(options.prior, Prior, found, **latent, **options.prior_constants)
    return made


def _takes_latent(prior: Any) -> bool:
    return callable(prior) and bool(accepted_arguments(prior, {"latent": 0}))


def _network_factory(options: ModelOptions, model: Callable[..., Any]) -> Any:
    """`(hidden, latent, activation) -> Network` in the precision that is set; None: the model's."""
    factory = None
    if options.network is not None:
        found = NETWORK.find(options.network)
        if isinstance(found, Network):
            reason = f"--network {options.network} is a network of its own shape"
            # The prior may still need the length of z.
            latent = [] if _takes_latent(PRIOR.find(options.prior)) else ["latent"]
            refuse_set(options, ["hidden", *latent, "activation", "precision"], reason)
            return lambda *shape: found
        # A network that reads features of users needs their number.
        width = {}
        if has_parameter(found, "n_user_features"):
            if options.n_user_features is None:
                raise InputError(
                    f"--network {options.network}: reads features of users; name their columns "
                    "with --user-features"
                )
            width = {"n_user_features": options.n_user_features}
        factory = partial(NETWORK.call, options.network, Network, found, **width)
    if options.precision == "float32":
        return factory
    return _with_argument(
        factory or _default(model, "network"),
        matmul=matmul_in(jnp.dtype(options.precision)),
    )


def _objective_factory(options: ModelOptions, model: Callable[..., Any]) -> Any:
    """`(network, likelihood[, prior]) -> Loss`, in blocks of items if set; None: the model's."""
    factory = None
    if options.objective is not None:
        found = OBJECTIVE.find(options.objective)
        # A loss has five arguments; a function that makes one is called with two or three.
        if callable(found) and takes_positional(found, 5) and not takes_positional(found, 3):
            reason = f"--objective {options.objective} is a loss that is computed in its own way"
            refuse_set(options, ["item_block"], reason)
            return lambda *parts: found
        factory = partial(OBJECTIVE.call, options.objective, Callable, found)
    if options.item_block is None:
        return factory
    return _with_argument(
        factory or _default(model, "objective"),
        reconstruction=blockwise_logits(options.item_block),
    )


def _default(function: Callable[..., Any], parameter: str) -> Any:
    """The default of a parameter; None if the function has no such parameter or no default."""
    found = inspect.signature(function).parameters.get(parameter)
    return None if found is None or found.default is found.empty else found.default


def _with_argument(factory: Any, **argument: Any) -> Any:
    """A factory with one argument more, if the model has a factory."""
    return None if factory is None else partial(factory, **argument)


def unused_widths(options: ModelOptions) -> set[str]:
    """Those of the options `hidden` and `latent` that a network of its own widths leaves unused."""
    if options.network is None or not isinstance(NETWORK.find(options.network), Network):
        return set()
    # The prior may still need the length of z.
    return {"hidden"} if _takes_latent(PRIOR.find(options.prior)) else {"hidden", "latent"}

"""A model and its parts from the options that name them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from multvae_jax.baselines import Baseline
from multvae_jax.checks.signatures import accepted_arguments, has_parameter, takes_positional
from multvae_jax.config.constants import CONSTANTS, constants_of, flag_of_constants
from multvae_jax.config.options import ModelOptions
from multvae_jax.config.refusals import refuse_set
from multvae_jax.config.vocabulary import ACTIVATION, LIKELIHOOD, MODEL, NETWORK, OBJECTIVE, PRIOR
from multvae_jax.errors import InputError, first_line
from multvae_jax.likelihoods import Likelihood
from multvae_jax.log_probability import parameters_of
from multvae_jax.models import Model
from multvae_jax.networks import Network
from multvae_jax.objectives import blockwise_logits
from multvae_jax.ops.matmul import matmul_in
from multvae_jax.priors import Prior

ARGUMENT = {
    "hidden": "hidden",
    "latent": "latent",
    "activation": "activation",
    "network": "network",
    "network_constants": "network",
    "likelihood": "likelihood",
    "constants": "likelihood",
    "prior": "prior",
    "prior_constants": "prior",
    "objective": "objective",
    "objective_constants": "objective",
    "dropout": "dropout",
    "weight_penalty": "weight_penalty",
    "precision": "network",
    "item_block": "objective",
}
"""The argument of a model through which each option of the model reaches it."""


ONE_ITEM = np.zeros((1, 1), np.float32)
"""Features of items that stand for those of the data before it is read."""


def build_model(options: ModelOptions, item_features: Any = ONE_ITEM) -> Model:
    """The model of a configuration.

    `--model` names a model, or a function like `mult_vae`, which receives those of the options
    that it has parameters for.

    Args:
        options: the options.
        item_features: `features` of the catalogue, for a model or a network with a parameter of
            this name; None if it has none.

    Raises:
        InputError: if a name is unknown, a function fails or returns something other than it
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
        "network": _network_factory(options, factory, item_features),
        "likelihood": build_likelihood(options),
        "prior": build_prior(options),
        "objective": _objective_factory(options, factory),
        "dropout": options.dropout,
        "weight_penalty": options.weight_penalty,
        "n_user_features": options.n_user_features,
    }
    if has_parameter(factory, "item_features"):
        arguments |= _item_features(f"--model {options.model}", item_features)
    taken = accepted_arguments(factory, arguments)
    without = [option for option, argument in ARGUMENT.items() if argument not in taken]
    refuse_set(options, without, f"--model {options.model} has no parameter for it")
    return _model(options, factory, **taken)


def _model(options: ModelOptions, factory: Any, **arguments: Any) -> Model:
    constants = constants_of(options, "model", factory, ARGUMENT) if callable(factory) else {}
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
    name = options.likelihood or "multinomial"
    found = LIKELIHOOD.find(name)
    if isinstance(found, Likelihood):
        reason = f"--likelihood {name} is a likelihood with constants of its own"
        refuse_set(options, ["constants"], reason)
        return found
    constants = constants_of(options, "likelihood", found)
    made: Likelihood = LIKELIHOOD.call(name, Likelihood, found, **constants)
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
    constants = constants_of(options, "prior", found, latent)
    made: Prior = PRIOR.call(options.prior, Prior, found, **latent, **constants)
    return made


def _takes_latent(prior: Any) -> bool:
    return callable(prior) and bool(accepted_arguments(prior, {"latent": 0}))


def _network_factory(options: ModelOptions, model: Callable[..., Any], item_features: Any) -> Any:
    """`(hidden, latent, activation) -> Network` in the precision that is set; None: the model's."""
    name = options.network
    found = _default(model, "network") if name is None else NETWORK.find(name)
    if isinstance(found, Network):
        reason = f"--network {name} is a network of its own shape"
        # The prior may still need the length of z.
        latent = [] if _takes_latent(PRIOR.find(options.prior)) else ["latent"]
        unused = ["hidden", *latent, "activation", "precision", "network_constants"]
        refuse_set(options, unused, reason)
        return lambda *shape: found
    if name is not None:
        _check_parameters(name, found, options.network_constants)
    constants = _constants_of_factory(options, "network", found)
    factory = None
    # A network that reads features of users needs their number.
    if has_parameter(found, "n_user_features"):
        if options.n_user_features is None:
            raise InputError(
                f"--network {name}: reads features of users; name their columns with "
                "--user-features"
            )
        constants |= {"n_user_features": options.n_user_features}
    if has_parameter(found, "item_features"):
        constants |= _item_features(f"--network {name}", item_features)
    if name is not None:
        factory = partial(NETWORK.call, name, Network, found, **constants)
    elif constants:
        factory = partial(found, **constants)
    if options.precision == "float32":
        return factory
    return _with_argument(
        factory or _default(model, "network"),
        matmul=matmul_in(jnp.dtype(options.precision)),
    )


def _check_parameters(name: str, network: Any, constants: Mapping[str, float]) -> None:
    """Refuse a network that needs an argument which it is not given."""
    if not callable(network):
        return
    given = {*_TAKEN["network"], *constants}
    # The first three, whatever their names, are the widths, the dimensions of z and the activation.
    for one in parameters_of(network)[3:]:
        if one.default is one.empty and one.name not in given:
            raise InputError(
                f"--network {name}: has the parameter '{one.name}'; beside the widths, the length "
                "of z and the activation, it may have n_user_features, item_features, and "
                "constants that --network-constants sets"
            )


def reads_item_features(options: ModelOptions) -> bool:
    """Return whether the model or the network has a parameter `item_features`."""
    named = [MODEL.find(options.model)]
    if options.network is not None:
        named.append(NETWORK.find(options.network))
    return any(has_parameter(function, "item_features") for function in named)


def _item_features(part: str, found: Any) -> dict[str, Any]:
    """The argument `item_features` of a part that has this parameter."""
    if found is None:
        raise InputError(f"{part}: reads features of items, and the catalogue has none")
    return {"item_features": found}


def _objective_factory(options: ModelOptions, model: Callable[..., Any]) -> Any:
    """`(network, likelihood[, prior]) -> Loss`, in blocks of items if set; None: the model's."""
    name = options.objective
    found = _default(model, "objective") if name is None else OBJECTIVE.find(name)
    # A loss has five arguments; a function that makes one is called with two or three.
    if callable(found) and takes_positional(found, 5) and not takes_positional(found, 3):
        reason = f"--objective {name} is a loss that is computed in its own way"
        refuse_set(options, ["item_block", "objective_constants"], reason)
        return lambda *parts: found
    constants = _constants_of_factory(options, "objective", found)
    factory = None
    if name is not None:
        factory = partial(OBJECTIVE.call, name, Callable, found, **constants)
    elif constants:
        factory = partial(found, **constants)
    if options.item_block is None:
        return factory
    return _with_argument(
        factory or _default(model, "objective"),
        reconstruction=blockwise_logits(options.item_block),
    )


_TAKEN = {
    "network": ("hidden", "latent", "activation", "matmul", "n_user_features", "item_features"),
    "objective": ("network", "likelihood", "prior", "reconstruction"),
}
"""Parameters of a function that are not constants, by the part that it makes."""


def _constants_of_factory(options: ModelOptions, part: str, function: Any) -> dict[str, float]:
    """The constants of a network or an objective; the model may have none of its own to set."""
    if function is None and getattr(options, CONSTANTS[part]):
        raise InputError(f"{flag_of_constants(part)}: give the {part}, --{part} NAME")
    return constants_of(options, part, function, _TAKEN[part])


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

"""The contenders of a tournament, from their names: which part of a model each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from multvae_jax.baselines import Baseline
from multvae_jax.baselines.baseline import with_constants
from multvae_jax.checks.signatures import takes_positional
from multvae_jax.config.build_model import build_model
from multvae_jax.config.complete import complete
from multvae_jax.config.constants import CONSTANTS
from multvae_jax.config.options import ModelOptions, TrainConfig
from multvae_jax.config.resolve import with_recipe
from multvae_jax.config.user_functions import Vocabulary
from multvae_jax.config.vocabulary import LIKELIHOOD, MODEL, NETWORK, OBJECTIVE, PRIOR
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import Likelihood, multinomial
from multvae_jax.mlp import variational_mlp
from multvae_jax.models import Model
from multvae_jax.networks import Network
from multvae_jax.priors import Prior, standard_normal
from multvae_jax.recipe import DataShape

PARTS: Mapping[str, Vocabulary] = {
    "likelihood": LIKELIHOOD,
    "objective": OBJECTIVE,
    "prior": PRIOR,
    "network": NETWORK,
    "model": MODEL,
}
"""The options of the model that an idea can be given for."""

_KINDS = {Likelihood: "likelihood", Prior: "prior", Network: "network", Model: "model"}
_LATENT = 8


def options_of(
    name: str, option: str, kind: str | None = None, constants: Mapping[str, float] | None = None
) -> ModelOptions:
    """The options of the model that an idea is, or of Mult-VAE with it as a part.

    Args:
        name: a name of the package, or a place in a file or a module.
        option: the option or argument that has the name, for messages.
        kind: the part that it is; None to recognize it.
        constants: its constants.

    Raises:
        InputError: there is nothing of that name, or it cannot be recognized.
    """
    given = dict(constants or {})
    kind = kind or _kind_of(name, option, given)
    named: dict[str, Any] = {kind: name, CONSTANTS[kind]: given}
    return replace(ModelOptions(), **named)


def _kind_of(name: str, option: str, constants: Mapping[str, float]) -> str:
    everything = {known: None for words in PARTS.values() for known in words.names}
    if ":" not in name:
        plain = name.replace("_", "-")
        for kind, words in PARTS.items():
            if plain in {known.replace("_", "-") for known in words.names}:
                return kind
    found = Vocabulary(option, "idea", everything).find(name)
    # With constants that it does not have, the message is that of its kind.
    recognized = kind_of_value(found, constants) or kind_of_value(found)
    if recognized is None:
        what = "a function" if callable(found) else f"a {type(found).__name__}"
        raise InputError(
            f"{option} {name}: is {what} that is not recognized as a likelihood, an objective, a "
            "prior, a network or a model; say which it is with --as"
        )
    return recognized


def kind_of_value(value: Any, constants: Mapping[str, float] | None = None) -> str | None:
    """The part of a model that a value is, or that a function returns; None if it is none.

    A loss has five arguments. Any other function is called with the arguments that the function of
    each part receives, until it returns a part.
    """
    if isinstance(value, Baseline):
        return "model"
    for type_, kind in _KINDS.items():
        if isinstance(value, type_):
            return kind
    if not callable(value):
        return None
    if takes_positional(value, 5) and not takes_positional(value, 3):
        return "objective"
    network = variational_mlp((), _LATENT, jnp.tanh)
    of_objective = (network, multinomial(), standard_normal())
    given = dict(constants or {})
    ways: list[tuple[Any, ...]] = [
        (), (_LATENT,), ((), _LATENT, jnp.tanh), of_objective, of_objective[:2],
    ]  # fmt: skip
    for arguments in ways:
        if not takes_positional(value, len(arguments), **given):
            continue
        try:
            made = value(*arguments, **given)
        # Whatever the user's function does with arguments of another part.
        except Exception:
            continue
        if isinstance(made, (*_KINDS, Baseline)):
            return kind_of_value(made)
        if arguments[:1] == (network,) and callable(made):
            return "objective"
    return None


def model_of(config: TrainConfig) -> Callable[[DataShape], Model | Baseline]:
    """The model of a configuration, as a function of the size of the data.

    Raises:
        InputError: as in `build_model`, before any data is read.
    """
    name = config.model.model
    if isinstance(found := MODEL.find(name), Baseline):
        baseline = with_constants(found, config.model.model_constants)
        return lambda data: baseline
    completed = complete(config)

    def make(data: DataShape) -> Model:
        return build_model(with_recipe(completed, data).model)

    make(_SMALL)
    return make


_SMALL = DataShape(n_users=100, n_items=100, n_interactions=2_000)
"""A size of data to try a model with."""

"""Options that make a given model again: the inverse of `multvae_jax.config.build_model`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from multvae_jax.checks.signatures import accepted_arguments
from multvae_jax.config import vocabulary as vocabularies
from multvae_jax.config.options import ModelOptions
from multvae_jax.config.user_functions import Vocabulary
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import Likelihood
from multvae_jax.models import Model
from multvae_jax.ops.matmul import matmul_in
from multvae_jax.priors import Prior

PARTS = ("activation", "network", "likelihood", "prior", "objective")


def describe_model(model: Model) -> ModelOptions:
    """Options from which `build_model` makes a model with the same functions and numbers.

    Parts of the user's are described by their file or module and their name: functions and values
    of a module, and functions that are annotated to return a `Likelihood` or a `Prior`.

    Raises:
        InputError: if a part of the model has no name, for example because it was defined in a
            notebook; the message names the part.
    """
    if model.made_by is None:
        raise InputError("the model was not made by mult_vae or another model of the package")
    given = dict(model.made_by)
    own = [option.name for option in fields(ModelOptions)]
    plain = {name: given[name] for name in own if name in given and name not in PARTS}
    constants = {name: float(value) for name, value in given.items() if name not in own}
    options = ModelOptions(**plain, model_constants=constants)
    network, _ = _without_keyword(given["network"], "item_features")
    network, options = _user_features(network, options)
    network, options = _precision(network, options)
    if "activation" in given:
        name = _function("activation", vocabularies.ACTIVATION, given)
        options = replace(options, activation=name)
    usual = inspect.signature(vocabularies.MODEL.names[options.model]).parameters
    # Named even if it is the model's own, which a recipe would replace.
    if network is not usual["network"].default or options.model == "mult-vae":
        name, numbers = _factory("network", vocabularies.NETWORK, network)
        options = replace(options, network=name, network_constants=numbers)
    if given["objective"] is not usual["objective"].default:
        name, numbers = _factory("objective", vocabularies.OBJECTIVE, given["objective"])
        options = replace(options, objective=name, objective_constants=numbers)
    options = _with_likelihood(given["likelihood"], options)
    return _with_prior(given["prior"], options) if "prior" in given else options


def _user_features(network: Any, options: ModelOptions) -> tuple[Any, ModelOptions]:
    """A network factory without the number of users' features, and the options with it."""
    network, number = _without_keyword(network, "n_user_features")
    return network, options if number is None else replace(options, n_user_features=int(number))


def item_features_in(model: Model) -> Any:
    """The features of items that the network of a model closes over; None if there are none."""
    made_by = model.made_by or {}
    return _without_keyword(made_by.get("network"), "item_features")[1]


def _without_keyword(factory: Any, name: str) -> tuple[Any, Any]:
    """A factory without a keyword that was given to it, and the value; None if there is none."""
    if not isinstance(factory, partial) or name not in factory.keywords:
        return factory, None
    others = {other: value for other, value in factory.keywords.items() if other != name}
    is_plain = not factory.args and not others
    left = factory.func if is_plain else partial(factory.func, *factory.args, **others)
    return left, factory.keywords[name]


def _precision(network: Any, options: ModelOptions) -> tuple[Any, ModelOptions]:
    """A network factory without its matrix product, and the options with its precision."""
    network, matmul = _without_keyword(network, "matmul")
    if matmul is None:
        return network, options
    for precision in ("float32", "bfloat16"):
        if matmul is matmul_in(precision):
            return network, replace(options, precision=precision)
    raise InputError("the network has a matrix product of its own")


def _factory(part: str, vocabulary: Vocabulary, factory: Any) -> tuple[str, dict[str, float]]:
    """Name, and constants, of a function that makes a network or an objective."""
    constants: dict[str, float] = {}
    if isinstance(factory, partial) and all(
        isinstance(value, int | float) for value in factory.keywords.values()
    ):
        constants = {name: float(value) for name, value in factory.keywords.items()}
        factory = partial(factory.func, *factory.args) if factory.args else factory.func
    return _function(part, vocabulary, {part: factory}), constants


def _function(part: str, vocabulary: Vocabulary, given: Mapping[str, Any]) -> str:
    """Name of a function that an option can take."""
    function = given[part]
    if isinstance(function, partial) and getattr(function.func, "__self__", None) == vocabulary:
        # A factory of `build_model`, which calls the function that this name stands for.
        return str(function.args[0])
    for name, value in vocabulary.names.items():
        if value is function:
            return name
    for name, value in own_values(function):
        if value is function:
            return name
    raise InputError(f"the {part} has no name by which it can be found again")


def _with_likelihood(likelihood: Likelihood, options: ModelOptions) -> ModelOptions:
    functions = (likelihood.click, likelihood.normalizer)
    for name, constants in _names_of(likelihood, vocabularies.LIKELIHOOD, functions, {}):
        return replace(options, likelihood=name, constants=constants)
    raise InputError("the likelihood has no name by which it can be found again")


def _with_prior(prior: Prior, options: ModelOptions) -> ModelOptions:
    latent = {"latent": options.latent}
    for name, constants in _names_of(prior, vocabularies.PRIOR, (prior.divergence,), latent):
        return replace(options, prior=name, prior_constants=constants)
    raise InputError("the prior has no name by which it can be found again")


def _names_of(
    part: Likelihood | Prior,
    vocabulary: Vocabulary,
    functions: Iterable[Any],
    others: Mapping[str, Any],
) -> Iterator[tuple[str, dict[str, float]]]:
    """Names, and constants, from which an option makes a likelihood or a prior again.

    Args:
        part: the likelihood or the prior.
        vocabulary: the plain names of the option.
        functions: functions of the part, by which its file is found.
        others: arguments of a factory besides the constants.
    """
    constants = {name: float(value) for name, value in part.constants.items()}
    for name, factory in vocabulary.names.items():
        if _returns(factory, part, constants, others):
            yield name, constants
    for function in functions:
        for name, value in own_values(function):
            if same(value, part):
                yield name, {}
            # A function may do more than make the part, such as train; it is called only if it
            # declares that it returns one.
            elif _declares(value, type(part)) and _returns(value, part, constants, others):
                yield name, constants


def _returns(
    factory: Any, part: Any, constants: Mapping[str, float], others: Mapping[str, Any]
) -> bool:
    taken = accepted_arguments(factory, {**others, **constants})
    if not constants.keys() <= taken.keys():
        return False
    try:
        return same(factory(**taken), part)
    # A user's factory may raise anything, for example because it needs more arguments.
    except Exception:
        return False


def _declares(function: Any, kind: type) -> bool:
    """Return whether the annotation of a function says that it returns a value of a kind."""
    if not isinstance(function, FunctionType):
        return False
    declared = function.__annotations__.get("return")
    return declared is kind or str(declared).rpartition(".")[2] == kind.__name__


def own_values(function: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of the module that defines a function of the user's."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if module is None or module.__name__ in ("__main__", "builtins"):
        return
    # A file that an option has loaded is a module by another name than that of a package.
    in_package = module.__package__ and module.__name__.replace(".", "").isidentifier()
    place = module.__name__ if in_package else module.__file__
    if place is not None:
        public = (item for item in vars(module).items() if not item[0].startswith("_"))
        yield from ((f"{place}:{name}", value) for name, value in public)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are made of the same code and the same numbers."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, FunctionType):
        parts = ("__code__", "__defaults__", "__kwdefaults__", "__closure__")
        return all(same(getattr(one, part), getattr(other, part)) for part in parts)
    if isinstance(one, partial):
        return same((one.func, one.args, one.keywords), (other.func, other.args, other.keywords))
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if hasattr(one, "cell_contents"):
        return same(one.cell_contents, other.cell_contents)
    if hasattr(one, "shape"):
        return bool(np.array_equal(one, other))
    return bool(one == other)

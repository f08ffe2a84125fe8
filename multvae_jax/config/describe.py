"""Options that make a given model again: the inverse of `multvae_jax.config.build`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np

from multvae_jax.config import build
from multvae_jax.config.options import ModelOptions
from multvae_jax.config.user_functions import Vocabulary
from multvae_jax.errors import InputError
from multvae_jax.models import Model
from multvae_jax.ops.matmul import matmul_in

PARTS = ("activation", "network", "likelihood", "prior", "objective")


def describe_model(model: Model) -> ModelOptions:
    """Options from which `build_model` makes a model with the same functions and numbers.

    Functions of the user are described by their file or module and their name.

    Raises:
        InputError: if a part of the model has no name, for example because it was defined in a
            notebook; the message names the part.
    """
    if model.made_by is None:
        raise InputError("the model was not made by mult_vae or mult_dae")
    given = dict(model.made_by)
    plain = {name: value for name, value in given.items() if name not in PARTS}
    options = ModelOptions(**plain)
    network, options = _precision(given["network"], options)
    options = replace(options, activation=_function("activation", build.ACTIVATION, given))
    usual = inspect.signature(build.MODEL.names[options.model]).parameters
    if network is not usual["network"].default:
        name = _function("network", build.NETWORK, {"network": network})
        options = replace(options, network=name)
    if given["objective"] is not usual["objective"].default:
        options = replace(options, objective=_function("objective", build.OBJECTIVE, given))
    options = _with_likelihood(given["likelihood"], options)
    return _with_prior(given["prior"], options) if "prior" in given else options


def _precision(network: Any, options: ModelOptions) -> tuple[Any, ModelOptions]:
    """A network factory without its matrix product, and the options with its precision."""
    if not isinstance(network, partial) or set(network.keywords) != {"matmul"}:
        return network, options
    for precision in ("float32", "bfloat16"):
        if network.keywords["matmul"] is matmul_in(precision):
            factory = partial(network.func, *network.args) if network.args else network.func
            return factory, replace(options, precision=precision)
    raise InputError("the network has a matrix product of its own")


def _function(part: str, vocabulary: Vocabulary, given: Mapping[str, Any]) -> str:
    """Name of a function that an option can take."""
    function = given[part]
    if isinstance(function, partial) and getattr(function.func, "__self__", None) == vocabulary:
        # A factory of `build_model`, which calls the function that this name stands for.
        return str(function.args[0])
    for name, value in vocabulary.names.items():
        if value is function:
            return name
    place = _place_of(function)
    if place is None or not _found(vocabulary, place, function):
        raise InputError(f"the {part} has no name by which it can be found again")
    return place


def _found(vocabulary: Vocabulary, name: str, value: Any) -> bool:
    try:
        return same(vocabulary.find(name), value)
    except InputError:
        return False


def _with_likelihood(likelihood: Any, options: ModelOptions) -> ModelOptions:
    constants = {name: float(value) for name, value in likelihood.constants.items()}
    names = [*build.LIKELIHOOD.names, *_places_in(likelihood.click, likelihood.normalizer)]
    for name in names:
        for numbers in (constants, {}):
            candidate = replace(options, likelihood=name, constants=numbers)
            if _makes(build.build_likelihood, candidate, likelihood):
                return candidate
    raise InputError("the likelihood has no name by which it can be found again")


def _with_prior(prior: Any, options: ModelOptions) -> ModelOptions:
    constants = {name: float(value) for name, value in prior.constants.items()}
    for name in [*build.PRIOR.names, *_places_in(prior.divergence)]:
        for numbers in (constants, {}):
            candidate = replace(options, prior=name, prior_constants=numbers)
            if _makes(build.build_prior, candidate, prior):
                return candidate
    raise InputError("the prior has no name by which it can be found again")


def _makes(build_part: Callable[[ModelOptions], Any], options: ModelOptions, value: Any) -> bool:
    try:
        return same(build_part(options), value)
    # A factory that is tried with arguments that it does not take may raise anything.
    except Exception:
        return False


def _places_in(*functions: Any) -> Iterator[str]:
    """Names that may stand for a value with these functions, or for the function that makes it."""
    for function in functions:
        yield from filter(None, [_place_of(function)])
        module = sys.modules.get(getattr(function, "__module__", None) or "")
        for name, value in vars(module).items() if module is not None else ():
            if isinstance(value, tuple) and any(part is function for part in value):
                yield from filter(None, [_place_of(function, name)])


def _place_of(function: Any, name: str | None = None) -> str | None:
    """`file.py:name` or `package.module:name` of a function, or of the function around it.

    Args:
        function: any function.
        name: the name of another value in the same file.
    """
    if not isinstance(function, FunctionType) or function.__module__ == "__main__":
        return None
    name = name or function.__qualname__.partition(".")[0]
    module = sys.modules.get(function.__module__)
    if module is not None and module.__package__:
        return f"{function.__module__}:{name}"
    file = inspect.getsourcefile(function)
    return None if file is None or file.startswith("<") else f"{file}:{name}"


def same(one: Any, other: Any) -> bool:
    """Whether two values are made of the same code and the same numbers."""
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

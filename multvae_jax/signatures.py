"""Which arguments a function takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def accepted_arguments(function: Callable[..., Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(named)
    return {name: value for name, value in named.items() if name in parameters}


def has_parameter(function: Any, name: str) -> bool:
    """Whether a function names a parameter; one that takes any arguments does not."""
    try:
        return name in inspect.signature(function).parameters
    # Not a function, or one in C that may have no signature.
    except (TypeError, ValueError):
        return False


def cannot_take(function: Callable[..., Any], number: int) -> bool:
    """Whether a function is known not to take a number of positional arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind(*range(number))
    except TypeError:
        return True
    return False


def takes_positional(function: Callable[..., Any], number: int, **named: Any) -> bool:
    """Whether a function can be called with a number of positional arguments.

    Args:
        function: the function.
        number: the number.
        **named: further arguments of the call.
    """
    try:
        inspect.signature(function).bind(*range(number), **named)
    # A function in C may have no signature; one that does not fit raises a TypeError.
    except (TypeError, ValueError):
        return False
    return True

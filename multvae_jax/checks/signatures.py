"""Which arguments a function takes, and `checked`, which refuses others in one sentence."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Check = Callable[[str, Any], None]


def checked(**kinds: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check arguments of a function before it is called; one that is left out is not checked.

    Args:
        **kinds: what an argument must be: a type of numbers with bounds, as for `check_number`; a
            class and an example of it, as for `check_kind`; or a function of the name and the
            value that raises an `InputError`, such as `check_path`.

    Example:
        >>> from multvae_jax.checks.bounds import Count
        >>> @checked(n=Count)
        ... def first(n):
        ...     return list(range(n))
        >>> first(0)
        Traceback (most recent call last):
        multvae_jax.errors.InputError: n: expected `int` >= 1
    """
    checks = {name: _check_of(kind) for name, kind in kinds.items()}

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        names = tuple(inspect.signature(function).parameters)
        assert checks.keys() <= {*names}, function

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for name, value in (*zip(names, args, strict=False), *kwargs.items()):
                if name in checks:
                    checks[name](name, value)
            return function(*args, **kwargs)

        call.__dict__["checks"] = checks
        return call

    return decorate


def _check_of(kind: Any) -> Check:
    if isinstance(kind, types.FunctionType | functools.partial):
        return kind
    if isinstance(kind, tuple):
        return functools.partial(_check_kind, *kind)
    return functools.partial(_check_number, kind)


def _check_number(kind: Any, name: str, value: Any) -> None:
    # Here and below, imported when it is needed: the table of data sets imports no library.
    from multvae_jax.checks.bounds import check_number

    check_number(name, value, kind)


def _check_kind(kind: type, example: str, name: str, value: Any) -> None:
    from multvae_jax.checks.bounds import check_kind

    check_kind(name, value, kind, example)


def or_none(check: Check) -> Check:
    """The same check, which None passes."""

    def check_unless_none(name: str, value: Any) -> None:
        if value is not None:
            check(name, value)

    return check_unless_none


def accepted_arguments(function: Callable[..., Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(named)
    return {name: value for name, value in named.items() if name in parameters}


def has_parameter(function: Any, name: str) -> bool:
    """Return whether a function names a parameter; one that takes any arguments does not."""
    try:
        return name in inspect.signature(function).parameters
    # Not a function, or one in C that may have no signature.
    except (TypeError, ValueError):
        return False


def cannot_take(function: Callable[..., Any], number: int) -> bool:
    """Return whether a function is known not to take a number of positional arguments."""
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
    """Return whether a function can be called with a number of positional arguments.

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

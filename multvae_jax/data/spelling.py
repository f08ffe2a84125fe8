"""Messages and notes with the arguments of Python instead of the options of the command line.

The messages of the readers name options, as the commands need. The readers that `multvae_jax` and
`multvae_jax.data` offer in Python are wrapped by `in_python`.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from multvae_jax.errors import InputError, noted

P = ParamSpec("P")
R = TypeVar("R")

_OPTION = re.compile(r"--([a-z][a-z-]*)(?: (auto|yes|no|rows|users|none|latin-1|utf-16-le)\b)?")
_DIALECT = ("encoding", "separator", "quote", "header", "lines")
_NAMES = {
    **{f"{role}-column": role for role in ("user", "item", "rating", "time")},
    "features-column": "column",
}


def as_arguments(text: str, names: Mapping[str, str] = _NAMES) -> str:
    """Return a message with the arguments of Python instead of the options of the command line.

    Args:
        text: the message.
        names: arguments that are called otherwise than their option; by default those of readers.

    Example:
        >>> as_arguments("no user column; name one with --user-column")
        'no user column; name one with user='
        >>> as_arguments("a quote is never closed; --quote none reads quotes as text")
        "a quote is never closed; dialect=Dialect(quote='none') reads quotes as text"
    """

    def argument(found: re.Match[str]) -> str:
        name = names.get(found[1], found[1].replace("-", "_"))
        value = "" if found[2] is None else repr(found[2])
        if name in _DIALECT:
            return f"dialect=Dialect({name}={value or '...'})"
        return name if name.endswith(")") else f"{name}={value}"

    return _OPTION.sub(argument, text)


def in_python(function: Callable[P, R], names: Mapping[str, str] = _NAMES) -> Callable[P, R]:
    """The same function, whose errors and notes name its arguments.

    Args:
        function: the function.
        names: as in `as_arguments`.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            found = function(*args, **kwargs)
        except InputError as error:
            notes = [as_arguments(note, names) for note in getattr(error, "__notes__", ())]
            with noted(notes):
                raise InputError(as_arguments(str(error), names)) from error.__cause__
        translated: R = _with_notes(found, names)
        return translated

    return call


def _with_notes(found: Any, names: Mapping[str, str]) -> Any:
    """A result with its notes translated, or several."""
    if isinstance(found, tuple) and not hasattr(found, "notes"):
        parts = [_with_notes(part, names) for part in found]
        return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
    notes = getattr(found, "notes", ())
    translated = tuple(as_arguments(note, names) for note in notes)
    if translated == tuple(notes):
        return found
    if dataclasses.is_dataclass(found):
        return dataclasses.replace(found, notes=translated)  # type: ignore[type-var]
    return found._replace(notes=translated)

"""Bounds of numbers, the same for the options of the command line and the arguments in Python.

Nothing in this module imports jax.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from multvae_jax.errors import InputError

Count = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""Length of an axis of an array."""
Cutoff = Annotated[int, Meta(ge=1, le=10**6)]
Widths = Annotated[tuple[Size, ...], Meta(max_length=500)]
"""Widths of layers; a program of more layers would compile for many minutes."""
Rate = Annotated[float, Meta(ge=0, lt=1)]
Share = Annotated[float, Meta(gt=0, le=1)]
Weight = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]

LARGEST, SMALLEST = 3.4e38, 1.2e-38
"""Largest and smallest magnitude that float32 has."""


def problem_of(value: Any, kind: Any) -> str | None:
    """Return the fault of a value, such as "expected `int` >= 1"; None if it is within its bounds.

    Args:
        value: the value.
        kind: its type with bounds, such as `Count`, or a union with None.
    """
    try:
        msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        return in_words(error)
    return problem_of_float(value) if isinstance(value, float) else None


def in_words(error: msgspec.ValidationError) -> str:
    """A message of msgspec as the end of a sentence, without the place."""
    words = str(error).partition(" - at `")[0].replace("| null`", "| None`")
    return words[:1].lower() + words[1:]


def problem_of_float(value: float) -> str | None:
    """Return the fault of a number that becomes float32, or None."""
    if not math.isfinite(value):
        return f"{value} is not a finite number"
    if abs(value) > LARGEST or 0 < abs(value) < SMALLEST:
        return f"{value:g} is beyond the range of float32"
    return None


def problem_of_number_or_share(value: float) -> str | None:
    """Return the fault of a number of users, or of their share if below 1, or None."""
    if 0 <= value < 1 or (math.isfinite(value) and value == int(value) >= 0):
        return None
    return f"{value:g} is neither a whole number nor a share below 1"


def check_number(name: str, value: Any, kind: Any) -> None:
    """Refuse a number, or a tuple of numbers, that is out of its bounds.

    Args:
        name: name of the argument.
        value: its value; one that jax traces is not looked at.
        kind: its type with bounds, as for `problem_of`.

    Raises:
        InputError: naming the argument and what it must be.
    """
    # A number of numpy; an array of jax may be traced.
    value = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
    if hasattr(value, "aval"):
        return
    if problem := problem_of(value, kind):
        raise InputError(f"{name}: {problem}")


def whole_number(name: str, value: Any, kind: Any = Count) -> int:
    """A whole number within its bounds, which the constants of an option hold as a float.

    Raises:
        InputError: as `check_number`.
    """
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    check_number(name, number, kind)
    return int(number)


def check_kind(name: str, value: Any, kind: type, example: str) -> None:
    """Refuse a value of another kind.

    Raises:
        InputError: naming the argument and what to give.
    """
    if isinstance(value, kind):
        return
    if isinstance(value, str):
        got = f"'{value}' is a name"
    elif callable(value):
        got = f"{getattr(value, '__name__', 'it')} is a function; call it"
    else:
        got = f"of type {type(value).__name__}"
    raise InputError(f"{name}: {got}; use a {kind.__name__}, such as {example}")


def check_function(name: str, value: Any, what: str) -> None:
    """Refuse a value that is not a function.

    Raises:
        InputError: naming the argument and what to give.
    """
    if not callable(value):
        got = (
            f"'{value}' is a name" if isinstance(value, str) else f"of type {type(value).__name__}"
        )
        raise InputError(f"{name}: {got}; use {what}")

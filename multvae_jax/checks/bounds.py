"""Bounds of numbers, the same for the options of the command line and the arguments in Python.

Nothing in this module imports jax.
"""

from __future__ import annotations

import math
import numbers
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from multvae_jax.errors import InputError, names_like

Count = Annotated[int, Meta(ge=1)]
LeastCount = Annotated[int, Meta(ge=0)]
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
    words = str(error).partition(" - at `")[0].replace("null`", "None`")
    return words[:1].lower() + words[1:]


def problem_of_float(value: float) -> str | None:
    """Return the fault of a number that becomes float32, or None."""
    if not math.isfinite(value):
        return f"{value} is not a finite number"
    if abs(value) > LARGEST or 0 < abs(value) < SMALLEST:
        return f"{value:g} is beyond the range of float32"
    return None


def problem_of_number_or_share(value: Any) -> str | None:
    """Return the fault of a number of users, or of their share if below 1, or None."""
    if problem := _problem_of_type(value):
        return problem
    is_whole = math.isfinite(value) and value == int(value)
    if 0 <= value < 1 or (is_whole and value >= 0):
        return None
    return f"{value:g} is neither a whole number nor a share below 1"


def _problem_of_type(value: Any) -> str | None:
    """Return the fault of what is not a number, or None; it may be any number, also NaN."""
    value = _plain(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number else problem_of(value, float)


def check_is_number(name: str, value: Any) -> None:
    """Refuse what is not a number, whatever its bounds.

    Raises:
        InputError: naming the argument.
    """
    if problem := _problem_of_type(value):
        raise InputError(f"{name}: {problem}")


def check_number(name: str, value: Any, kind: Any) -> None:
    """Refuse a number, or a tuple of numbers, that is out of its bounds.

    Args:
        name: name of the argument.
        value: its value; one that jax traces, or an array of jax of several numbers, is not looked
            at.
        kind: its type with bounds, as for `problem_of`.

    Raises:
        InputError: naming the argument and what it must be.
    """
    is_array = hasattr(value, "aval") and (is_traced(value) or value.shape != ())
    if not is_array and (problem := problem_of(_plain(value), kind)):
        raise InputError(f"{name}: {problem}")


def is_traced(value: Any) -> bool:
    """Return whether a value is one that jax traces; without importing jax."""
    return hasattr(value, "aval") and isinstance(value, sys.modules["jax"].core.Tracer)


def _plain(value: Any) -> Any:
    """A single number of numpy or jax as one of Python; any other value as it is."""
    is_number = getattr(value, "shape", None) == () and hasattr(value, "item")
    # A key of jax is an array, but not of numbers.
    return value.item() if is_number and "key<" not in str(value.dtype) else value


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
    got = f"{getattr(value, '__name__', 'it')} is a function; call it"
    if not is_function(value):
        got = described(value)
    raise InputError(f"{name}: {got}; use {_a(kind.__name__)}, such as {example}")


def is_function(value: Any) -> bool:
    """Return whether a value can be called, and is not a type of the language such as `int`."""
    is_plain_type = isinstance(value, type) and value.__module__ == "builtins"
    return callable(value) and not is_plain_type


def check_function(name: str, value: Any, what: str) -> None:
    """Refuse a value that is not a function, and a type such as `int`, which makes a number.

    Raises:
        InputError: naming the argument and what to give.
    """
    if not is_function(value):
        raise InputError(f"{name}: {described(value)}; use {what}")


def check_mapping(name: str, value: Any, what: str) -> None:
    """Refuse what is not a dict with names as its keys.

    Args:
        name: name of the argument.
        value: its value.
        what: what to give, such as "constants by name, {'regularization': 100.0}".

    Raises:
        InputError: naming the argument and what to give.
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{name}: {described(value)}; give {what}")
    for key in value:
        if not isinstance(key, str):
            raise InputError(f"{name}: {key!r} is not a name; give {what}")


def check_text(name: str, value: Any, what: str) -> None:
    """Refuse what is neither text nor None.

    Raises:
        InputError: naming the argument and what to give.
    """
    if value is not None and not isinstance(value, str):
        raise InputError(f"{name}: {described(value)}; give {what}")


def check_path(name: str, value: Any) -> None:
    """Refuse what is not a path.

    Raises:
        InputError: naming the argument and what to give.
    """
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"{name}: {described(value)}; give a path")


def check_ids(name: str, value: Any, *, of_text: bool = False) -> None:
    """Refuse what are not ids: a sequence or an array with one axis.

    Args:
        name: name of the argument.
        value: its value.
        of_text: whether each must be text.

    Raises:
        InputError: naming the argument and what to give.
    """
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    if not is_sequence and (len(getattr(value, "shape", ())) != 1 or not hasattr(value, "tolist")):
        raise InputError(f"{name}: {described(value)}; give a list or an array of text")
    wrong = next((one for one in value if not isinstance(one, str)), None) if of_text else None
    if wrong is not None:
        raise InputError(f"{name}: one is {described(wrong)}; give text, as the data spells it")


def check_flag(name: str, value: Any) -> None:
    """Refuse what is neither True nor False."""
    check_number(name, value, bool)


def check_array(name: str, value: Any) -> None:
    """Refuse what is not an array of numpy or jax.

    Raises:
        InputError: naming the argument and what to give.
    """
    if not hasattr(value, "shape") or not hasattr(value, "dtype") or "key<" in str(value.dtype):
        raise InputError(f"{name}: {described(value)}; give an array")


def check_matrix(name: str, value: Any) -> None:
    """Refuse what is not a sparse matrix of scipy.

    Raises:
        InputError: naming the argument and what to give.
    """
    if not hasattr(value, "tocsr") or len(value.shape) != 2:
        raise InputError(f"{name}: {described(value)}; give a sparse matrix, users x items")


def map_arrays(function: Callable[[Any], Any], features: Any) -> Any:
    """Apply a function to an array, or to all arrays of nested dicts."""
    if isinstance(features, Mapping):
        return {name: map_arrays(function, part) for name, part in features.items()}
    return function(features)


def take_rows(features: Any, rows: Any) -> Any:
    """Return some rows of an array, or of all arrays of nested dicts; None of None."""
    return None if features is None else map_arrays(lambda leaf: leaf[rows], features)


def check_rows(
    features: Any, number: int, name: str = "user_features", rows: str = "users"
) -> None:
    """Refuse features that are not arrays with a row per user, or per item.

    Raises:
        InputError: naming the shape.
    """

    def check(leaf: Any) -> None:
        shape = getattr(leaf, "shape", None)
        if shape is None:
            raise InputError(
                f"{name}: {type(leaf).__name__} is neither an array nor a dict of arrays"
            )
        if shape[:1] != (number,):
            raise InputError(f"{name}: an array of shape {tuple(shape)} for {number:,} {rows}")

    if features is not None:
        map_arrays(check, features)


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Refuse a word that is not one of those that an argument takes."""
    if not isinstance(value, str):
        raise InputError(f"{name}: {described(value)}; give one of {', '.join(choices)}")
    if value not in choices:
        raise InputError(f"{name}: '{value}' is not a choice{names_like(value, choices)}")


def check_positive(name: str, value: Any) -> None:
    """Refuse what is not a positive integer."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        shown = repr(value) if isinstance(value, str | float | int) else described(value)
        raise InputError(f"{name}: {shown} is not a positive integer")


def described(value: Any) -> str:
    """Describe a value at the start of a message: text as it is, other values by their type."""
    if isinstance(value, type):
        return f"{value.__name__} is a type"
    return f"'{value}' is a name" if isinstance(value, str) else f"of type {type(value).__name__}"


def _a(noun: str) -> str:
    """A noun with its article."""
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"

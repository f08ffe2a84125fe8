"""Bounds of numbers, the same for the options of the command line and the arguments in Python.

Nothing in this module imports jax.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""Length of an axis of an array."""
Cutoff = Annotated[int, Meta(ge=1, le=10**6)]
Widths = Annotated[tuple[Size, ...], Meta(max_length=500)]
"""Widths of layers; a program of more layers would compile for many minutes."""
Rate = Annotated[float, Meta(ge=0, lt=1)]
Share = Annotated[float, Meta(gt=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]

LARGEST, SMALLEST = 3.4e38, 1.2e-38
"""Largest and smallest magnitude that float32 has."""


def problem_of(value: Any, kind: Any) -> str | None:
    """What is wrong with a value, as in "expected `int` >= 1"; None if it is within its bounds.

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
    words = str(error).partition(" - at `")[0]
    return words[:1].lower() + words[1:]


def problem_of_float(value: float) -> str | None:
    """What is wrong with a number that becomes float32; None if nothing is."""
    if not math.isfinite(value):
        return f"{value} is not a finite number"
    if abs(value) > LARGEST or 0 < abs(value) < SMALLEST:
        return f"{value:g} is beyond the range of float32"
    return None


def problem_of_number_or_share(value: float) -> str | None:
    """What is wrong with a number of users, or with their share below 1; None if nothing is."""
    if 0 <= value < 1 or (math.isfinite(value) and value == int(value) >= 0):
        return None
    return f"{value:g} is neither a whole number nor a share below 1"

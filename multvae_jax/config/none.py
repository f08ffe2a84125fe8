"""Options for which the word `none` stands for a value: no hidden layer, nothing held out.

Nothing in this module imports jax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tyro

NONE = "none"

MEANS: dict[str, Any] = {"hidden": [], "held_out": 0.0}
"""The value that `none` stands for, by the name of the option."""

ABOUT_HIDDEN = "give the widths of the layers, such as 600 200, or --hidden none for no layer"
"""The end of a message about widths that cannot be read."""


def with_none_read(options: Any) -> Any:
    """Decoded options with the value instead of `none`."""
    if not isinstance(options, dict):
        return options
    return {
        name: MEANS[name] if name in MEANS and part in (NONE, [NONE]) else with_none_read(part)
        for name, part in options.items()
    }


def widths_of(words: Sequence[str]) -> tuple[int, ...]:
    """The widths that words stand for; what is not a width becomes 0, which later checks refuse.

    Example:
        >>> widths_of(["600", "200"]), widths_of(["none"])
        ((600, 200), ())
    """
    if list(words) == [NONE]:
        return ()
    # No word at all must not be taken for no layer.
    return tuple(int(word) if word.isdecimal() else 0 for word in words or [""])


def words_of(widths: Sequence[int]) -> list[str]:
    """The inverse of `widths_of`."""
    return list(map(str, widths)) or [NONE]


HIDDEN = tyro.constructors.PrimitiveConstructorSpec(
    nargs="*",
    metavar="WIDTHS",
    instance_from_str=widths_of,
    is_instance=lambda value: value is None or isinstance(value, tuple),
    str_from_instance=lambda value: ["None"] if value is None else words_of(value),
)
"""How the command line reads `--hidden`."""


def _held_out_of(words: Sequence[str]) -> float:
    return float(MEANS["held_out"] if words[0] == NONE else words[0])


HELD_OUT = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="FLOAT",
    instance_from_str=_held_out_of,
    is_instance=lambda value: value is None or isinstance(value, int | float),
    str_from_instance=lambda value: [NONE if value == 0 else str(value)],
)
"""How the command line reads `--held-out`."""

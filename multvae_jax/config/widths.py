"""The widths of hidden layers in words, where `none` stands for no layer.

Nothing in this module imports jax.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tyro

NONE = "none"

HELP = "give the widths of the layers, such as 600 200, or --hidden none for no layer"
"""The end of a message about widths that cannot be read."""


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


def with_none_read(options: Any) -> Any:
    """Decoded options in which no hidden layer may also be written as "none"."""
    if not isinstance(options, dict):
        return options
    return {
        name: [] if name == "hidden" and part in (NONE, [NONE]) else with_none_read(part)
        for name, part in options.items()
    }


FLAG = tyro.constructors.PrimitiveConstructorSpec(
    nargs="*",
    metavar="WIDTHS",
    instance_from_str=widths_of,
    is_instance=lambda value: value is None or isinstance(value, tuple),
    str_from_instance=lambda value: ["None"] if value is None else words_of(value),
)
"""How the command line reads `--hidden`."""

"""Refusal of options that are set and would have no effect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from multvae_jax.errors import InputError


def refuse_set(options: Any, names: Iterable[str], reason: str) -> None:
    """Refuse an option that is set but would have no effect.

    Args:
        options: options of one kind; what is not the default of the kind is set.
        names: names of the options.
        reason: why it has no effect, the end of the message.

    Raises:
        InputError: naming the first of them that is set.
    """
    unset = type(options)()
    for name in names:
        if getattr(options, name) != getattr(unset, name):
            raise InputError(f"--{name.replace('_', '-')}: {reason}")

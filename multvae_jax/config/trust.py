"""Consent to run code that a configuration names.

A configuration may come from somebody else, in a run or as a file. A plain name in it stands for a
function of the package; `my_file.py:name` and `module:name` stand for any code that the machine
has. Such a name is followed only if the user has typed it, or has agreed to all names of the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from multvae_jax.errors import InputError


def names_code(*parts: Any) -> bool:
    """Return whether options of the model or the training name other code than plain names do."""
    return any(True for options in parts for _ in _named_code(options))


def code_files(*parts: Any) -> list[Path]:
    """The user's files that options of the model or of the training name, once each."""
    places = (name.rpartition(":")[0] for options in parts for _, name in _named_code(options))
    return [Path(place).absolute() for place in dict.fromkeys(places) if place.endswith(".py")]


def refuse_code(*parts: Any, given: Collection[str] = ()) -> None:
    """Refuse options that name other code than plain names do.

    Args:
        *parts: options of the model or of the training; None for those that are not known.
        given: the names that the user has typed, which are followed.

    Raises:
        InputError: naming the option, and the file or module that would run.
    """
    for option, name in (named for options in parts for named in _named_code(options)):
        if name not in given:
            place = name.rpartition(":")[0]
            what = "the file" if place.endswith(".py") else "the module"
            raise InputError(
                f"--{option} {name}: this would run {what} {place}; if you trust its code, "
                "add --trust-code (in Python, trust_code=True)"
            )


def _named_code(options: Any) -> Iterator[tuple[str, str]]:
    """The options whose value is a name in a file or a module, or several, and each name."""
    for field in () if options is None else fields(options):
        value = getattr(options, field.name)
        for name in value if isinstance(value, tuple) else (value,):
            if isinstance(name, str) and ":" in name:
                yield field.name.replace("_", "-"), name

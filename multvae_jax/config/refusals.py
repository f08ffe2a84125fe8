"""Refusal of options that are set and would have no effect, and of files that are not there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
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


def refuse_missing_files(options: Any, known: Any, names: Iterable[str]) -> None:
    """Refuse a file that an option names and that is not there, even where nothing reads it.

    Args:
        options: the options.
        known: options with the same names, whose files are not looked for.
        names: names of the options.

    Raises:
        InputError: naming the first such option.
    """
    for name in names:
        given = getattr(options, name)
        if given is None or given == getattr(known, name):
            continue
        path = Path(given)
        # A file may be in an archive, as in ml-1m.zip/ml-1m/users.dat.
        if not (path.exists() or any(parent.is_file() for parent in path.parents)):
            raise InputError(f"--{name.replace('_', '-')} {given}: no such file")

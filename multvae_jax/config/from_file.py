"""Options from a file, as the defaults of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from multvae_jax.config.convert import from_json
from multvae_jax.config.options import TrainConfig
from multvae_jax.errors import InputError, file_errors

Options = TypeVar("Options")


def argument_of(option: str, arguments: Sequence[str]) -> str | None:
    """The last value of an option of a command line; None if it is not given."""
    found = None
    for index, argument in enumerate(arguments):
        if argument == option:
            found = arguments[index + 1] if index + 1 < len(arguments) else None
        elif argument.startswith(f"{option}="):
            found = argument.partition("=")[2]
    return found


def options_file(arguments: Sequence[str]) -> tuple[str, str] | None:
    """The file whose options are the defaults of a command line, and what names it there.

    It is that of `--config`, or the configuration of the run of `--resume` or `--from`.

    Raises:
        InputError: if two of them are given, or the directory of a run has no configuration.
    """
    options = ("--config", "--resume", "--from")
    found = {option: argument_of(option, arguments) for option in options}
    given = {option: value for option, value in found.items() if value is not None}
    if len(given) > 1:
        raise InputError(f"{' and '.join(list(given)[:2])}: give one or the other")
    for option, value in given.items():
        named = f"{option} {value or repr(value)}"
        if option == "--config":
            return value, named
        path = Path(value, "config.json")
        if path.parent.is_dir() and not path.is_file():
            raise InputError(f"{named}: not a run, it has no {path.name}")
        return str(path), named
    return None


def read_config(path: str, named: str) -> TrainConfig:
    """Read a configuration of `multvae train`.

    Args:
        path: the file.
        named: what names it, for messages.

    Raises:
        InputError: naming the file, and the field in it.
    """
    return read_options(Path(path), TrainConfig, named)


def read_options(path: Path, kind: type[Options], named: str = "", note: str = "") -> Options:
    """Read options of a kind from a file of JSON.

    Args:
        path: the file.
        kind: the class of the options.
        named: what names the file, for messages; by default its path.
        note: what to do about a fault in it.

    Raises:
        InputError: naming the file, and the field in it.
    """
    place = named or path
    with file_errors(place):
        text = path.read_bytes()
    try:
        return from_json(text, kind)
    except InputError as error:
        raise InputError(f"{place}: {error}{note}") from None

"""Options from a file, as the defaults of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multvae_jax.config.convert import from_json
from multvae_jax.config.options import TrainConfig
from multvae_jax.errors import InputError, file_errors


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
        InputError: if two of them are given.
    """
    options = ("--config", "--resume", "--from")
    given = {option: value for option in options if (value := argument_of(option, arguments))}
    if len(given) > 1:
        raise InputError(f"{' and '.join(list(given)[:2])}: give one or the other")
    for option, value in given.items():
        path = value if option == "--config" else str(Path(value, "config.json"))
        return path, f"{option} {value}"
    return None


def read_config(path: str, named: str) -> TrainConfig:
    """Read a configuration of `multvae train`.

    Args:
        path: the file.
        named: what names it, for messages.

    Raises:
        InputError: naming the file, and the field in it.
    """
    with file_errors(named):
        text = Path(path).read_bytes()
    try:
        return from_json(text, TrainConfig)
    except InputError as error:
        raise InputError(f"{named}: {error}") from None

"""Options from a file, as the defaults of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multvae_jax.config.convert import from_json
from multvae_jax.config.options import TrainConfig
from multvae_jax.errors import InputError, file_errors


def config_argument(arguments: Sequence[str]) -> str | None:
    """The file of the last `--config` of a command line."""
    found = None
    for argument, following in zip(arguments, (*arguments[1:], None), strict=True):
        if argument == "--config":
            found = following
        elif argument.startswith("--config="):
            found = argument.partition("=")[2]
    return found


def read_config(path: str) -> TrainConfig:
    """Read a configuration of `multvae train`.

    Raises:
        InputError: naming the file, and the field in it.
    """
    with file_errors(f"--config {path}"):
        text = Path(path).read_bytes()
    try:
        return from_json(text, TrainConfig)
    except InputError as error:
        raise InputError(f"--config {path}: {error}") from None

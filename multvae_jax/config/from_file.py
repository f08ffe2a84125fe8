"""Options from a file, under those of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from multvae_jax.config.options import TrainConfig, from_json
from multvae_jax.errors import InputError, file_errors

_INSTEAD = {
    "dataset": ("data", "train", "validation", "test"),
    "data": ("train", "validation", "test"),
    "train": ("data",),
    "anneal_share": ("anneal_steps",),
    "anneal_steps": ("anneal_share",),
    "likelihood": ("constants",),
    "prior": ("prior_constants",),
    "model": ("model_constants",),
}
"""What an option that is given takes the place of: other ways to say the same, which would win
over it, or what belongs to another value of it."""


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


def parser_defaults(config: TrainConfig) -> TrainConfig:
    """The defaults of a command line: without constants, which it would name one by one."""
    return replace(config, model=replace(config.model, constants={}))


def merge_options(file: TrainConfig, given: TrainConfig) -> TrainConfig:
    """The options of a command line that began with those of a file.

    An option that was changed wins also over what the file says by another name.

    Args:
        file: what the file says.
        given: the same with the options of the command line, which began as `for_parser` has it.
    """
    if not given.model.constants:
        given = replace(given, model=replace(given.model, constants=file.model.constants))
    parts: dict[str, Any] = {}
    for part in fields(given):
        parts[part.name] = _over(getattr(file, part.name), getattr(given, part.name))
    return replace(given, **parts)


def _over(file: Any, given: Any) -> Any:
    changed = {f.name for f in fields(given) if getattr(given, f.name) != getattr(file, f.name)}
    unset = type(given)()
    others = {other for name in changed for other in _INSTEAD.get(name, ())} - changed
    return replace(
        given,
        **{other: getattr(unset, other) for other in others if hasattr(unset, other)},
    )

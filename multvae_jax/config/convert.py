"""Configurations from and to JSON, and the check of their bounds."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import msgspec

from multvae_jax.config.upgrade import upgrade
from multvae_jax.errors import InputError

Config = TypeVar("Config")


def from_json(text: bytes, kind: type[Config]) -> Config:
    """Read a configuration, also one of an older version, and check the bounds of every value.

    Raises:
        InputError: naming the field and what it must be.
    """
    try:
        return _with_defaults(msgspec.convert(upgrade(msgspec.json.decode(text)), type=kind))
    except msgspec.MsgspecError as error:
        raise InputError(str(error)) from None


def _with_defaults(config: Config) -> Config:
    """The same configuration, with the defaults of missing fields on the instance.

    msgspec leaves them on the class, and would not write them.
    """
    # Any: to mypy a type variable is not a dataclass.
    config_: Any = config
    parts = {part.name: getattr(config_, part.name) for part in fields(config_)}
    return replace(
        config_,
        **{name: _with_defaults(part) for name, part in parts.items() if is_dataclass(part)},
    )


def to_json(config: Any) -> bytes:
    """A configuration as indented JSON; equal configurations give the same text."""
    return msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"


def validated(config: Config) -> Config:
    """The same configuration, if every option is within its bounds.

    Raises:
        InputError: naming the option and what it must be.
    """
    try:
        return _with_defaults(msgspec.convert(msgspec.to_builtins(config), type=type(config)))
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`").split(".")[-1].partition("[")[0]
        option = name.replace("_", "-")
        raise InputError(f"--{option}: {reason[:1].lower()}{reason[1:]}") from None

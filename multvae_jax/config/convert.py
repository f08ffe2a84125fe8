"""Configurations from and to JSON, and the check of their bounds."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import msgspec

from multvae_jax.checks.bounds import in_words, problem_of_float, problem_of_number_or_share
from multvae_jax.config import none
from multvae_jax.config.upgrade import upgrade
from multvae_jax.errors import InputError, names_like

Config = TypeVar("Config")


def from_json(text: bytes, kind: type[Config]) -> Config:
    """Read a configuration, also one of an older version, and check the bounds of every value.

    Raises:
        InputError: naming the field and what it must be, or the closest name of an unknown field.
    """
    decoded = none.with_none_read(upgrade(_decoded(text)))
    _refuse_unknown(decoded, kind)
    return _converted(decoded, kind, str)


def _converted(value: Any, kind: type[Config], named: Callable[[str], str]) -> Config:
    """A configuration from plain values; `named` spells the place of a fault."""
    try:
        config = msgspec.convert(value, type=kind)
    except msgspec.ValidationError as error:
        inside = _place_of(error)
        option = inside.partition("[")[0].rpartition(".")[2]
        problem = in_words(error) + _HINTS.get(option, "")
        raise InputError(f"{named(inside)}: {problem}" if inside else problem) from None
    for place, problem in _problems(value):
        raise InputError(f"{named(place)}: {problem}")
    return _with_defaults(config)


def _decoded(text: bytes) -> Any:
    """JSON as Python values."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise InputError(f"'{name}' is given twice")
            found[name] = value
        return found

    def refuse(constant: str) -> None:
        raise InputError(f"{constant} is not a finite number")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except json.JSONDecodeError as error:
        reason = f"{error.msg[:1].lower()}{error.msg[1:]}"
        raise InputError(
            f"not JSON: {reason} in line {error.lineno}, column {error.colno}"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"not JSON: byte {error.start} is not UTF-8 text") from None
    except RecursionError:
        raise InputError("not a configuration: too many brackets inside each other") from None


def _refuse_unknown(value: Any, kind: Any, place: str = "") -> None:
    """Refuse a field that an option class, or one of its parts, does not have."""
    if not isinstance(value, dict) or not (is_dataclass(kind) or _is_tagged(value, kind)):
        return
    kinds = typing.get_type_hints(kind)
    for name, part in value.items():
        if name == "type" and not is_dataclass(kind):
            continue
        if name not in kinds:
            what = f"no option '{name}' in {place}" if place else f"no section '{name}'"
            raise InputError(f"{what}{names_like(name, kinds)}")
        for inner in (kinds[name], *typing.get_args(kinds[name])):
            _refuse_unknown(part, inner, name)


def _is_tagged(value: dict[str, Any], kind: Any) -> bool:
    """Return whether a value is the member of a union that a struct stands for."""
    is_struct = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return is_struct and kind.__struct_config__.tag == value.get("type")


_RULES = {"held_out": problem_of_number_or_share}
"""Further checks of numbers, by the name of the option."""


_PLACES = ("out", "to")
"""Options that name what is written; an empty name would be the working directory."""


_HINTS = {"hidden": f"; {none.ABOUT_HIDDEN}"}
"""Advice that is added to the error for a wrong value, by the name of the option."""


def _place_of(error: msgspec.ValidationError) -> str:
    return str(error).partition(" - at `$")[2].rstrip("`").lstrip(".")


def _problems(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Place and problem of each number that float32 does not have, and text that names no file."""
    if isinstance(value, dict):
        for name, part in value.items():
            inside = f"{place}.{name}" if place else name
            yield from _problems(part, inside)
            if part == "" and name in _PLACES:
                yield inside, "is empty"
            if isinstance(part, float) and name in _RULES and (problem := _RULES[name](part)):
                yield inside, problem
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _problems(part, place)
    elif isinstance(value, float) and (problem := problem_of_float(value)):
        yield place, problem
    elif isinstance(value, str) and "\0" in value:
        yield place, "contains a NUL character"


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
    """A configuration as indented JSON; equal configurations give the same text.

    Raises:
        InputError: it names a file whose name is not UTF-8 text.
    """
    try:
        return msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object}: the name is not UTF-8 text; rename the file") from None


def validated(config: Config) -> Config:
    """The same configuration, if every option is within its bounds.

    Raises:
        InputError: naming the option and what it must be.
    """
    return _converted(msgspec.to_builtins(config), type(config), _flag)


def _flag(place: str) -> str:
    """The option of a place such as `training.learning_rate` or `model.hidden[1]`."""
    *_, parent, name = ("", *place.partition("[")[0].split("."))
    if parent.endswith("constants"):
        return f"--{parent.replace('_', '-')} {name}"
    return f"--{name.replace('_', '-')}"

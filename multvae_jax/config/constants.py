"""Constants of the parts of a training: `--PART-constants NAME NUMBER ...` of each part."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from multvae_jax.errors import InputError, names_like

CONSTANTS = {
    "model": "model_constants",
    "network": "network_constants",
    "likelihood": "constants",
    "prior": "prior_constants",
    "objective": "objective_constants",
    "optimizer": "optimizer_constants",
    "beta": "beta_constants",
    "blend": "blend_constants",
}
"""The option with the constants of each part. The part is an option of its own."""

IN_FULL = {f"{part}_constants": option for part, option in CONSTANTS.items()}
"""Each of these options by its name in full, which the command line takes as well."""


def flag_of_constants(part: str) -> str:
    """The option with the constants of a part, as on the command line."""
    return f"--{CONSTANTS[part].replace('_', '-')}"


def constants_of(
    options: Any, part: str, function: Any, taken: Collection[str] = ()
) -> dict[str, float]:
    """The constants of a part as arguments of the function that makes it.

    A parameter whose default is an integer or a truth value receives one of its kind.

    Args:
        options: the options of the model or of the training.
        part: the part, a key of `CONSTANTS`.
        function: the function.
        taken: parameters of it that other options set.

    Raises:
        InputError: if the function has no parameter of a name, or another option sets it.
    """
    given: dict[str, float] = getattr(options, CONSTANTS[part])
    if not given:
        return {}
    flag = flag_of_constants(part)
    for name in sorted(given.keys() & set(taken)):
        own = name.replace("_", "-")
        raise InputError(f"{flag} {name}: has an option of its own, --{own}")
    try:
        parameters = inspect.signature(function).parameters
    # A function in C may have no signature.
    except (TypeError, ValueError):
        return dict(given)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [name for name in parameters if name not in taken]
    for name in given:
        if name not in known and not open_ended:
            chosen = getattr(options, part)
            owner = f"the model's own {part}" if chosen is None else f"--{part} {chosen}"
            raise InputError(
                f"{flag} {name}: {owner} has no such constant{names_like(name, known)}"
            )
    return {
        name: _as_default(value, parameters[name].default) if name in parameters else value
        for name, value in given.items()
    }


def _as_default(value: float, default: Any) -> float:
    """A number in the type of a default, if that is a whole number or a truth value."""
    if isinstance(default, bool) and value in (0, 1):
        return bool(value)
    if isinstance(default, int) and not isinstance(default, bool) and value == int(value):
        return int(value)
    return value

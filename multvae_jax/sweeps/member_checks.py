"""Checks of the numbers of a member of a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multvae_jax.checks.bounds import NotNegative, check_mapping, check_number
from multvae_jax.errors import InputError, names_like
from multvae_jax.training.model_checks import HYPER
from multvae_jax.types import Hyper


def check_member(hyper: Any, learning_rate: Any, model: Hyper) -> None:
    """Refuse numbers of a member that its model does not have, or that are out of bounds.

    Args:
        hyper: the replacements of the member.
        learning_rate: its learning rate.
        model: numbers of the model.

    Raises:
        InputError: naming the number, and the closest one that there is.
    """
    check_number("learning_rate", learning_rate, NotNegative | None)
    check_mapping("hyper", hyper, "numbers by name, such as {'dropout': 0.3}")
    for name, value in hyper.items():
        if name == "beta":
            raise InputError("hyper['beta']: give beta as an argument of its own, Member(beta=...)")
        known = {**model, "weight_penalty": None}
        if name not in known:
            raise InputError(f"hyper['{name}']: no such number{names_like(name, known)}")
        if isinstance(known[name], Mapping):
            _check_constants(name, value, known[name])
        else:
            check_number(f"hyper['{name}']", value, HYPER.get(name, float))


def _check_constants(part: str, given: Any, known: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping):
        raise InputError(f"hyper['{part}']: give a dict of constants, such as {dict(known)}")
    for name, value in given.items():
        if name not in known:
            raise InputError(
                f"hyper['{part}']['{name}']: the {part} has no such constant"
                f"{names_like(name, known)}"
            )
        check_number(f"hyper['{part}']['{name}']", value, float)

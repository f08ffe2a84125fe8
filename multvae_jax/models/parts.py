"""Checks of the fields of the parts of a model, each of which refuses in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from multvae_jax.checks.bounds import (
    check_choice,
    check_function,
    check_kind,
    check_mapping,
    described,
)
from multvae_jax.checks.signatures import Check, or_none
from multvae_jax.errors import InputError
from multvae_jax.log_probability import Likelihood
from multvae_jax.networks import Network
from multvae_jax.priors import Prior


def _function(of: str) -> Check:
    return partial(check_function, what=f"a function of ({of})")


def check_constants(name: str, value: Any) -> None:
    """Refuse what are not numbers, or arrays of numbers, by name.

    Raises:
        InputError: naming the constant.
    """
    check_mapping(name, value, "numbers by name, such as {'gamma': 2.0}")
    for constant, number in value.items():
        try:
            is_number = np.asarray(number).dtype.kind in "biuf"
        except (TypeError, ValueError):
            is_number = False
        # Numbers that jax has in no other library, such as bfloat16.
        if not is_number and not hasattr(number, "aval"):
            raise InputError(f"{name}['{constant}']: {described(number)}; give a number")


_INIT = _function("key, n_items")
_FIELDS: Mapping[type, Mapping[str, Check]] = {
    Network: {
        "init": _INIT,
        "encode": _function("params, batch"),
        "decode": _function("params, z"),
        "head": or_none(_function("params, z")),
    },
    Likelihood: {
        "click": _function("f, x, theta"),
        "normalizer": or_none(_function("f, total, theta")),
        "summary": _function("batch"),
        "constants": check_constants,
        "init": _INIT,
        "merge": or_none(_function("normalizers, total, theta")),
        "draw": or_none(_function("key, n_items, theta")),
        "draw_per": partial(check_choice, choices=("user", "update")),
    },
    Prior: {
        "divergence": _function("mu, logvar, z, theta"),
        "constants": check_constants,
        "init": _INIT,
    },
}
_EXAMPLES = {
    Network: "variational_mlp((600,), 200)",
    Likelihood: "multinomial()",
    Prior: "standard_normal()",
}


def check_part(name: str, part: Any, kind: type) -> None:
    """Refuse what is not a part of a kind, or a part with a field of another kind.

    Args:
        name: name of the argument.
        part: its value.
        kind: `Network`, `Likelihood` or `Prior`.

    Raises:
        InputError: naming the argument or the field, and what to give.
    """
    check_kind(name, part, kind, _EXAMPLES[kind])
    for field, check in _FIELDS[kind].items():
        check(f"{name}.{field}", getattr(part, field))

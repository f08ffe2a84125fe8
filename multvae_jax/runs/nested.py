"""Nested dicts of arrays as the flat names of an `.npz` file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def flat(features: Any, name: str) -> dict[str, np.ndarray]:
    """Arrays of nested dicts by name; none for None."""
    if features is None:
        return {}
    if not isinstance(features, Mapping):
        return {name: np.asarray(features)}
    parts = (flat(part, f"{name}/{key}") for key, part in features.items())
    return {key: array for part in parts for key, array in part.items()}


def nested(file: Mapping[str, np.ndarray], name: str) -> Any:
    """The inverse of `flat`."""
    if name in file:
        return file[name]
    own = [key.removeprefix(f"{name}/") for key in file if key.startswith(f"{name}/")]
    first = dict.fromkeys(key.partition("/")[0] for key in own)
    return {key: nested(file, f"{name}/{key}") for key in first} or None

"""Checks of the arrays that interactions, catalogues and splits are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from multvae_jax.checks.bounds import check_array, check_ids, check_matrix
from multvae_jax.errors import InputError, shortened

TITLES = "titles by item id, such as {'50': 'Star Wars'}, or {} without any"


def check_unique(name: str, ids: Any) -> None:
    """Refuse what is not an array of text, each once."""
    check_array(name, ids)
    check_ids(name, ids, of_text=True)
    known = ids.tolist()
    if len(set(known)) < len(known):
        ((twice, _),) = Counter(known).most_common(1)
        raise InputError(f"{name}: '{shortened(twice)}' is there twice")


def check_axis(name: str, array: Any, length: int | None, kinds: str) -> None:
    """Refuse what is not an array with one axis, of a length and of a kind of numbers."""
    check_array(name, array)
    if array.ndim != 1 or (length is not None and len(array) != length):
        wanted = "with one axis" if length is None else f"of shape ({length},)"
        raise InputError(f"{name}: an array of shape {array.shape}; give one {wanted}")
    if array.dtype.kind not in kinds:
        numbers = "numbers" if "f" in kinds else "whole numbers"
        raise InputError(f"{name}: an array of {array.dtype}; give one of {numbers}")


def check_users(name: str, matrix: Any, n_users: int) -> None:
    """Refuse what is not a sparse matrix with a row per user."""
    check_matrix(name, matrix)
    if matrix.shape[0] != n_users:
        raise InputError(f"{name}: {matrix.shape[0]:,} rows for {n_users:,} users")


def feature_rows(features: Mapping[Any, Any], ids: np.ndarray) -> np.ndarray:
    """Return the features of ids as the rows of one array, in the order of the ids.

    Args:
        features: id -> array, of any shape.
        ids: the ids, at least one, each of which has features.

    Raises:
        InputError: the arrays differ in shape, or hold what is not a finite number.
    """
    try:
        rows = np.stack([np.asarray(features[each], np.float32) for each in ids])
    except (TypeError, ValueError) as error:
        raise InputError(f"features: not arrays of numbers of one shape ({error})") from None
    finite = np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
    if not finite.all():
        first = shortened(str(ids[np.argmin(finite)]))
        raise InputError(f"features: those of '{first}' are not all finite numbers")
    return rows

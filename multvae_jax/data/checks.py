"""Checks of the arrays that interactions, catalogues and splits are made of."""

from __future__ import annotations

from collections import Counter
from typing import Any

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

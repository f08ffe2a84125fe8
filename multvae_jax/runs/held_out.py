"""Held-out users of a run in one file, for runs whose data no option describes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from multvae_jax.data.types import HeldOut, Split
from multvae_jax.errors import InputError, file_errors

PARTS = ("validation", "test")


def write_held_out(path: Path, split: Split) -> None:
    """Write the validation and test users of a split to an .npz file."""
    arrays: dict[str, np.ndarray] = {}
    for part in PARTS:
        users: HeldOut | None = getattr(split, part)
        if users is None:
            continue
        arrays[f"{part}.user_ids"] = np.asarray(users.user_ids, str)
        for name in ("history", "targets"):
            matrix: sp.csr_array = getattr(users, name)
            arrays[f"{part}.{name}.shape"] = np.asarray(matrix.shape)
            for field in ("indptr", "indices", "data"):
                arrays[f"{part}.{name}.{field}"] = getattr(matrix, field)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_held_out(path: Path, part: str) -> HeldOut | None:
    """Read the users of a part, "validation" or "test"; None if the split has none.

    Raises:
        InputError: if the file cannot be read.
    """
    try:
        with file_errors(path), np.load(path, allow_pickle=False) as file:
            if f"{part}.user_ids" not in file:
                return None
            history, targets = (_matrix(file, f"{part}.{name}") for name in ("history", "targets"))
            return HeldOut(history, targets, file[f"{part}.user_ids"].astype(object))
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: not the held-out users of a run ({error})") from None


def _matrix(file: Mapping[str, np.ndarray], name: str) -> sp.csr_array:
    parts = tuple(file[f"{name}.{field}"] for field in ("data", "indices", "indptr"))
    return sp.csr_array(parts, shape=tuple(file[f"{name}.shape"]))

"""Held-out users of a run in one file, so that it is evaluated on the same users again."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import scipy.sparse as sp

from multvae_jax.data.types import HeldOut, Split
from multvae_jax.errors import InputError, file_errors, first_line
from multvae_jax.runs.nested import flat, nested

PARTS = ("validation", "test")


def write_held_out(path: Path, split: Split) -> None:
    """Write the validation and test users of a split to an .npz file."""
    arrays: dict[str, np.ndarray] = {}
    for part in PARTS:
        users: HeldOut | None = getattr(split, part)
        if users is None or not len(users.user_ids):
            continue
        arrays[f"{part}.user_ids"] = np.asarray(users.user_ids, str)
        arrays |= flat(users.user_features, f"{part}.user_features")
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
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not the held-out users of a run (not a regular file)")
    try:
        # Opened here because numpy leaves a file open that is not in its format.
        with (
            file_errors(path),
            path.open("rb") as opened,
            np.load(opened, allow_pickle=False) as file,
        ):
            if f"{part}.user_ids" not in file:
                return None
            history, targets = (_matrix(file, f"{part}.{name}") for name in ("history", "targets"))
            features = nested(file, f"{part}.user_features")
            return HeldOut(history, targets, file[f"{part}.user_ids"].astype(object), features)
    except InputError:
        raise
    # zipfile reads the file, and zlib the arrays.
    except (KeyError, ValueError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not the held-out users of a run ({first_line(error)})") from None


def _matrix(file: Mapping[str, np.ndarray], name: str) -> sp.csr_array:
    parts = tuple(file[f"{name}.{field}"] for field in ("data", "indices", "indptr"))
    matrix = sp.csr_array(parts, shape=tuple(file[f"{name}.shape"]))
    matrix.check_format(full_check=True)
    return matrix


def changed_users(before: HeldOut, now: HeldOut) -> list[str]:
    """Ids of the users of both whose interactions, history or targets, are not the same.

    Args:
        before: users over a catalogue.
        now: users over the same catalogue.
    """
    n_items = before.history.shape[1]
    row_before = {user: row for row, user in enumerate(before.user_ids)}
    rows = np.array([row_before.get(user, -1) for user in now.user_ids], np.int64)
    own_rows, own_items = _interactions(before)
    rows_now, items_now = _interactions(now)
    of_both, still = rows[rows_now] >= 0, np.isin(own_rows, rows)
    pairs = own_rows[still] * n_items + own_items[still]
    pairs_now = rows[rows_now][of_both] * n_items + items_now[of_both]
    return before.user_ids[np.unique(np.setxor1d(pairs, pairs_now) // n_items)].tolist()


def _interactions(users: HeldOut) -> tuple[np.ndarray, np.ndarray]:
    """Row and item of each interaction."""
    cells = (users.history + users.targets).tocoo()
    return cells.row.astype(np.int64), cells.col

"""Stores: splits in a folder of .npy files, whose training histories need not fit in memory.

store.json                     format, sizes, notes; written last
train.indptr.npy, .items.npy   where the items of each training user begin, and the items
train.values.npy               the value of each interaction, unless all are 1
train.user_ids.npy             ids of the training users
item_ids.npy, .counts.npy      the items, and the number of training users of each
titles.json                    titles of the items
validation.*, test.*           the same files for histories and targets of the held-out users
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from multvae_jax.checks.bounds import check_path
from multvae_jax.data.types import Catalogue, HeldOut, Split
from multvae_jax.errors import InputError, file_errors, first_line, shortened
from multvae_jax.host.stored_matrix import StoredMatrix

VERSION = 1
"""Version of the format; another one cannot be read."""

ABOUT = "store.json"
TITLES = "titles.json"
MATRICES = ("history", "targets")


def open_store(path: str | Path) -> Split:
    """Open a store that `write_store` or `multvae store` wrote.

    The items and the held-out users are read. `fit` reads the training histories a few batches at a
    time; `split.train.tocsr()` reads all of them into memory.

    Args:
        path: the folder.

    Raises:
        InputError: it is not a store, is of another version, or is damaged.

    Example:
        >>> mv.write_store("opened.store", split)
        >>> same = mv.open_store("opened.store")
        >>> same.train.shape == split.train.shape
        True
    """
    check_path("path", path)
    folder = Path(path)
    about = _about(folder)
    n_items = about["items"]
    with _readable(folder / TITLES):
        titles = json.loads((folder / TITLES).read_text(encoding="utf-8"))
    item_ids = _array(folder / "item_ids.npy").astype(object)
    catalogue = Catalogue(item_ids, _array(folder / "item_counts.npy"), titles)
    train = _matrix(folder, "train", n_items, about["fingerprint"])
    sizes = (*train.shape, train.nnz)
    if sizes != (about["users"], n_items, about["interactions"]) or len(item_ids) != n_items:
        raise InputError(f"{folder}: damaged, its files do not fit together; write it again")
    held_out = {part: _held_out(folder, part, n_items) for part in about["held_out"]}
    nobody = sp.csr_array((0, n_items), dtype=np.float32)
    return Split(
        train=train,
        validation=held_out.get("validation"),
        test=held_out.get("test") or HeldOut(nobody, nobody, np.array([], object)),
        user_ids=_array(folder / "train.user_ids.npy", mmap_mode="r"),
        catalogue=catalogue,
        notes=tuple(about["notes"]),
    )


def is_store(path: str | Path) -> bool:
    """Return whether a path is the folder of a store, of whatever version."""
    return (Path(path) / ABOUT).is_file()


def _about(folder: Path) -> dict[str, Any]:
    """The content of store.json, once it and the sizes of all files are checked."""
    if not is_store(folder):
        problem = f"it has no {ABOUT}" if folder.is_dir() else "not a folder"
        if not folder.exists():
            problem = "there is no such folder"
        raise InputError(f"{folder}: not a store ({problem}); multvae store writes one")
    with file_errors(folder / ABOUT):
        text = (folder / ABOUT).read_bytes()
    try:
        about = json.loads(text)
        found, is_known = about["version"], about.pop("format") == "multvae store"
        checksum = about.pop("checksum")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{folder / ABOUT}: damaged, or not of a store") from None
    if not is_known:
        raise InputError(f"{folder / ABOUT}: damaged, or not of a store")
    if found != VERSION:
        raise InputError(
            f"{folder}: a store of version {shortened(str(found))}, and this program reads version "
            f"{VERSION}; write it again with multvae store"
        )
    if checksum != checksum_of({"format": "multvae store", **about}):
        raise InputError(f"{folder / ABOUT}: damaged, its checksum differs; write the store again")
    for name, expected in about["bytes"].items():
        with file_errors(folder / name):
            size = (folder / name).stat().st_size
        if size != expected:
            raise InputError(
                f"{folder / name}: damaged, it has {size:,} bytes and not {expected:,}; write the "
                "store again"
            )
    return about


def checksum_of(about: Mapping[str, Any]) -> str:
    """SHA-256 of the content of store.json without it."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _matrix(folder: Path, name: str, n_items: int, fingerprint: str = "") -> StoredMatrix:
    values = folder / f"{name}.values.npy"
    return StoredMatrix(
        folder / f"{name}.indptr.npy",
        folder / f"{name}.items.npy",
        values if values.exists() else None,
        n_items,
        fingerprint,
    )


def _held_out(folder: Path, part: str, n_items: int) -> HeldOut:
    history, targets = (_matrix(folder, f"{part}.{name}", n_items).tocsr() for name in MATRICES)
    ids = _array(folder / f"{part}.history.user_ids.npy").astype(object)
    return HeldOut(history, targets, ids)


def _array(path: Path, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    with _readable(path):
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    raise AssertionError


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise what goes wrong in reading a file as an error that names it."""
    try:
        with file_errors(path):
            yield
    except InputError:
        raise
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: damaged ({first_line(error)}); write the store again") from None

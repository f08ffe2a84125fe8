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
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import scipy.sparse as sp

from multvae_jax.checks.bounds import check_ids, check_kind, check_path, described
from multvae_jax.data.checks import check_users
from multvae_jax.data.types import Catalogue, HeldOut, Split
from multvae_jax.errors import InputError, file_errors, first_line, shortened
from multvae_jax.host.files import check_space, new_directory
from multvae_jax.host.stored_matrix import StoredMatrix

VERSION = 1
"""Version of the format; another one cannot be read."""

ABOUT = "store.json"
TITLES = "titles.json"
PARTS = ("validation", "test")
MATRICES = ("history", "targets")

Blocks = Iterable[tuple[Any, sp.csr_array]]
"""Ids of some users, and their users x items matrix; and so on for all users."""


def write_store(path: str | Path, split: Split) -> None:
    """Write a split to a folder, from which `fit` reads the training users while it trains.

    Args:
        path: the folder, which must be new or empty. It appears when all of it is written.
        split: the split, without features of users and items; attach these to the split that
            `open_store` returns.

    Raises:
        InputError: the split has features, or the folder cannot be written.

    Example:
        >>> mv.write_store("ratings.store", split)
        >>> run = mv.fit(key, model, mv.open_store("ratings.store"), epochs=1)
    """
    check_kind("split", split, Split, "hold_out_users(data)")
    if split.user_features is not None or split.catalogue.features is not None:
        raise InputError(
            "split: has features, which a store does not hold; write the split without them, and "
            "attach them to the split that open_store returns"
        )
    write_histories(
        path, _blocks_of(split), split.catalogue, split.validation, split.test, split.notes
    )


def write_histories(
    path: str | Path,
    blocks: Blocks,
    catalogue: Catalogue,
    validation: HeldOut | None = None,
    test: HeldOut | None = None,
    notes: Iterable[str] = (),
) -> None:
    """Write a store of training users that do not fit in memory, a block of users at a time.

    Args:
        path: the folder, which must be new or empty. It appears when all of it is written.
        blocks: for each block, the ids of its training users and their users x items matrix. One
            block at a time is in memory.
        catalogue: the items. The number of users of each is counted in the blocks.
        validation: users to select the epoch on; none by default.
        test: users to report on; none by default.
        notes: remarks on how the data was made.

    Raises:
        InputError: a block is not such a pair, does not have the items of the catalogue or has
            values that are not finite, there are no users, or the folder cannot be written.

    Example:
        >>> halves = (slice(0, 24), slice(24, None))  # read one by one
        >>> blocks = ((split.user_ids[half], split.train[half]) for half in halves)
        >>> mv.write_histories("large.store", blocks, split.catalogue, test=split.test)
    """
    check_path("path", path)
    check_kind("catalogue", catalogue, Catalogue, "that of a split")
    n_items = len(catalogue.ids)
    with new_directory(Path(path)) as folder, file_errors(path):
        train = _MatrixWriter(folder, "train", n_items)
        with train:
            for number, block in enumerate(blocks):
                train.append(*_checked(block, number, n_items))
        if not train.n_users:
            raise InputError(f"{path}: no users to train on")
        held_out = {"validation": validation, "test": test}
        for part, users in held_out.items():
            if users is None:
                continue
            for name in MATRICES:
                with _MatrixWriter(folder, f"{part}.{name}", n_items) as writer:
                    writer.append(users.user_ids, _csr(getattr(users, name)))
        np.save(folder / "item_ids.npy", np.array(_text_of(catalogue.ids), str))
        np.save(folder / "item_counts.npy", train.counts)
        (folder / TITLES).write_text(json.dumps(dict(catalogue.titles)), encoding="utf-8")
        about = {
            "format": "multvae store",
            "version": VERSION,
            "written_by": f"multvae-jax {version('multvae-jax')}",
            "users": train.n_users,
            "items": n_items,
            "interactions": train.n_entries,
            "held_out": [part for part, users in held_out.items() if users is not None],
            "fingerprint": train.fingerprint,
            "notes": list(notes),
            "bytes": {file.name: file.stat().st_size for file in sorted(folder.iterdir())},
        }
        text = json.dumps(about | {"checksum": _checksum(about)}, indent=2)
        (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


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
    """Whether a path is the folder of a store, of whatever version."""
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
    if checksum != _checksum({"format": "multvae store", **about}):
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


def _checksum(about: Mapping[str, Any]) -> str:
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


ROWS = 2**16
"""Users of a matrix in memory that are written at a time."""


def _blocks_of(split: Split) -> Iterator[tuple[Any, sp.csr_array]]:
    train = split.train
    if isinstance(train, StoredMatrix):
        for part, rows in train.blocks():
            yield split.user_ids[part], rows
        return
    for start in range(0, train.shape[0], ROWS):
        part = slice(start, start + ROWS)
        yield split.user_ids[part], train[part]


def _checked(block: Any, number: int, n_items: int) -> tuple[Any, sp.csr_array]:
    """A block of users, if it is one."""
    try:
        ids, matrix = block
    except (TypeError, ValueError):
        got = described(block)
        raise InputError(f"blocks: number {number} is {got}; give pairs (ids, matrix)") from None
    check_ids(f"blocks: the ids of number {number}", ids)
    check_users(f"blocks: the matrix of number {number}", matrix, len(ids))
    if matrix.shape[1] != n_items:
        raise InputError(
            f"blocks: the matrix of number {number} has {matrix.shape[1]:,} items, and the "
            f"catalogue {n_items:,}"
        )
    rows = _csr(matrix)
    if not np.isfinite(rows.data).all():
        raise InputError(f"blocks: the matrix of number {number} has values that are not finite")
    return ids, rows


def _text_of(ids: Any) -> list[str]:
    """Ids as text, none of which may end with NUL, where an array of NumPy would cut it."""
    texts = [str(one) for one in ids]
    wrong = next((text for text in texts if text.endswith("\0")), None)
    if wrong is not None:
        raise InputError(f"ids: '{shortened(wrong)}' ends with the character NUL")
    return texts


def _csr(matrix: Any) -> sp.csr_array:
    """The matrix in float32, without explicit zeros, which stand for no interaction."""
    rows = sp.csr_array(matrix.tocsr(), dtype=np.float32)
    if (rows.data == 0).any():
        rows = rows.copy()
        rows.eliminate_zeros()
    return rows


# --- writing ----------------------------------------------------------------------------------


class _ArrayWriter:
    """Appends to an .npy file with one axis, whose length is written at the end.

    Attributes:
        dtype: type of the entries.
        size: number of entries so far.
        digest: SHA-256 of the entries.
    """

    def __init__(self, path: Path, dtype: Any) -> None:
        self._file: BinaryIO = path.open("wb")
        self.dtype, self.size, self.digest = np.dtype(dtype), 0, hashlib.sha256()
        self._header()
        self._begin = self._file.tell()

    def append(self, array: np.ndarray) -> None:
        """Append entries."""
        data = np.ascontiguousarray(array, self.dtype).view(np.uint8).data
        self._file.write(data)
        self.digest.update(data)
        self.size += array.size

    def close(self) -> None:
        with self._file as file:
            file.seek(0)
            self._header()
            assert file.tell() == self._begin

    def _header(self) -> None:
        about = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.size,)}
        # Of one length for all sizes: numpy leaves room for the number of entries to grow.
        np.lib.format.write_array_header_1_0(self._file, about)


class _MatrixWriter:
    """Writes the files of a matrix and the ids of its users, a block at a time.

    Attributes:
        n_users: number of users so far.
        n_entries: number of entries so far.
        counts: number of entries of each item.
        fingerprint: SHA-256 of all that was written, which does not depend on the blocks.
    """

    def __init__(self, folder: Path, name: str, n_items: int) -> None:
        self._folder, self._name = folder, name
        self._starts = _ArrayWriter(folder / f"{name}.indptr.npy", np.int64)
        self._items = _ArrayWriter(folder / f"{name}.items.npy", np.int32)
        # Written only if one of them is not 1.
        self._values: _ArrayWriter | None = None
        # Their common width is known at the end.
        self._text = (folder / f"{name}.user_ids.text").open("w+b")
        self._widest = 1
        self._ids_digest = hashlib.sha256()
        self._starts.append(np.zeros(1, np.int64))
        self.n_users = self.n_entries = 0
        self.counts = np.zeros(n_items, np.int64)

    def __enter__(self) -> _MatrixWriter:
        return self

    def append(self, ids: Any, rows: sp.csr_array) -> None:
        """Write some users."""
        if self._values is None and (rows.data != 1).any():
            self._values = _ArrayWriter(self._folder / f"{self._name}.values.npy", np.float32)
            for start in range(0, self.n_entries, ROWS):
                self._values.append(np.ones(min(ROWS, self.n_entries - start), np.float32))
        if self._values is not None:
            self._values.append(rows.data)
        self._starts.append(rows.indptr[1:].astype(np.int64) + self.n_entries)
        self._items.append(rows.indices)
        names = _text_of(ids)
        self._text.write(json.dumps(names).encode() + b"\n")
        joined = "".join(f"{name}\0" for name in names)
        self._ids_digest.update(joined.encode(errors="surrogatepass"))
        self._widest = max(self._widest, max(map(len, names), default=0))
        self.n_users += len(names)
        self.n_entries += rows.nnz
        self.counts += np.bincount(rows.indices, minlength=len(self.counts))

    def __exit__(self, kind: Any, *_: object) -> None:
        arrays = [self._starts, self._items, *([] if self._values is None else [self._values])]
        for array in arrays:
            array.close()
        with self._text as text:
            if kind is None:
                self._write_ids(text)
        (self._folder / f"{self._name}.user_ids.text").unlink()
        digests = [self._ids_digest, *(array.digest for array in arrays)]
        parts = [str(len(self.counts)), *(digest.hexdigest() for digest in digests)]
        self.fingerprint = hashlib.sha256(" ".join(parts).encode()).hexdigest()

    def _write_ids(self, text: BinaryIO) -> None:
        """Write the ids as text of one width, of which any part can be read."""
        check_space(self._folder, 4 * self._widest * self.n_users)
        writer = _ArrayWriter(self._folder / f"{self._name}.user_ids.npy", f"<U{self._widest}")
        text.seek(0)
        for line in text:
            writer.append(np.array(json.loads(line), writer.dtype))
        writer.close()

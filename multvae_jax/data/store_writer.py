"""The writing of stores, a block of users at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse as sp

from multvae_jax.checks.bounds import check_ids, check_kind, check_path, described
from multvae_jax.data.checks import check_users
from multvae_jax.data.store import ABOUT, MATRICES, TITLES, VERSION, checksum_of
from multvae_jax.data.types import Catalogue, HeldOut, Split
from multvae_jax.errors import InputError, file_errors, shortened
from multvae_jax.host.files import check_space, new_directory
from multvae_jax.host.stored_matrix import StoredMatrix

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
        text = json.dumps(about | {"checksum": checksum_of(about)}, indent=2)
        (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


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
    """The matrix in float32, without explicit zeros, which stand for no interaction.

    Entries of one place are added, as scipy reads them; otherwise the order is kept.
    """
    rows = sp.csr_array(matrix.tocsr(), dtype=np.float32)
    if not rows.has_canonical_format:
        added = rows.copy()
        added.sum_duplicates()
        rows = added if added.nnz < rows.nnz else rows
    if (rows.data == 0).any():
        rows = rows.copy()
        rows.eliminate_zeros()
    return rows


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
        # The header has one length for all sizes: numpy leaves room for the number to grow.
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

"""A sparse matrix in files, whose rows are read when they are needed.

The files are read and not mapped: pages of a mapped file count as memory of the process, and a file
that is cut short while it is mapped ends the process with a bus error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from multvae_jax.errors import InputError, file_errors

Mark = tuple[int, int]
"""Size of a file, and the time of its last change."""


class StoredArray:
    """An array with one axis in an .npy file, of which parts are read.

    Attributes:
        path: the file.
        dtype: type of the entries.
        size: number of the entries.
    """

    def __init__(self, path: Path) -> None:
        """Read the header of the file.

        Raises:
            InputError: it is not such a file, or it does not have all of its entries.
        """
        self.path = path
        with file_errors(path), path.open("rb") as file:
            self._mark = _mark_of(file)
            try:
                version = np.lib.format.read_magic(file)
                read = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }[version]
                (self.size,), _, self.dtype = read(file)
            except (ValueError, KeyError):
                raise InputError(f"{path}: not an .npy file with one axis") from None
            self._begin = file.tell()
        expected = self._begin + self.size * self.dtype.itemsize
        if self._mark[0] != expected:
            raise InputError(f"{path}: has {self._mark[0]:,} bytes and not {expected:,}")

    def read_into(self, target: np.ndarray, runs: Sequence[tuple[int, int, int]]) -> None:
        """Read some runs of entries.

        Args:
            target: where to put them, an array of the same type.
            runs: first entry, place in the target and number of entries of each run.

        Raises:
            InputError: the file has changed since it was opened.
        """
        wide, view = self.dtype.itemsize, target.view(np.uint8).data
        with file_errors(self.path), self.path.open("rb", buffering=0) as file:
            if _mark_of(file) != self._mark:
                raise self._changed()
            # So that the disk fetches all of them at once.
            for first, _, length in runs if len(runs) > 1 else ():
                _will_need(file, self._begin + first * wide, length * wide)
            for first, place, length in runs:
                file.seek(self._begin + first * wide)
                left = view[place * wide : (place + length) * wide]
                while left:
                    count = file.readinto(left)
                    if not count:
                        raise self._changed()
                    left = left[count:]

    def read(self) -> np.ndarray:
        """Read all entries.

        Raises:
            InputError: as in `read_into`.
        """
        target = np.empty(self.size, self.dtype)
        self.read_into(target, [(0, 0, self.size)])
        return target

    def _changed(self) -> InputError:
        return InputError(
            f"{self.path}: has changed since it was opened; do not change a store that is in use"
        )


def _will_need(file: BinaryIO | Any, begin: int, length: int) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), begin, length, os.POSIX_FADV_WILLNEED)


def _mark_of(file: BinaryIO | Any) -> Mark:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


class StoredMatrix:
    """A users x items matrix in files: which items each row has, and the values unless all are 1.

    Attributes:
        shape: number of users and of items.
        fingerprint: a hash of the contents.
    """

    def __init__(
        self, indptr: Path, items: Path, values: Path | None, n_items: int, fingerprint: str
    ) -> None:
        """Open the files; their entries are read when they are needed.

        Args:
            indptr: where the entries of each row begin, as in `scipy.sparse.csr_array`; int64.
            items: the item of each entry; int32.
            values: the value of each entry; float32. None if all are 1.
            n_items: number of columns.
            fingerprint: see the attribute.

        Raises:
            InputError: one of them is not an .npy file of that type, or they do not fit together.
        """
        self._starts, self._items = StoredArray(indptr), StoredArray(items)
        self._values = None if values is None else StoredArray(values)
        types = {self._starts: np.int64, self._items: np.int32, self._values: np.float32}
        for array, dtype in types.items():
            if array is not None and array.dtype != dtype:
                raise InputError(f"{array.path}: of {array.dtype} and not of {np.dtype(dtype)}")
        if self._values is not None and self._values.size != self._items.size:
            raise InputError(
                f"{self._values.path}: {self._values.size:,} values of {self._items.size:,} items"
            )
        self.shape = (self._starts.size - 1, n_items)
        self.fingerprint = fingerprint
        self._indptr: np.ndarray | None = None

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return self._items.size

    @property
    def indptr(self) -> Int[np.ndarray, " users_plus_1"]:
        """Where the entries of each row begin, and where the last ones end; read when first used.

        Raises:
            InputError: the file is damaged.
        """
        if self._indptr is None:
            found = self._starts.read()
            if found[0] != 0 or found[-1] != self.nnz or (found[1:] < found[:-1]).any():
                raise InputError(f"{self._starts.path}: damaged; write the store again")
            self._indptr = found
        return self._indptr

    def rows(self, users: Int[np.ndarray, " users"]) -> sp.csr_array:
        """Read some rows.

        Args:
            users: their numbers, in any order; a negative one gives an empty row.

        Raises:
            InputError: a file has changed since it was opened, or is damaged.
        """
        is_real = users >= 0
        first = np.where(is_real, self.indptr[users], 0)
        lengths = np.where(is_real, self.indptr[users + 1], 0) - first
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        # Rows that follow each other are read at once, and all of them in the order of the file.
        follows = first[1:] == (first + lengths)[:-1]
        begins = np.flatnonzero(np.concatenate([[True], ~follows])) if len(users) else users
        places, runs = indptr[begins], first[begins]
        sizes = np.diff(np.append(places, indptr[-1]))
        in_order = np.argsort(runs, kind="stable")
        in_order = in_order[sizes[in_order] > 0]
        columns = [column[in_order].tolist() for column in (runs, places, sizes)]
        where = list(zip(*columns, strict=True))
        items = np.empty(indptr[-1], np.int32)
        self._items.read_into(items, where)
        if items.size and not (items.min() >= 0 and items.max() < self.shape[1]):
            wrong = items.min() if items.min() < 0 else items.max()
            raise InputError(
                f"{self._items.path}: damaged, it has the item {wrong:,} of {self.shape[1]:,}; "
                "write the store again"
            )
        values = np.ones(items.size, np.float32)
        if self._values is not None:
            self._values.read_into(values, where)
        return sp.csr_array((values, items, indptr), shape=(len(users), self.shape[1]))

    def blocks(self, n_entries: int = 2**22) -> Iterator[tuple[slice, sp.csr_array]]:
        """Read all rows, in blocks of about a number of entries."""
        start, n_users = 0, self.shape[0]
        while start < n_users:
            stop = int(np.searchsorted(self.indptr, self.indptr[start] + n_entries, "right")) - 1
            part = slice(start, min(max(stop, start + 1), n_users))
            yield part, self.rows(np.arange(part.start, part.stop))
            start = part.stop

    def tocsr(self) -> sp.csr_array:
        """Read all of it into memory."""
        return self.rows(np.arange(self.shape[0]))

    def __repr__(self) -> str:
        users, items = self.shape
        return f"<StoredMatrix: {self.nnz:,} of {users:,} users with {items:,} items>"

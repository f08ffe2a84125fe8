"""Opening of one file that a user names: a file, a pipe, a member of a zip file."""

import os
import re
import select
import stat
import sys
import time
from difflib import get_close_matches
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from multvae_jax.checks.bounds import check_path
from multvae_jax.data.readers.compression import (
    BY_SUFFIX,
    PACKED,
    ZIP_MAGIC,
    most_bytes,
    unpack,
    unpack_member,
)
from multvae_jax.data.readers.paths import STDIN
from multvae_jax.errors import InputError, file_errors

_TYPED_MAGIC = (b"PAR1", b"ARROW1")
_CHUNK = 2**20
_DEEPEST = 3  # a file that is compressed twice, in a zip file
_PATIENCE = 10.0  # seconds for a program to open the other end of a pipe


class Source(NamedTuple):
    """The contents of one file.

    Attributes:
        name: its name in messages.
        data: its decompressed contents.
        suffix: the suffix that names its format, such as ".csv"; "" if there is none.
        notes: remarks on how it was opened.
    """

    name: str
    data: bytes
    suffix: str
    notes: tuple[str, ...] = ()


def open_source(path: str | Path) -> Source:
    """Read and decompress one file.

    Args:
        path: the file, "-" for standard input, or a member of a zip file, as in
            "ml-1m.zip/ml-1m/ratings.dat".

    Raises:
        InputError: the file cannot be read or decompressed, or is too large for the memory.
    """
    check_path("path", path)
    name = str(path)
    _check_name(name)
    try:
        return _opened(name)
    except MemoryError:
        raise InputError(f"{name}: does not fit the memory") from None


def _opened(name: str) -> Source:
    if name == STDIN:
        name = "standard input"
        return _unpacked(name, _standard_input(), "", None)
    archive, member = _split_member(Path(name))
    data = _contents(archive)
    if member is not None and not data.startswith(ZIP_MAGIC):
        raise InputError(f"{archive}: not a zip file; '{member}' cannot be read from it")
    return _unpacked(str(archive), data, archive.name, member)


def _check_name(name: str) -> None:
    if not name:
        raise InputError("an empty path; name a file")
    if "\0" in name:
        raise InputError(f"{name}: a path cannot hold a NUL character")
    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://", name):
        raise InputError(f"{name}: an address, not a file; download it first")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{name}: the name is not UTF-8 text; rename the file") from None


def _split_member(path: Path) -> tuple[Path, str | None]:
    """Split "archive.zip/member" at the first part that is a file."""
    with file_errors(path):
        for parent in reversed(path.parents):
            if parent.is_file() and _starts_as_zip(parent):
                return parent, path.relative_to(parent).as_posix()
    return path, None


def _starts_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in ZIP_MAGIC


def _unpacked(name: str, data: bytes, file_name: str, member: str | None) -> Source:
    """Decompress until what is left is not compressed, by its first bytes."""
    notes: tuple[str, ...] = ()
    suffixes = [suffix.lower() for suffix in Path(file_name).suffixes]
    for _ in range(_DEEPEST):
        packed = next((packed for packed in PACKED if data.startswith(packed.magic)), None)
        if packed is not None:
            data, further = unpack(name, data, packed)
        elif data.startswith(ZIP_MAGIC):
            inner, data, further = unpack_member(name, data, member)
            name, member = f"{name}/{inner}", None
            suffixes = [suffix.lower() for suffix in Path(inner).suffixes]
        else:
            break
        notes += further
        if suffixes and suffixes[-1] in BY_SUFFIX:
            suffixes.pop()
    else:
        raise InputError(f"{name}: compressed more than {_DEEPEST} times; unpack it yourself")
    if suffixes and suffixes[-1] in BY_SUFFIX and data:
        kind = BY_SUFFIX[suffixes.pop()]
        if b"\0" in data[:4096] and not data.startswith(_TYPED_MAGIC):
            raise InputError(f"{name}: not a {kind} file, though its name ends as one")
        notes += (f"{name}: not compressed, though its name ends as that of a {kind} file",)
    return Source(name, data, suffixes[-1] if suffixes else "", notes)


def _contents(path: Path) -> bytes:
    """Read a file, or a pipe until it is closed."""
    with file_errors(path):
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            raise InputError(f"{path}: no such file{_suggestion(path)}") from None
        if stat.S_ISDIR(mode):
            raise InputError(f"{path}: a directory, not a file")
        if stat.S_ISFIFO(mode):
            return _pipe(path)
        if not stat.S_ISREG(mode):
            raise InputError(f"{path}: a device or a socket, not a file")
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            _check_size(str(path), before.st_size)
            data = file.read()
            after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(f"{path}: changed while it was read; read it again when it is complete")
    return data


def _suggestion(path: Path) -> str:
    """Return the file of the most similar name in the same folder."""
    try:
        beside = [other.name for other in path.parent.iterdir()]
    except OSError:
        return ""
    similar = get_close_matches(path.name, beside, 1, 0.75)
    return f"; is it {path.with_name(similar[0])}?" if similar else ""


def _check_size(name: str, size: int) -> None:
    most = most_bytes()
    if size > most:
        raise InputError(
            f"{name}: more than {size:,} bytes, which is more than the memory that is available "
            f"allows ({int(most):,} bytes)"
        )


def _standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("standard input: closed")
    if sys.stdin.isatty():
        raise InputError("standard input: a terminal; pipe the data into the program")
    with file_errors("standard input"):
        return _to_the_end("standard input", sys.stdin.buffer)


def _pipe(path: Path) -> bytes:
    """Read a named pipe, unless no program opens its other end in time."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123
        deadline = time.monotonic() + _PATIENCE
        first: bytes | None = b""
        # None stands for an open pipe without data yet, b"" for one that nobody writes to.
        while first == b"" and time.monotonic() < deadline:
            first = file.read(_CHUNK)
            if first == b"":
                select.select([], [], [], 0.05)
        if first == b"":
            raise InputError(f"{path}: a pipe that no program writes to")
        os.set_blocking(descriptor, True)
        return _to_the_end(str(path), file, first or b"")


def _to_the_end(name: str, file: BinaryIO, first: bytes = b"") -> bytes:
    data = BytesIO()
    data.write(first)
    while chunk := file.read(_CHUNK):
        data.write(chunk)
        if data.tell() % (64 * _CHUNK) < len(chunk):
            _check_size(name, data.tell())
    return data.getvalue()

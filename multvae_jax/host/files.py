"""Files and directories that appear whole or not at all.

Each is written under a hidden name beside its target and renamed at the end. If the block fails,
nothing is left behind and what was there before is unchanged.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from multvae_jax.errors import InputError, file_errors


@contextlib.contextmanager
def atomic_files(folder: Path, names: Sequence[str]) -> Iterator[list[BinaryIO]]:
    """Open files for writing that get their names once all of them are written.

    Raises:
        OSError: one of them cannot be written.
    """
    work = [folder / f".{name}.partial" for name in names]
    try:
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(path.open("wb")) for path in work]
        for path, name in zip(work, names, strict=True):
            path.replace(folder / name)
    finally:
        for path in work:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file for writing that gets its name once it is written.

    Line ends are written as they are given. A symbolic link is followed, a file that is replaced
    keeps its mode, and what is not a regular file, such as a pipe, is opened and written to.

    Raises:
        InputError: the file cannot be written.
    """
    with (
        file_errors(path or "''", own_name=False),
        _opened(path) as file,
        TextIOWrapper(file, "utf-8", newline="") as text,
    ):
        yield text


def check_space(directory: Path, n_bytes: int) -> None:
    """Check that a directory has room for a number of bytes.

    Raises:
        InputError: with what is free and what is needed.
    """
    with file_errors(directory):
        free = shutil.disk_usage(directory).free
    if free < n_bytes:
        raise InputError(
            f"{directory}: {free / 1e6:,.1f} MB are free, and {n_bytes / 1e6:,.1f} MB are needed"
        )


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[BinaryIO]:
    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "wb") as file:  # noqa: PTH123 - Path("") would be the working directory
            yield file
        return
    target = Path(os.path.realpath(path))
    # A name of its own: it is not too long if that of the target is not, and two programs that
    # write the same target do not write into one file.
    work = target.with_name(f".{secrets.token_hex(4)}.partial")
    try:
        with work.open("xb") as file:
            yield file
        if mode is not None:
            work.chmod(stat.S_IMODE(mode))
        work.replace(target)
    finally:
        with contextlib.suppress(OSError):
            work.unlink(missing_ok=True)


def _mode(path: str | Path) -> int | None:
    """Mode of a file, or of the file that a link names; None if there is none."""
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - as above
    except FileNotFoundError:
        # An empty name is not the working directory, and a folder is not made.
        if not str(path) or str(path).endswith(os.sep):
            raise
        return None


def check_new_directory(target: Path) -> None:
    """Refuse a path at which `new_directory` cannot make a directory, to call before long work.

    Raises:
        InputError: something is there, or there can be no directory there.
    """
    with file_errors(target):
        there = target.is_dir()
        if any(target.iterdir()) if there else target.exists() or target.is_symlink():
            raise InputError(f"{target}: already exists; choose another directory")
        places = [target, *target.absolute().parents]
        above = next(place for place in places if place.exists())
        if not above.is_dir():
            raise InputError(f"{target}: {above} is not a directory")
        if not os.access(above, os.W_OK):
            raise InputError(f"{target}: {above} cannot be written to")


@contextlib.contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Make a directory to fill, which gets its name once the block ends.

    An empty directory that is there, such as the mount point of a volume or the current directory,
    is filled in place.

    Raises:
        InputError: something is at the target already, or it cannot be written to.
    """
    check_new_directory(target)
    there = target.is_dir()
    missing = [folder for folder in target.parents if not folder.exists()]
    with file_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{target.name[:_LONGEST_PREFIX]}-"
        work = target if there else Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    is_whole = False
    try:
        yield work
        if not there:
            work.chmod(0o755)
            with file_errors(target):
                work.replace(target)
        is_whole = True
    finally:
        if not is_whole:
            _empty(work)
        # The directory itself and its parents, if they were made for it; full ones stay.
        with contextlib.suppress(OSError):
            for folder in [work, *missing] if not there else []:
                folder.rmdir()


def _empty(directory: Path) -> None:
    """Remove everything in a directory, as far as that is possible."""
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


_LONGEST_PREFIX = 200
"""Letters of a name that fit into the name of a directory beside it."""

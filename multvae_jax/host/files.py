"""Files and directories that appear whole or not at all.

Each is written under a hidden name beside its target and renamed at the end. If the block fails,
nothing is left behind and what was there before is unchanged.
"""

from __future__ import annotations

import contextlib
import shutil
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

    Line ends are written as they are given.

    Raises:
        InputError: the file cannot be written.
    """
    target = Path(path)
    with (
        file_errors(path),
        atomic_files(target.parent, [target.name]) as (file,),
        TextIOWrapper(file, "utf-8", newline="") as text,
    ):
        yield text


@contextlib.contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Make a directory to fill, which gets its name once the block ends.

    Raises:
        InputError: something is at the target already, or it cannot be written to.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: already exists; choose another directory")
    missing = [folder for folder in target.parents if not folder.exists()]
    with file_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield work
        work.chmod(0o755)
        work.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        # Parents that were made for it and stayed empty; not empty if the directory is there.
        with contextlib.suppress(OSError):
            for folder in missing:
                folder.rmdir()

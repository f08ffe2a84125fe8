"""The directory of a sweep, which one process at a time may write to."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from multvae_jax.errors import InputError, file_errors
from multvae_jax.host.claim import LOCK, OWNER, claim
from multvae_jax.runs.storage import storage_path

JOURNAL = "members.jsonl"


@contextlib.contextmanager
def sweep_directory(out: str | None, name: str) -> Iterator[Path]:
    """Provide the directory of a sweep: a new one, or one in which a sweep has begun.

    If the block leaves no journal there, a directory that was made for it is removed again.

    Args:
        out: the directory; by default a new one in `runs/`.
        name: name of the new directory, to which a number is added if it is taken.

    Raises:
        InputError: another process writes to it, there are files of something else, or it cannot be
            made; the message names it.
    """
    target = _new_name(Path("runs") / name) if out is None else Path(out)
    missing = [folder for folder in (target, *target.parents) if not folder.exists()]
    with file_errors(out or target):
        if out == "":
            raise InputError("--out: is empty; give a directory")
        storage_path(target)
        target.mkdir(parents=True, exist_ok=True)
    try:
        with claim(target):
            others = {path.name for path in target.iterdir()} - {LOCK, OWNER}
            if others and JOURNAL not in others:
                raise InputError(
                    f"{target}: holds '{min(others)}' and no sweep; choose another directory"
                )
            with _without_empty_journal(target / JOURNAL):
                yield target
    finally:
        # Those that are not empty stay.
        with contextlib.suppress(OSError):
            for folder in missing:
                folder.rmdir()


@contextlib.contextmanager
def _without_empty_journal(path: Path) -> Iterator[None]:
    """Remove a journal that the block has begun and left without a member."""
    is_new = not path.exists()
    try:
        yield
    finally:
        if is_new and path.exists() and path.read_bytes().count(b"\n") <= 1:
            path.unlink()


def _new_name(target: Path) -> Path:
    """The path, with a number if something is there already."""
    names = itertools.chain([target], (Path(f"{target}-{n}") for n in itertools.count(2)))
    return next(path for path in names if not path.exists())

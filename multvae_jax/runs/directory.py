"""The directory of a run while it is trained: claimed, resumable, and whole at the end.

While a training goes on, and after it was stopped, the directory contains besides the files of
`multvae_jax.runs.run`

checkpoints/run.json       what the data must be to go on; a run with this file can resume
checkpoints/options.json   options of the command that are not in config.json
checkpoints/search/        checkpoints of the search for beta, with --beta auto
checkpoints/found.json     what the search has found
checkpoints/selection/     checkpoints of the selection of the epoch, without validation users
checkpoints/selected.json  what it has selected
checkpoints/training/      checkpoints of the training
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from multvae_jax.config.convert import to_json
from multvae_jax.config.from_file import read_options
from multvae_jax.config.options import RunOptions
from multvae_jax.errors import InputError, file_errors
from multvae_jax.host.claim import LOCK, OWNER, claim, owner
from multvae_jax.host.files import atomic_write
from multvae_jax.runs.manifest import CHECKPOINTS
from multvae_jax.runs.storage import storage_path

MOST_NAMED = 3
"""Unfinished runs that a message names."""


@contextlib.contextmanager
def new_run(target: Path, *, may_rename: bool) -> Iterator[Path]:
    """Claim a new directory for a run while the block runs.

    If the block fails before there is a checkpoint, the directory is removed.

    Args:
        target: the directory; it must be new or empty.
        may_rename: whether to append a number to its name if it is taken.

    Raises:
        InputError: the directory is taken or cannot be written to.
    """
    storage_path(target)
    with contextlib.ExitStack() as stack:
        directory, made = _claimed(target, may_rename, stack)
        # Removed at the end, unless there is something to keep by then.
        stack.callback(lambda: None if is_worth_keeping(directory) else _remove(directory, made))
        _write_mark(directory, None)
        yield directory


def _claimed(
    target: Path, may_rename: bool, stack: contextlib.ExitStack
) -> tuple[Path, list[Path]]:
    """Claim the target, or a directory with a number after its name; also what was made for it."""
    for number in itertools.count(1):
        directory = target if number == 1 else target.with_name(f"{target.name}-{number}")
        problem = _taken(directory)
        if problem is None:
            made = [path for path in (directory, *directory.parents) if not path.exists()]
            try:
                with file_errors(directory):
                    directory.mkdir(parents=True, exist_ok=True)
                stack.enter_context(claim(directory))
            # Another process has been faster.
            except InputError as error:
                problem = str(error)
            else:
                return directory, made
        if not may_rename or not directory.exists():
            raise InputError(problem)
    raise AssertionError


@contextlib.contextmanager
def resumed_run(directory: Path) -> Iterator[Path]:
    """Claim the directory of an unfinished run while the block runs.

    Raises:
        InputError: there is no unfinished run, or another process has claimed it.
    """
    if not (directory / "config.json").is_file():
        raise InputError(f"{directory}: not a run, it has no config.json")
    with claim(directory):
        if not is_resumable(directory):
            # Left over if the program was killed while it removed them.
            shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)
            raise InputError(f"{directory}: the run is finished; there is nothing to resume")
        yield directory


def is_resumable(directory: Path) -> bool:
    """Return whether a directory has a run whose training can go on, or start over."""
    return _mark(directory).is_file() and (directory / "config.json").is_file()


def begin(directory: Path, data: str) -> bool:
    """Note the data of a run that begins, or compare that of one that goes on.

    Args:
        directory: the directory of the run.
        data: fingerprint of the data.

    Returns:
        Whether the run was begun before.

    Raises:
        InputError: it was begun with other data.
    """
    before = read_json(_mark(directory), ("data",))["data"]
    if before is None:
        _write_mark(directory, data)
    elif before != data:
        raise InputError(
            f"{directory}: its data has changed since the run began; a run goes on only with the "
            "same users, items and interactions"
        )
    return before is not None


def keep_options(directory: Path, options: RunOptions) -> None:
    """Write the options of the command, which a run that is resumed goes on with."""
    with atomic_write(_options(directory)) as file:
        file.write(to_json(replace(options, out=None, resume=None, profile=None)).decode())


def kept_options(directory: Path) -> RunOptions:
    """The options that an unfinished run was last trained with, or the usual ones.

    Raises:
        InputError: they cannot be read, or are damaged.
    """
    path = _options(directory)
    if not path.is_file():
        return RunOptions()
    return read_options(path, RunOptions, note="; remove it, and the run goes on")


def read_json(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Read a small file of an unfinished run.

    Args:
        path: the file, an object of JSON.
        names: names that it must have.

    Raises:
        InputError: it cannot be read, or is damaged.
    """
    with file_errors(path):
        text = path.read_bytes()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.keys() >= set(names):
        raise InputError(f"{path}: damaged; the run cannot go on")
    return found


def _mark(directory: Path) -> Path:
    return directory / CHECKPOINTS / "run.json"


def _options(directory: Path) -> Path:
    return directory / CHECKPOINTS / "options.json"


def _write_mark(directory: Path, data: str | None) -> None:
    with file_errors(directory):
        _mark(directory).parent.mkdir(exist_ok=True)
    with atomic_write(_mark(directory)) as file:
        file.write(json.dumps({"version": 1, "data": data}) + "\n")


def finish(directory: Path) -> None:
    """Mark a run as finished, and remove its checkpoints."""
    # First the mark: if the program is killed here, the run is whole.
    _mark(directory).unlink(missing_ok=True)
    shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)


def resuming(directory: Path) -> str:
    """The command that continues a run, as a shell reads it."""
    return shlex.join(["multvae", "train", "--resume", str(directory)])


def unfinished_runs(folder: Path) -> list[str]:
    """Describe the runs in a folder that were killed or stopped, for messages."""
    notes = []
    with contextlib.suppress(OSError):
        paths = sorted(folder.iterdir())
        free = [path for path in paths if is_resumable(path) and owner(path) is None]
        for path in free[:MOST_NAMED]:
            notes.append(f"{path}: an unfinished run; {resuming(path)}")
        if len(free) > MOST_NAMED:
            notes.append(f"{folder}: {len(free) - MOST_NAMED} more unfinished runs")
        left = [path for path in paths if _is_left_over(path)]
        for path in left[:MOST_NAMED]:
            notes.append(
                f"{path}: left over from a run that was killed while it was saved; remove it"
            )
    return notes


def _is_left_over(path: Path) -> bool:
    """Return whether a hidden directory has parts of a run, unchanged for an hour."""
    if not path.name.startswith(".") or not path.is_dir():
        return False
    files = [path / name for name in ("config.json", "metrics.jsonl")]
    times = [file.stat().st_mtime for file in files if file.is_file()]
    return bool(times) and time.time() - max(times) > 3600


def has_checkpoint(directory: Path) -> bool:
    """Return whether there is a checkpoint from which the training of a run can go on."""
    return any((directory / CHECKPOINTS).glob("*/[0-9]*"))


def is_worth_keeping(directory: Path) -> bool:
    """Return whether there is a checkpoint or a model, perhaps of a fold."""
    if has_checkpoint(directory) or (directory / "checkpoint" / "params").is_dir():
        return True
    return any(is_worth_keeping(fold) for fold in directory.glob("fold-*"))


def _taken(directory: Path) -> str | None:
    """Why a new run cannot have a directory; None if it can."""
    with file_errors(directory):
        if not directory.exists() and not directory.is_symlink():
            return None
        if not directory.is_dir():
            return f"{directory}: already exists, and is not a directory; choose another directory"
        there = {path.name for path in directory.iterdir()}
    held_by = owner(directory) if LOCK in there else None
    if held_by is not None:
        return f"{directory}: {held_by}; choose another directory"
    if is_resumable(directory):
        return (
            f"{directory}: has an unfinished run; {resuming(directory)}, or choose "
            "another directory"
        )
    # What a program leaves that was killed before its run had a configuration.
    if there - {LOCK, OWNER, CHECKPOINTS}:
        return f"{directory}: already exists; choose another directory"
    return None


def _remove(directory: Path, missing: list[Path]) -> None:
    """Remove what was written, and the directories that were made for it."""
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in missing:
            path.rmdir()

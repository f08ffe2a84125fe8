"""Directories of runs that are trained."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import jax

from multvae_jax.config.options import RunOptions
from multvae_jax.errors import InputError
from multvae_jax.host.console import say
from multvae_jax.parallel.processes import from_first, is_first
from multvae_jax.runs import directory as directories


def claimed_run(options: RunOptions, name: str) -> AbstractContextManager[Path]:
    """Claim the directory of a run while a block runs: a new one, or that of a resumed run.

    Args:
        options: where the run goes, or what is resumed.
        name: name of a new directory in `runs`, to which the time is added.

    Raises:
        InputError: as in `new_run` and `resumed_run`.
    """
    if not is_first():
        return contextlib.nullcontext(_shared(""))
    if jax.process_count() > 1:
        return _announced(_claimed_run(options, name))
    return _claimed_run(options, name)


@contextlib.contextmanager
def _announced(place: AbstractContextManager[Path]) -> Iterator[Path]:
    """Claim a directory for several processes."""
    with place as directory:
        _shared(str(directory.absolute()))
        yield directory


def _shared(directory: str) -> Path:
    """The directory that the first process has claimed.

    Raises:
        InputError: this process has no such directory.
    """
    found = Path(from_first(directory))
    if not found.is_dir():
        raise InputError(
            f"{found}: not there for process {jax.process_index()}; all processes of --distributed "
            "write to one file system"
        )
    return found


def _claimed_run(options: RunOptions, name: str) -> AbstractContextManager[Path]:
    if options.resume is not None:
        return directories.resumed_run(Path(options.resume))
    target = Path(options.out or f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    for note in directories.unfinished_runs(target.parent):
        say(note)
    return directories.new_run(target, may_rename=options.out is None)

"""Directories of runs that are trained."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path

from multvae_jax.config.options import RunOptions
from multvae_jax.host.console import say
from multvae_jax.runs import directory as directories


def place_of_run(options: RunOptions, name: str) -> AbstractContextManager[Path]:
    """Claim the directory of a run while a block runs: a new one, or that of a resumed run.

    Args:
        options: where the run goes, or what is resumed.
        name: name of a new directory in `runs`, to which the time is added.

    Raises:
        InputError: as in `new_run` and `resumed_run`.
    """
    if options.resume is not None:
        return directories.resumed_run(Path(options.resume))
    target = Path(options.out or f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    for note in directories.unfinished_runs(target.parent):
        say(note)
    return directories.new_run(target, may_rename=options.out is None)

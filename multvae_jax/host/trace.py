"""A trace of a few updates, for Perfetto and TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import jax

from multvae_jax.errors import InputError, file_errors, reason_of
from multvae_jax.host.console import say

TRACES = "plugins/profile"
"""Folder in which the profiler makes one per trace, named by its time."""


class UpdateTrace:
    """Traces a training between two calls of its callback, once.

    The trace starts when the first epoch has ended, so that the programs are compiled, and ends at
    the next call: after about ten updates of a long epoch, or all of a short one. If it cannot be
    made, a message says so and the training goes on.
    """

    def __init__(self, folder: Path | None) -> None:
        """Prepare a trace.

        Args:
            folder: where it is written; None for no trace.
        """
        self._folder = folder
        self._began: int | None = None

    def __enter__(self) -> UpdateTrace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._folder is not None:
            if self._began is not None:
                self._stop(None)
            elif error is None:
                say(f"{self._folder}: nothing was traced: no epoch came after the first")
        self._folder = None

    def after(self, updates: int, epoch_ended: bool) -> None:
        """Start or end the trace, if it is time to.

        Args:
            updates: number of updates so far.
            epoch_ended: whether they end an epoch.
        """
        if self._folder is None:
            return
        if self._began is not None:
            self._stop(updates)
        elif epoch_ended:
            options = jax.profiler.ProfileOptions()
            # Python rarely takes the time, and each call of a function would be an event.
            options.python_tracer_level = 0
            try:
                jax.profiler.start_trace(
                    self._folder, create_perfetto_trace=True, profiler_options=options
                )
            # jax raises exceptions of several types, such as for a trace that is running already.
            except Exception as error:
                self._give_up(self._folder, error)
            else:
                self._began = updates

    def _stop(self, updates: int | None) -> None:
        assert self._folder is not None
        assert self._began is not None
        folder, made = self._folder, None if updates is None else updates - self._began
        self._folder, self._began = None, None
        try:
            jax.profiler.stop_trace()
            (written, *_) = sorted(folder.glob(f"{TRACES}/*/perfetto_trace.json.gz"), reverse=True)
        # The profiler raises exceptions of its own for a full disk.
        except Exception as error:
            self._give_up(folder, error)
            return
        what = "the updates until the end" if made is None else f"{made:,} updates"
        say(
            f"{written}: {what}; open it at https://ui.perfetto.dev, or run tensorboard --logdir "
            f"{folder} with the package xprof"
        )

    def _give_up(self, folder: Path, error: Exception) -> None:
        self._folder = None
        say(f"{folder}: the trace cannot be written ({reason_of(error)}); the training goes on")


def checked_folder(given: Sequence[str] | None) -> Path | None:
    """Make the folder that `--profile` names; None if the option is not given.

    Raises:
        InputError: it names several, or the folder cannot be made.
    """
    if not given:
        return None
    if len(given) > 1:
        raise InputError(
            f"--profile {given[0]} {given[1]}: give one folder, or none for RUN/profile"
        )
    folder = Path(given[0])
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--profile {folder}: is not a directory")
    with file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder

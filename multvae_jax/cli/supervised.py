"""A training under supervision: logged, saved on the way, stopped by signals, and resumed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jax

from multvae_jax.cli.progress import log_epochs
from multvae_jax.errors import reason_of
from multvae_jax.host.console import say
from multvae_jax.host.signals import StopRequest
from multvae_jax.host.trace import UpdateTrace
from multvae_jax.parallel.partition import Partition
from multvae_jax.parallel.processes import is_first, largest
from multvae_jax.runs.checkpoints import Checkpoints, bytes_of_checkpoint
from multvae_jax.runs.manifest import CHECKPOINTS
from multvae_jax.runs.pace import Pace
from multvae_jax.training.fit_state import FitState
from multvae_jax.training.updates import TrainState

Result = TypeVar("Result")


def supervised(
    train: Callable[..., Result],
    directory: Path,
    phase: str,
    log: str,
    start: Callable[[], TrainState],
    partition: Partition,
    stop: StopRequest,
    *,
    resumes: bool,
    every: str | None,
    keep: int,
    epochs: int,
    metric: str,
    trace: UpdateTrace,
) -> Result:
    """Run a training, which writes checkpoints and a log, and which the first signal ends early.

    Args:
        train: the training, a function of the `state` and the `callback` of `fit`.
        directory: the directory of the run.
        phase: name of the training, of its checkpoints and in messages.
        log: name of its log.
        start: makes the state before the first update.
        partition: how the state is divided over devices.
        stop: the signals.
        resumes: whether the training may have been started before.
        every: when to write a checkpoint, as in `Pace`.
        keep: number of checkpoints to keep.
        epochs: number of epochs.
        metric: validation metric that is shown.
        trace: of a few updates, if any; of several trainings, the first is traced.

    Raises:
        InputError: as in `Pace`, `Checkpoints` and `fit`.
    """
    pace = Pace(every, bytes_of_checkpoint(jax.eval_shape(start)))
    with Checkpoints(directory / CHECKPOINTS / phase, keep) as checkpoints:
        state = checkpoints.latest(start(), partition) if resumes else None
        if resumes:
            say(f"{directory}: {_describe(state, phase)}")
        before = () if state is None else state.log
        saver = _Saver(checkpoints, directory)
        path = directory / log if is_first() else Path(os.devnull)
        with (
            log_epochs(path, before, epochs=epochs, title=phase, metric=metric) as show,
            stop.awaited(_announce),
            trace,
        ):

            def callback(state: FitState) -> bool:
                if state.entry is not None:
                    show(state.entry)
                # Several processes have clocks and signals of their own.
                if any(largest(pace.is_due(state, checkpoints.seconds))):
                    saver.save(state)
                saver.last = state
                (number,) = largest(stop.number or 0)
                stop.number = number or stop.number
                trace.after(int(state.train.step), state.entry is not None)
                return number > 0

            result = train(state=state, callback=callback)
        # Whatever comes after the training, it is not lost.
        if saver.last is not None:
            saver.save(saver.last)
            saver.wait()
    return result


class _Saver:
    """Writes checkpoints; a failure is said once, and the training goes on.

    Attributes:
        last: the last state of the training.
    """

    def __init__(self, checkpoints: Checkpoints, directory: Path) -> None:
        self._checkpoints, self._directory = checkpoints, directory
        self._failed = False
        self.last: FitState | None = None

    def save(self, state: FitState) -> None:
        self._try(lambda: self._checkpoints.save(state))

    def wait(self) -> None:
        self._try(self._checkpoints.wait)

    def _try(self, action: Callable[[], Any]) -> None:
        try:
            action()
        # orbax and its storage raise exceptions of many types.
        except Exception as error:
            # All processes write it, or none.
            if jax.process_count() > 1:
                raise
            if not self._failed:
                say(
                    f"{self._directory}: a checkpoint cannot be written ({reason_of(error)}); the "
                    "training goes on"
                )
            self._failed = True


def _announce(name: str) -> None:
    say(f"{name}: stopping after this epoch, or sooner if it is long; a second signal ends at once")


def _describe(state: FitState | None, phase: str) -> str:
    if state is None:
        return f"no checkpoint of the {phase} was written yet; it starts over"
    step = int(state.train.step)
    inside = f" and {sum(part.updates for part in state.parts)} updates" if state.parts else ""
    return f"the {phase} goes on after epoch {len(state.log)}{inside} (update {step})"

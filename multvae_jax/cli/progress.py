"""Progress of a training: a log on disk, and a bar on standard error."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from multvae_jax.evaluation.metrics import heading
from multvae_jax.host.console import progress_bar, say
from multvae_jax.selection import Entry
from multvae_jax.training import FitState


def append_entry(path: Path, entry: Entry) -> None:
    """Add the entry of one epoch to a log."""
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


@contextlib.contextmanager
def log_epochs(
    path: Path, *, epochs: int, title: str, metric: str
) -> Iterator[Callable[[FitState], bool]]:
    """Provide a callback for `fit` that adds each entry to a file and advances a bar.

    Args:
        path: the log, one line of JSON per epoch.
        epochs: number of epochs of the training.
        title: title of the bar.
        metric: validation metric whose best value is shown.
    """
    with _bar(epochs, title, metric) as advance:

        def callback(state: FitState) -> bool:
            if state.entry is None:
                return False
            append_entry(path, state.entry)
            return advance(state.entry)

        yield callback


@contextlib.contextmanager
def _bar(epochs: int, title: str, metric: str) -> Iterator[Callable[[Entry], bool]]:
    """Provide a function that advances a bar with each entry and returns whether to stop.

    An interrupt ends the training after the current epoch, so that its result is kept; a second
    one ends the program.
    """
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, before)
        say("stopping after this epoch; interrupt again to lose the run")

    validated: list[float] = []
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with progress_bar(title, epochs) as advance:

            def advance_with(entry: Entry) -> bool:
                if "validation" in entry:
                    validated.append(entry["validation"][metric])
                found = f", best {heading(metric)} {max(validated):.4f}" if validated else ""
                advance(1, f"loss {entry['loss']:.1f}{found}")
                return interrupted

            yield advance_with
    finally:
        signal.signal(signal.SIGINT, before)

"""What whoever waits is told: words, and a bar over the epochs."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from multvae_jax.host.console import progress_bar, say
from multvae_jax.selection import Entry


def append_entry(path: Path, entry: Entry) -> None:
    """Add one epoch to a log."""
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(entry) + "\n")


@contextlib.contextmanager
def log_epochs(path: Path, epochs: int, title: str) -> Iterator[Callable[[Entry], bool]]:
    """A `report` that adds each entry to a file, and advances a bar."""
    with _bar(epochs, title) as advance:

        def report(entry: Entry) -> bool:
            append_entry(path, entry)
            return advance(entry)

        yield report


@contextlib.contextmanager
def _bar(epochs: int, title: str) -> Iterator[Callable[[Entry], bool]]:
    """A bar over the epochs, advanced with each log entry; it answers whether to stop.

    An interrupt ends the training after the epoch it falls in, so that what was trained is
    kept; a second one ends the program.
    """
    interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, before)
        say("stopping after this epoch; interrupt once more to lose the run")

    validated: list[float] = []
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with progress_bar(title, epochs) as advance:

            def advance_with(entry: Entry) -> bool:
                if "validation" in entry:
                    validated.append(entry["validation"]["ndcg@100"])
                found = f", best NDCG@100 {max(validated):.4f}" if validated else ""
                advance(1, f"loss {entry['loss']:.1f}{found}")
                return interrupted

            yield advance_with
    finally:
        signal.signal(signal.SIGINT, before)

"""Progress of a training: a log on disk, and a bar on standard error."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from multvae_jax.errors import reason_of
from multvae_jax.evaluation.metrics import heading
from multvae_jax.host.console import progress_bar, say
from multvae_jax.selection import Entry


def write_log(path: Path, log: Sequence[Entry]) -> None:
    """Write the log of a training, one line of JSON per epoch."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in log), encoding="utf-8")


@contextlib.contextmanager
def log_epochs(
    path: Path, before: Sequence[Entry], *, epochs: int, title: str, metric: str
) -> Iterator[Callable[[Entry], None]]:
    """Provide a function that adds the entry of an epoch to a log and advances a bar.

    A log that cannot be written is said once: the training goes on, and the run has the log.

    Args:
        path: the log, one line of JSON per epoch.
        before: entries of a training that goes on.
        epochs: number of epochs of the training.
        title: title of the bar.
        metric: validation metric whose best value is shown.
    """
    write_log(path, before)
    values = [entry["validation"][metric] for entry in before if "validation" in entry]
    is_writable = True
    with progress_bar(title, epochs, completed=len(before)) as advance:

        def add(entry: Entry) -> None:
            nonlocal is_writable
            if is_writable:
                try:
                    with path.open("a", encoding="utf-8") as log:
                        log.write(json.dumps(entry) + "\n")
                except OSError as error:
                    is_writable = False
                    say(f"{path}: {reason_of(error)}; the training goes on")
            if "validation" in entry:
                values.append(entry["validation"][metric])
            found = f", best {heading(metric)} {max(values):.4f}" if values else ""
            advance(1, f"loss {entry['loss']:.1f}{found}")

        yield add

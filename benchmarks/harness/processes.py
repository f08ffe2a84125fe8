"""Programs timed from the start of their process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

MULTVAE = (sys.executable, "-m", "multvae_jax")
"""The command `multvae` of this interpreter."""


class Finished(NamedTuple):
    """A process that ended well.

    Attributes:
        seconds: from its start to its line of JSON, or to its end if it prints none.
        answer: what its lines of JSON hold.
    """

    seconds: float
    answer: dict[str, Any]


def run_fresh(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Finished:
    """Run a program in a new process.

    Its work after its line of JSON, such as hashing its result, is not timed.

    Args:
        command: the program and its arguments.
        environment: variables to set in addition to the present ones.

    Raises:
        RuntimeError: if it fails; its own message is on standard error.
    """
    began = time.perf_counter()
    answered, answer = None, {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                answered = time.perf_counter() if answered is None else answered
                answer |= json.loads(line)
    ended = time.perf_counter()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return Finished((answered or ended) - began, answer)


def alternate_fresh(
    programs: Mapping[str, Callable[[int], Finished]], rounds: int
) -> dict[str, list[Finished]]:
    """Run each program once per round, in turn.

    Args:
        programs: name -> how to run it, given the number of the round.
        rounds: how often each is run.
    """
    finished: dict[str, list[Finished]] = {name: [] for name in programs}
    for number in range(rounds):
        for name, run in programs.items():
            finished[name].append(run(number))
    return finished


def seconds_of(finished: Mapping[str, Sequence[Finished]]) -> dict[str, list[float]]:
    """Name -> seconds of each of its runs."""
    return {name: [run.seconds for run in runs] for name, runs in finished.items()}


def median_and_range(seconds: Sequence[float], digits: int) -> list[str]:
    """Two cells of a table: the median, and the smallest and largest value."""
    low, middle, high = (
        f"{value:.{digits}f}" for value in (min(seconds), statistics.median(seconds), max(seconds))
    )
    return [middle, f"{low} to {high}"]


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Unlike ru_maxrss, VmHWM excludes the memory of the parent that started the process.
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])

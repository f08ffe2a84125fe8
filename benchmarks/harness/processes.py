"""Programs that are timed from the start of their process."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Finished(NamedTuple):
    """What a process did.

    Attributes:
        seconds: from its start to its line of JSON, or to its end where it writes none.
        said: what that line holds.
    """

    seconds: float
    said: dict[str, Any]


def run_fresh(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Finished:
    """Run a program in a process of its own.

    What it does after its line of JSON, such as to hash its result, is not timed.

    Args:
        command: the program and its arguments.
        environment: variables to set beside those that there are.

    Raises:
        RuntimeError: if it fails; it has said why on the error output.
    """
    began = time.perf_counter()
    answered, said = None, {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                answered = time.perf_counter() if answered is None else answered
                said |= json.loads(line)
    ended = time.perf_counter()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return Finished((answered or ended) - began, said)


def peak_memory() -> int:
    """Bytes of memory that this process has held at most, of this program alone."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Unlike ru_maxrss this forgets what the parent held when it started the process.
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])

"""A run of several sections that ends in time, whatever a section does.

The sections run in a process of their own, a worker, which the parent gives one section after the
other, and which answers with a line of JSON per row. A section has a share of the time. It should
end by itself within it; if it does not, its worker is killed, and the next section gets a new one.
A section that fails, runs out of time or takes its process with it keeps the rows that it had.

The parent does not touch the device: some devices serve one process at a time. This module imports
only Python's own, since a worker may be an interpreter without this package's dependencies.
"""

from __future__ import annotations

import contextlib
import gc
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Row = dict[str, Any]
"""A row of a table: heading -> number or text. Lists are kept in the record alone."""

Found = Mapping[str, Sequence[Row]]
"""Section -> its rows, of the sections before."""

AIM, LIMIT = 0.85, 1.3
"""Parts of its share within which a section should end, and after which it is killed."""

LEAST = 0.5
"""Seconds below which no further section is begun."""


class Budget:
    """The time of a section."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.perf_counter() + seconds

    def left(self) -> float:
        """Seconds that are left; negative when the time is over."""
        return self._ends - time.perf_counter()

    def share(self, parts: int) -> float:
        """Seconds for one of so many parts that are still to be done."""
        return max(0.0, self.left() / max(1, parts))


RunSection = Callable[[Budget, Found], Iterator[Row]]
"""`(budget, found) -> rows`: each row is kept as soon as it is there."""


def problem_of(error: Exception) -> str:
    """The type and the first line of an error."""
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0]


def _say(said: Row) -> None:
    print(json.dumps(said), flush=True)


def refuse(problem: str) -> None:
    """The worker's side, for one that cannot serve: say why."""
    _say({"end": problem})


def serve_sections(sections: Mapping[str, RunSection]) -> None:
    """The worker's side: run the sections that are named on the input, until it ends."""
    _say({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        problem = None
        try:
            for row in sections[asked["section"]](Budget(asked["seconds"]), asked["found"]):
                _say({"row": row})
        # Whatever a section does, the others are still to be run.
        except Exception as error:
            problem = problem_of(error)
        gc.collect()
        _say({"end": problem})


class Section(NamedTuple):
    """A section of a run.

    Attributes:
        name: its name.
        command: how to start a worker that serves it; neighbors with the same command share one.
        share: its part of the time, in the units of the others; what a section leaves is shared
            among those after it.
    """

    name: str
    command: tuple[str, ...]
    share: float


class Outcome(NamedTuple):
    """The result of a section.

    Attributes:
        name: name of the section.
        rows: its rows.
        problem: why there are no more of them, in one line; None if it ended well.
        seconds: time that it took.
    """

    name: str
    rows: list[Row]
    problem: str | None
    seconds: float


class _Worker:
    """A process that serves sections, and a thread that reads its answers."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self.command, self.is_usable = command, True
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._answers: queue.Queue[Row | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        # Libraries may print as well; an answer is a line of JSON.
        for line in self._process.stdout:
            if line.startswith("{"):
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def _next(self, began: float, limit: float) -> Row:
        """Its next answer; an end, if there is none in time or its process has ended."""
        try:
            said = self._answers.get(timeout=max(0.0, began + limit - time.monotonic()))
        except queue.Empty:
            self.is_usable = False
            return {"end": f"stopped after {limit:.1f} s"}
        if said is None:
            self.is_usable = False
            return {"end": f"its process ended with status {self._process.wait()}"}
        return said

    def start(self, limit: float) -> str | None:
        """Wait until it can serve; return why it cannot, or None."""
        said = self._next(time.monotonic(), limit)
        self.is_usable = "ready" in said
        return said.get("end")

    def run(self, name: str, aim: float, limit: float, found: Found) -> Outcome:
        """Run a section."""
        assert self._process.stdin is not None
        began = time.monotonic()
        rows: list[Row] = []
        # A process that has ended has closed the pipe; `_next` says so.
        with contextlib.suppress(BrokenPipeError):
            asked = {"section": name, "seconds": aim, "found": found}
            self._process.stdin.write(json.dumps(asked) + "\n")
        while "end" not in (said := self._next(began, limit)):
            rows.append(said["row"])
        return Outcome(name, rows, said["end"], time.monotonic() - began)

    def stop(self) -> None:
        """Kill the process and wait for its end, after which its device is free."""
        # Leaving the context closes the pipes.
        with contextlib.suppress(BrokenPipeError), self._process as process:
            process.kill()


def run_sections(sections: Sequence[Section], seconds: float) -> Iterator[Outcome]:
    """Run the sections one after the other, within some seconds in all.

    The start of a worker is in no section's share.
    """
    ends = time.monotonic() + seconds
    found: dict[str, list[Row]] = {}
    worker: _Worker | None = None
    try:
        for place, section in enumerate(sections):
            problem = None
            if worker is not None and not (worker.is_usable and worker.command == section.command):
                worker.stop()
                worker = None
            if worker is None and ends - time.monotonic() > LEAST:
                worker = _Worker(section.command)
                problem = worker.start(ends - time.monotonic())
            left = ends - time.monotonic()
            if worker is None or left < LEAST:
                problem = "no time was left"
            if worker is None or problem is not None:
                outcome = Outcome(section.name, [], problem, 0.0)
            else:
                share = left * section.share / sum(each.share for each in sections[place:])
                outcome = worker.run(section.name, AIM * share, min(left, LIMIT * share), found)
            found[section.name] = outcome.rows
            yield outcome
    finally:
        if worker is not None:
            worker.stop()

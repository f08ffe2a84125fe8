"""Several programs timed in turn, so that a noisy machine hits all of them.

A contestant is a process that does a first round of work and prints a line of JSON when it is
ready (`{"aside": seconds, "versions": {...}}`), and then, for every line on its input, does a
round and prints how long it took (`{"seconds": ...}`). Between its turns it sleeps on its input.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple

_REPORTED = ("jax", "torch", "numpy", "recbole", "cornac")


class Samples(NamedTuple):
    """What a contestant took.

    Attributes:
        ready: seconds from the start of its process to the end of a first round: imports, data,
            compiling.
        seconds: of each timed round.
        versions: of the libraries it runs on.
    """

    ready: float
    seconds: list[float]
    versions: dict[str, str]


def turns(after_each: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Be a contestant: a round of work is what happens between one item and the next.

    It ends when no further round is asked for.

    Args:
        after_each: what follows a round, the first included, off the clock.
    """
    yield
    began = time.perf_counter()
    after_each()
    versions = _versions()
    print(json.dumps({"aside": time.perf_counter() - began, "versions": versions}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        after_each()
        print(json.dumps({"seconds": seconds}), flush=True)


def serve(prepare: Callable[[], Callable[[], None]]) -> None:
    """Be a contestant whose rounds are calls of a function.

    Args:
        prepare: gets everything ready and returns the work of a round, which must be done when
            it returns: wait for the device.
    """
    clock = turns()
    next(clock)
    work = prepare()
    work()
    for _ in clock:
        work()


def _versions() -> dict[str, str]:
    found = {}
    for name in _REPORTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def alternate(
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    observe: Callable[[str], None] = lambda name: None,
) -> dict[str, Samples]:
    """Start all contestants, then give each a round in turn, `rounds` times over.

    Args:
        commands: by name.
        rounds: timed rounds of each.
        observe: called with a contestant's name after each of its rounds, the first included.

    Raises:
        RuntimeError: if a contestant ends before its time; it has said why on the error output.
    """
    running: dict[str, subprocess.Popen[str]] = {}

    def answer(name: str) -> dict[str, Any]:
        output = running[name].stdout
        assert output is not None
        # A library may print, too; an answer is a line of JSON.
        for line in output:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{name} ended before its time")

    samples = {}
    try:
        # One after the other: what they do to get ready is timed, too.
        for name, command in commands.items():
            began = time.perf_counter()
            running[name] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            first = answer(name)
            ready = time.perf_counter() - began - first["aside"]
            samples[name] = Samples(ready, [], first["versions"])
            observe(name)
        for _ in range(rounds):
            for name, process in running.items():
                assert process.stdin is not None
                process.stdin.write("go\n")
                samples[name].seconds.append(answer(name)["seconds"])
                observe(name)
    finally:
        for process in running.values():
            # Leaving it closes its pipes and waits for its end.
            with process:
                process.kill()
    return samples


def median_ratio(one: Samples, other: Samples) -> float:
    """Median over the rounds of how many times as long the other took, round by round."""
    return statistics.median(b / a for a, b in zip(one.seconds, other.seconds, strict=True))

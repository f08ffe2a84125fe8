"""Alternating rounds: several programs timed in turn, so that noise of the machine hits all.

A contestant is a process. It prepares itself, does a first round of work, and prints a line of
JSON (`{"aside": seconds, "cpu": seconds, "versions": {...}}`). For every line on its input it then
does a round and prints its time (`{"seconds": ..., "cpu": ...}`). Between its rounds it blocks on
its input.
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
    """Times of a contestant.

    Attributes:
        ready: seconds from the start of its process to the end of a first round: imports, data,
            compilation.
        seconds: time of each round after the first.
        versions: releases of the libraries it runs on.
        cpu: processor time of all threads until it was ready, and in each round after the first;
            unlike the others it depends little on what else runs on the machine.
    """

    ready: float
    seconds: list[float]
    versions: dict[str, str]
    cpu: Sequence[float] = ()


def timed_rounds(after_each: Callable[[], None] = lambda: None) -> Iterator[None]:
    """The contestant's side of the protocol: the work between two items is a round.

    It ends when no further round is requested.

    Args:
        after_each: called after each round, the first included, while the clock is stopped.
    """
    yield
    began, cpu = time.perf_counter(), time.process_time()
    after_each()
    first = {"aside": time.perf_counter() - began, "cpu": cpu, "versions": _versions()}
    print(json.dumps(first), flush=True)
    for _ in sys.stdin:
        began, cpu = time.perf_counter(), time.process_time()
        yield
        taken = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        after_each()
        print(json.dumps(taken), flush=True)


def serve_rounds(work: Callable[[], object], after_each: Callable[[], None] = lambda: None) -> None:
    """The same for a contestant whose rounds are calls of a function.

    Args:
        work: does a round; its work must be done when it returns, that of the device included.
        after_each: as in `timed_rounds`.
    """
    for _ in timed_rounds(after_each):
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
    """Start all contestants, then run one round of each in turn, `rounds` times.

    Args:
        commands: how to start each contestant, by name.
        rounds: timed rounds per contestant.
        observe: called with a contestant's name after each of its rounds, the first included.

    Raises:
        RuntimeError: if a contestant exits early; its own message is on standard error.
    """
    running: dict[str, subprocess.Popen[str]] = {}

    def answer(name: str) -> dict[str, Any]:
        output = running[name].stdout
        assert output is not None
        # Libraries may print as well; an answer is a line of JSON.
        for line in output:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{name} exited before its last round")

    samples = {}
    cpu: dict[str, list[float]] = {}
    try:
        # One after the other, because their preparation is timed as well.
        for name, command in commands.items():
            began = time.perf_counter()
            running[name] = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )
            first = answer(name)
            ready = time.perf_counter() - began - first["aside"]
            cpu[name] = [first["cpu"]]
            samples[name] = Samples(ready, [], first["versions"], cpu[name])
            observe(name)
        for _ in range(rounds):
            for name, process in running.items():
                assert process.stdin is not None
                process.stdin.write("go\n")
                taken = answer(name)
                samples[name].seconds.append(taken["seconds"])
                cpu[name].append(taken["cpu"])
                observe(name)
    finally:
        for process in running.values():
            # Leaving the context closes the pipes and waits for the process to end.
            with process:
                process.kill()
    return samples


def median_ratio(one: Samples, other: Samples) -> float:
    """Median over the rounds of the other's time divided by the one's, round by round."""
    return statistics.median(b / a for a, b in zip(one.seconds, other.seconds, strict=True))

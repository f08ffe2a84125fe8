"""Several programs timed in turn, so that a noisy machine hits all of them.

A contestant is a process that prints one line of JSON when it is ready (`{"compile": seconds}`)
and then, for every line on its input, does a round of work and prints how long it took
(`{"seconds": ...}`). Between its turns it sleeps on its input.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Samples(NamedTuple):
    """What a contestant took.

    Attributes:
        compile: seconds before the first round: imports, data, compiling, one warm-up round.
        seconds: of each round.
    """

    compile: float
    seconds: list[float]


def serve(prepare: Callable[[], Callable[[], None]]) -> None:
    """Be a contestant.

    Args:
        prepare: gets everything ready and returns the work of a round, which must be done when
            it returns: wait for the device.
    """
    began = time.perf_counter()
    work = prepare()
    work()
    print(json.dumps({"compile": time.perf_counter() - began}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        work()
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


def alternate(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Samples]:
    """Start all contestants, then give each a round in turn, `rounds` times over.

    Raises:
        RuntimeError: if a contestant ends before its time; it has said why on the error output.
    """
    running = {
        name: subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for name, command in commands.items()
    }

    def answer(name: str) -> dict[str, float]:
        output = running[name].stdout
        assert output is not None
        # A library may print, too; an answer is a line of JSON.
        for line in output:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(f"{name} ended before its time")

    try:
        samples = {name: Samples(answer(name)["compile"], []) for name in running}
        for _ in range(rounds):
            for name, process in running.items():
                assert process.stdin is not None
                process.stdin.write("go\n")
                samples[name].seconds.append(answer(name)["seconds"])
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    return samples


def median_ratio(one: Samples, other: Samples) -> float:
    """Median over the rounds of how many times as long the other took, round by round."""
    return statistics.median(b / a for a, b in zip(one.seconds, other.seconds, strict=True))

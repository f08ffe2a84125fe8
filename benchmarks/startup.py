"""How long does it take to import the package, to print a help page, to make the first update?

    python -m benchmarks startup [--rounds 5]

Every figure is of a fresh process, from its start. The first update is at ML-20M's size and is
timed three times: without jax's persistent compilation cache, with an empty one, and with one
that the process before has filled. `multvae train` runs three epochs on the data that comes with
the package, with its validation, its test and its files. `multvae recommend` is of one user.

On two cores of an AMD EPYC, about 1.5 minutes per round, beside other programs. `multvae train`
takes 14 s, and 7.7 s with a filled cache; `multvae recommend` 1.9 s.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.figures import bars
from benchmarks.harness.processes import (
    MULTVAE,
    Finished,
    alternate_fresh,
    median_and_range,
    run_fresh,
    seconds_of,
)
from benchmarks.harness.report import Report, markdown
from multvae_jax.config.unions import Count

WITHOUT_CACHE = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
FIRST_UPDATE = (sys.executable, "-m", "benchmarks.contestants.startup.first_update")
QUICK = ("python", "import multvae_jax", "multvae --help", "import jax")
"""Programs of the upper panel of the figure."""


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks startup`."""

    rounds: Count = 5
    """Number of timed processes per program."""


def programs(folder: str) -> dict[str, Callable[[int], Finished]]:
    """Name -> how to run it, given the number of the round."""

    def python(source: str) -> Callable[[int], Finished]:
        return lambda number: run_fresh([sys.executable, "-c", source])

    def cache(number: int) -> dict[str, str]:
        # A folder per round, so that the cache is empty once and filled once.
        return {
            "JAX_COMPILATION_CACHE_DIR": f"{folder}/cache-{number}",
            # As the commands set it for the folder of their own.
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }

    def train(number: int, name: str, environment: dict[str, str]) -> Finished:
        options = ["--epochs", "3", "--out", f"{folder}/{name}-{number}"]
        return run_fresh([*MULTVAE, "train", *options], environment)

    def recommend(number: int) -> Finished:
        history = Path(folder, "history.csv")
        history.write_text("userId,movieId,rating\n1,1,5\n1,50,5\n1,260,5\n")
        words = ["recommend", f"{folder}/filled-{number}", "--history", str(history)]
        return run_fresh([*MULTVAE, *words], cache(number))

    return {
        "python": python(""),
        "import multvae_jax": python("import multvae_jax"),
        "import jax": python("import jax"),
        "multvae --help": lambda number: run_fresh([*MULTVAE, "--help"]),
        "first update, no cache": lambda number: run_fresh(FIRST_UPDATE, WITHOUT_CACHE),
        "first update, empty cache": lambda number: run_fresh(FIRST_UPDATE, cache(number)),
        "first update, filled cache": lambda number: run_fresh(FIRST_UPDATE, cache(number)),
        "multvae train, no cache": lambda number: train(number, "without", WITHOUT_CACHE),
        "multvae train, empty cache": lambda number: train(number, "empty", cache(number)),
        "multvae train, filled cache": lambda number: train(number, "filled", cache(number)),
        "multvae recommend, empty cache": recommend,
        "multvae recommend, filled cache": recommend,
    }


def table_row(name: str, runs: list[Finished]) -> list[str]:
    """A row of the table."""
    firsts = [run.answer["stages"]["first update"] for run in runs if run.answer]
    return [
        name,
        *median_and_range([run.seconds for run in runs], 2),
        f"{statistics.median(firsts):.2f}" if firsts else "",
    ]


def measure(options: Options) -> Iterator[Report]:
    """Seconds of each program."""
    with tempfile.TemporaryDirectory() as folder:
        taken = alternate_fresh(programs(folder), options.rounds)
    seconds = seconds_of(taken)
    quick = {name: seconds[name] for name in QUICK}
    slow = {name: each for name, each in seconds.items() if name not in QUICK}
    heading = ["", "s, median", "range", "of which the first update"]
    yield Report(
        "startup",
        markdown(heading, [table_row(name, runs) for name, runs in taken.items()]),
        {"samples": {name: [run._asdict() for run in runs] for name, runs in taken.items()}},
        bars({"first answers": quick, "first update": slow}, "seconds"),
    )

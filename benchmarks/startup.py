"""Seconds from nothing to an import, a help page, and the first update.

    python -m benchmarks startup [--rounds 5]

Every figure is of a fresh process, from its start. The first update is at ML-20M's size and stands
three times: without jax's persistent compilation cache, with one that is empty, and with one that
a process before has filled. `multvae train` is one epoch of the data that comes with the package,
with its validation, its test and its files.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable

from benchmarks.harness.figures import bars, write
from benchmarks.harness.processes import Finished, run_fresh
from benchmarks.harness.report import markdown, save

LIMITS = {"import multvae_jax": 1.0, "multvae --help": 0.3}
"""Seconds."""

COMMAND = "import sys; from multvae_jax.cli.main import main; sys.exit(main(sys.argv[1:]))"
WITHOUT = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


def main(arguments: list[str]) -> None:
    """Time everything in turn, print the table and save the samples."""
    parser = argparse.ArgumentParser(prog="benchmarks startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        timed = programs(folder)
        taken: dict[str, list[Finished]] = {name: [] for name in timed}
        for number in range(options.rounds):
            for name, run in timed.items():
                taken[name].append(run(number))
    rows = [row(name, runs) for name, runs in taken.items()]
    print(markdown(["", "s, median", "range", "to reach", "of which the first update"], rows))
    samples = {name: [run._asdict() for run in runs] for name, runs in taken.items()}
    print(f"\n{save('startup', {'samples': samples})}")
    seconds = {name: [run.seconds for run in runs] for name, runs in taken.items()}
    quick = {name: seconds[name] for name in ("python", *LIMITS, "import jax")}
    slow = {name: each for name, each in seconds.items() if name not in quick}
    print(write("startup", bars({"first answers": quick, "first update": slow}, "seconds")))


def programs(folder: str) -> dict[str, Callable[[int], Finished]]:
    """What is timed, each given the number of the round."""
    python, module = sys.executable, "benchmarks.contestants.startup.first_update"

    def cached(number: int) -> dict[str, str]:
        # A folder a round, so that the cache is empty once and filled once.
        return {"JAX_COMPILATION_CACHE_DIR": f"{folder}/cache-{number}"}

    def train(number: int, name: str, environment: dict[str, str]) -> Finished:
        options = ["--epochs", "1", "--out", f"{folder}/{name}-{number}"]
        return run_fresh([python, "-c", COMMAND, "train", *options], environment)

    return {
        "python": lambda _: run_fresh([python, "-c", ""]),
        "import multvae_jax": lambda _: run_fresh([python, "-c", "import multvae_jax"]),
        "import jax": lambda _: run_fresh([python, "-c", "import jax"]),
        "multvae --help": lambda _: run_fresh([python, "-c", COMMAND, "--help"]),
        "first update, no cache": lambda _: run_fresh([python, "-m", module], WITHOUT),
        "first update, empty cache": lambda n: run_fresh([python, "-m", module], cached(n)),
        "first update, filled cache": lambda n: run_fresh([python, "-m", module], cached(n)),
        "multvae train, no cache": lambda n: train(n, "without", WITHOUT),
        "multvae train, empty cache": lambda n: train(n, "empty", cached(n)),
        "multvae train, filled cache": lambda n: train(n, "filled", cached(n)),
    }


def row(name: str, runs: list[Finished]) -> list[str]:
    """A line of the table."""
    seconds = [run.seconds for run in runs]
    firsts = [run.said["stages"]["first update"] for run in runs if run.said]
    return [
        name,
        f"{statistics.median(seconds):.2f}",
        f"{min(seconds):.2f} to {max(seconds):.2f}",
        f"{LIMITS[name]:.1f}" if name in LIMITS else "",
        f"{statistics.median(firsts):.2f}" if firsts else "",
    ]

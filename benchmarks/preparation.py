"""How long does it take from a 20-million-row file of ratings to a split, against pandas?

    python -m benchmarks preparation [--file FILE] [--rounds 3]

The file is generated with ML-20M's shape (540 MB). pandas takes two ways: in memory, with its
fastest operations, and through the files that the authors' notebook writes and reads again. Each
way is a process of its own, timed from its start, imports included, to the last matrix; they take
turns. The results must be the same: matrices, ids and their order, and every drawn target.

On two cores of an AMD EPYC, about 2 minutes. pandas takes 2.7 times as long in memory, and 4.8
times as long through files.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from benchmarks.harness.environments import ENVIRONMENTS, interpreter
from benchmarks.harness.figures import bars
from benchmarks.harness.processes import (
    Finished,
    alternate_fresh,
    median_and_range,
    run_fresh,
    seconds_of,
)
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.synthetic import (
    ML20M_FILMS,
    ML20M_RATERS,
    ML20M_RATINGS,
    random_ratings,
)
from multvae_jax.config.unions import Count

OURS = "multvae_jax"
HELD_OUT = 10_000


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks preparation`."""

    file: str | None = None
    """File of ratings; it is generated if it does not exist. By default, a temporary file."""
    rounds: Count = 3
    """Number of timed processes per contestant."""
    scale: Annotated[float, Meta(gt=0)] = 1.0
    """Size of the file, as a share of ML-20M. Results are written only at 1."""


def contestants(path: Path, held_out: int) -> dict[str, Callable[[int], Finished]]:
    """Name -> how to run it, given the number of the round."""
    module = "benchmarks.contestants.preparation"
    arguments = [str(path), str(held_out)]
    python = str(interpreter("pandas", ENVIRONMENTS["pandas"]))
    pandas = [python, "-m", f"{module}.pandas_notebook", *arguments]
    commands = {
        OURS: [sys.executable, "-m", f"{module}.ours", *arguments],
        "pandas, in memory": pandas,
        "pandas, through files": [*pandas, "files"],
    }

    def run(command: list[str], number: int) -> Finished:
        del number
        return run_fresh(command)

    return {name: partial(run, command) for name, command in commands.items()}


def check_results(taken: dict[str, list[Finished]]) -> None:
    """Check that all contestants made the same split.

    Raises:
        RuntimeError: if a part of it differs.
    """
    expected = taken[OURS][0].answer["result"]
    for name, runs in taken.items():
        for run in runs:
            wrong = [part for part in expected if run.answer["result"][part] != expected[part]]
            if wrong:
                raise RuntimeError(f"{name} has other {', '.join(wrong)}")


def table_row(name: str, runs: list[Finished], ours: list[Finished]) -> list[str]:
    """A row of the table."""
    ratio = statistics.median(b.seconds / a.seconds for a, b in zip(ours, runs, strict=True))
    stages = [
        f"{statistics.median(run.answer['stages'][stage] for run in runs):.1f}"
        for stage in ("read and filter", "split")
    ]
    return [
        name,
        *median_and_range([run.seconds for run in runs], 1),
        f"{ratio:.1f}",
        *stages,
        f"{max(run.answer['peak'] for run in runs) / 1e9:.2f}",
    ]


def measure(options: Options) -> Iterator[Report]:
    """Seconds and peak memory of each contestant."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(options.file or f"{folder}/ratings.csv")
        if not path.exists():
            sizes = (ML20M_RATERS, ML20M_FILMS, ML20M_RATINGS)
            random_ratings(*(int(options.scale * size) for size in sizes)).write_csv(path)
        programs = contestants(path, int(options.scale * HELD_OUT))
        path.read_bytes()  # so that all find it in the page cache, the first one included
        taken = alternate_fresh(programs, options.rounds)
    check_results(taken)
    heading = [
        *("", "s, median", "range", "times our time, round by round"),
        *("read and filter", "split", "peak memory, GB"),
    ]
    rows = [table_row(name, runs, taken[OURS]) for name, runs in taken.items()]
    table = f"{markdown(heading, rows)}\n\nmatrices, ids and drawn targets are the same"
    if options.scale != 1:
        yield Report("preparation", table, None)
        return
    memory = {name: [run.answer["peak"] / 1e9 for run in runs] for name, runs in taken.items()}
    yield Report(
        "preparation",
        table,
        {"samples": {name: [run._asdict() for run in runs] for name, runs in taken.items()}},
        bars({"seconds": seconds_of(taken), "peak memory, GB": memory}, ""),
    )

"""A 20-million-row file of ratings to a split, against the pandas way of the authors' notebook.

    python -m benchmarks preparation [--file FILE] [--rounds 3]

The file is generated with ML-20M's shape. pandas goes two ways: in memory, with its fastest
operations, and through the files that the notebook writes and reads again. Each way is a process
of its own, timed from its start, imports and all, to the last matrix; they take turns. What comes
out must be the same: matrices, ids and their order, and every drawn target.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.harness.environments import ENVIRONMENTS, interpreter
from benchmarks.harness.figures import bars, write
from benchmarks.harness.processes import Finished, run_fresh
from benchmarks.harness.report import markdown, save
from benchmarks.harness.synthetic import ML20M_FILMS, ML20M_RATERS, ML20M_RATINGS, ratings

HELD_OUT = 10_000


def main(arguments: list[str]) -> None:
    """Generate the file unless it is there, time both ways, print the table and save."""
    parser = argparse.ArgumentParser(prog="benchmarks preparation", description=__doc__)
    parser.add_argument("--file", help="where the ratings are, or are to be kept")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of ML-20M's size")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(options.file or f"{folder}/ratings.csv")
        if not path.exists():
            sizes = (ML20M_RATERS, ML20M_FILMS, ML20M_RATINGS)
            ratings(*(int(options.scale * size) for size in sizes)).write_csv(path)
        taken = alternate(path, options)
    compare(taken)
    rows = [row(name, runs, taken["multvae_jax"]) for name, runs in taken.items()]
    heading = [
        *("", "s, median", "range", "times our time, round by round"),
        *("read and filter", "split", "peak memory, GB"),
    ]
    print(markdown(heading, rows))
    print("\nmatrices, ids and drawn targets are the same")
    samples = {name: [run._asdict() for run in runs] for name, runs in taken.items()}
    if options.scale == 1:
        seconds = {name: [run.seconds for run in runs] for name, runs in taken.items()}
        memory = {name: [run.said["peak"] / 1e9 for run in runs] for name, runs in taken.items()}
        figure = bars({"seconds": seconds, "peak memory, GB": memory}, "")
        print(f"\n{save('preparation', {'samples': samples})}\n{write('preparation', figure)}")


def alternate(path: Path, options: argparse.Namespace) -> dict[str, list[Finished]]:
    """Each way once a round."""
    module, held_out = "benchmarks.contestants", str(int(options.scale * HELD_OUT))
    python = str(interpreter("pandas", ENVIRONMENTS["pandas"]))
    pandas = [python, "-m", f"{module}.preparation.pandas_notebook"]
    commands = {
        "multvae_jax": [sys.executable, "-m", f"{module}.preparation.ours"],
        "pandas, in memory": pandas,
        "pandas, through files": pandas,
    }
    path.read_bytes()  # from memory for all, not from the disk for the first
    taken: dict[str, list[Finished]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            way = ["files"] if name.endswith("files") else []
            taken[name].append(run_fresh([*command, str(path), held_out, *way]))
    return taken


def compare(taken: dict[str, list[Finished]]) -> None:
    """Refuse to compare times of different results."""
    expected = taken["multvae_jax"][0].said["result"]
    for name, runs in taken.items():
        for run in runs:
            wrong = [part for part in expected if run.said["result"][part] != expected[part]]
            if wrong:
                raise RuntimeError(f"{name} has other {', '.join(wrong)}")


def row(name: str, runs: list[Finished], ours: list[Finished]) -> list[str]:
    """A line of the table."""
    ratio = statistics.median(b.seconds / a.seconds for a, b in zip(ours, runs, strict=True))
    seconds = [run.seconds for run in runs]
    stages = [
        f"{statistics.median(run.said['stages'][stage] for run in runs):.1f}"
        for stage in ("read and filter", "split")
    ]
    return [
        name,
        f"{statistics.median(seconds):.1f}",
        f"{min(seconds):.1f} to {max(seconds):.1f}",
        f"{ratio:.1f}",
        *stages,
        f"{max(run.said['peak'] for run in runs) / 1e9:.2f}",
    ]

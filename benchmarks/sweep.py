"""Sixteen settings as one program, against sixteen runs.

    python -m benchmarks sweep [--sizes ml-100k ml-1m] [--peer-python PYTHON]

Each contestant is timed from the start of its first process to the end of its last: imports, data
and compiling are within. `multvae sweep` trains all settings in one program. The others train one
after the other: `multvae train` in a process each, `fit` in one process, PyTorch in one process.
All validate after each epoch, on the same users of the same generated data.

Few epochs are timed, and compiling has a larger part in them than in a run of a hundred. What a
hundred would take is reckoned from the epochs that were timed once everything is compiled.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.report import markdown, save
from benchmarks.harness.synthetic import histories
from multvae_jax.config.build import batch_size
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import DataOptions, TrainingOptions


class Size(NamedTuple):
    """Generated data with the users, items and interactions a user of a data set."""

    users: int
    items: int
    mean: int
    held_out: int
    epochs: int


SIZES = {
    "ml-100k": Size(943, 1_450, 60, 94, 10),
    "ml-1m": Size(6_034, 3_533, 95, 600, 3),
}
"""Ratings of 4 and above, as the presets of these data sets keep them."""

CAPS, RATES = (0.1, 0.2, 0.5, 1.0), (3e-4, 1e-3, 2e-3, 3e-3)
SETTINGS = [{"beta-cap": c, "learning-rate": r} for c, r in itertools.product(CAPS, RATES)]
MULTVAE = [
    sys.executable,
    "-c",
    "import sys; from multvae_jax.cli.main import main; sys.exit(main())",
]
FULL = 100


def write_data(size: Size, folder: Path) -> DataOptions:
    """A table of interactions, and for the peer the arrays of its split."""
    rows, columns = histories(size.users, size.items, size.mean).nonzero()
    file = folder / "ratings.csv"
    lines = [f"{user},{item}\n" for user, item in zip(rows, columns, strict=True)]
    file.write_text("user,item\n" + "".join(lines))
    data = DataOptions(data=str(file), held_out=size.held_out)
    split = load_split(data)
    assert split.validation is not None
    arrays: dict[str, Any] = {"items": split.train.shape[1]}
    parts = {
        "train": split.train,
        "history": split.validation.history,
        "targets": split.validation.targets,
    }
    for name, matrix in parts.items():
        arrays[f"{name}_rows"], arrays[f"{name}_columns"] = matrix.nonzero()
        arrays[f"{name}_users"] = matrix.shape[0]
    arrays["batch_size"] = batch_size(TrainingOptions(), split.train.shape[0])
    np.savez(folder / "arrays.npz", **arrays)
    return data


def run(command: list[str]) -> tuple[float, dict[str, Any]]:
    """Seconds that a process takes, and the JSON of its last line, if that is what it is."""
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    last = done.stdout.rstrip().splitlines()[-1] if done.stdout.strip() else ""
    return seconds, json.loads(last) if last.startswith("{") else {}


def sweep(data: DataOptions, epochs: int, folder: Path) -> dict[str, Any]:
    """One `multvae sweep`."""
    vary = ["--vary", "beta-cap", *map(str, CAPS), "--vary", "learning-rate", *map(str, RATES)]
    out = folder / "sweep"
    seconds, _ = run([*MULTVAE, "sweep", *_options(data, epochs), *vary, "--out", str(out)])
    members = map(json.loads, (out / "members.jsonl").read_text().splitlines()[1:])
    epoch_seconds = [entry["seconds"] for member in members for entry in member["log"][1:]]
    return {"seconds": seconds, "epoch_seconds": epoch_seconds}


def processes(data: DataOptions, epochs: int, folder: Path, timed: int) -> dict[str, Any]:
    """A `multvae train` for each of the first settings."""
    each, epoch_seconds = [], []
    for number, setting in enumerate(SETTINGS[:timed]):
        chosen = [word for name, value in setting.items() for word in (f"--{name}", str(value))]
        out = folder / f"run-{number}"
        seconds, _ = run([*MULTVAE, "train", *_options(data, epochs), *chosen, "--out", str(out)])
        each.append(seconds)
        log = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
        epoch_seconds += [entry["seconds"] for entry in log][1:]
    total = sum(each) * len(SETTINGS) / timed
    return {"seconds": total, "each": each, "epoch_seconds": epoch_seconds}


def fits(data: DataOptions, epochs: int) -> dict[str, Any]:
    """All by `fit` in one process."""
    given = [str(data.data), str(data.held_out), str(epochs), json.dumps(SETTINGS)]
    seconds, answer = run([sys.executable, "-m", "benchmarks.contestants.sweep.ours", *given])
    return {"seconds": seconds, **answer}


def pytorch(folder: Path, epochs: int, python: str) -> dict[str, Any]:
    """All by PyTorch in one process."""
    arrays = folder / "arrays.npz"
    size = str(int(np.load(arrays)["batch_size"]))
    given = [str(arrays), str(epochs), size, json.dumps(SETTINGS)]
    seconds, answer = run([python, "-m", "benchmarks.contestants.sweep.pytorch", *given])
    return {"seconds": seconds, **answer}


def _options(data: DataOptions, epochs: int) -> list[str]:
    given = ["--data", str(data.data), "--held-out", str(int(data.held_out or 0))]
    return [*given, "--epochs", str(epochs)]


def at_full_length(taken: dict[str, Any], epochs: int) -> float:
    """Seconds that all settings would take with `FULL` epochs each."""
    more = (FULL - epochs) * len(SETTINGS)
    return taken["seconds"] + more * statistics.mean(taken["epoch_seconds"])


def main(arguments: list[str]) -> None:
    """Time the contestants, print a table for each size, and save the samples."""
    parser = argparse.ArgumentParser(prog="benchmarks sweep", description=__doc__)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=SIZES)
    parser.add_argument(
        "--processes", type=int, default=4, help="settings that `multvae train` is timed with"
    )
    parser.add_argument("--peer-python", help="interpreter that has PyTorch; none: no peer")
    options = parser.parse_args(arguments)
    for name in options.sizes:
        size = SIZES[name]
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            data = write_data(size, folder)
            taken = {
                "multvae sweep": sweep(data, size.epochs, folder),
                "fit, in one process": fits(data, size.epochs),
                "multvae train, a process each": processes(
                    data, size.epochs, folder, options.processes
                ),
            }
            if options.peer_python:
                taken["PyTorch, in one process"] = pytorch(folder, size.epochs, options.peer_python)
        ours = taken["multvae sweep"]
        full = at_full_length(ours, size.epochs)
        rows = [
            [
                contestant,
                f"{of_one['seconds']:.1f}",
                f"{ours['seconds'] / of_one['seconds']:.2f}",
                f"{1e3 * statistics.mean(of_one['epoch_seconds']):.0f}",
                f"{full / at_full_length(of_one, size.epochs):.2f}",
            ]
            for contestant, of_one in taken.items()
        ]
        heading = [
            f"{name}-sized, {len(SETTINGS)} settings, {size.epochs} epochs",
            "s in all",
            "sweep over it",
            "ms an epoch",
            f"sweep over it, {FULL} epochs",
        ]
        print(markdown(heading, rows))
        figures = {"size": size._asdict(), "settings": SETTINGS, "samples": taken}
        print(f"\n{save(f'sweep-{name}', figures)}\n")

"""How fast are sixteen settings as one program, against sixteen runs?

    python -m benchmarks sweep [--sizes ml-100k ml-1m] [--peer-python PYTHON]

Each contestant is timed from the start of its first process to the end of its last, with imports,
data and compilation. `multvae sweep` trains all settings in one program. The others train them
one after the other: `multvae train` in a process per setting, `fit` in one process, PyTorch in one
process. All validate after each epoch, on the same users of the same generated data.

Only a few epochs are timed, so that compilation weighs more than in a run of a hundred epochs. The
time of a hundred is computed from that of the epochs after the first.

On two cores of an AMD EPYC, about 15 minutes with `--processes 16` and PyTorch. At the size of
ML-100K the sweep takes 0.38 of the time of the fits, 0.13 of that of the processes, and 0.98 of
PyTorch's; at the size of ML-1M, 0.43, 0.17 and 0.70.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmarks.harness.processes import MULTVAE
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.synthetic import random_histories
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import Count, InteractionFile
from multvae_jax.recipe import EPOCHS, batch_size


class Workload(NamedTuple):
    """Generated data with the users, items and interactions per user of a data set."""

    users: int
    items: int
    mean: int
    held_out: int
    epochs: int


Size = Literal["ml-100k", "ml-1m"]
WORKLOADS: dict[Size, Workload] = {
    "ml-100k": Workload(943, 1_450, 60, 94, 10),
    "ml-1m": Workload(6_034, 3_533, 95, 600, 3),
}
"""Ratings of 4 and above, as the presets of these data sets keep them."""

CAPS, RATES = (0.1, 0.2, 0.5, 1.0), (3e-4, 1e-3, 2e-3, 3e-3)
RECIPE = "paper"
"""The recipe of the options that are not varied."""

SETTINGS = [{"beta-cap": c, "learning-rate": r} for c, r in itertools.product(CAPS, RATES)]


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks sweep`."""

    sizes: tuple[Size, ...] = tuple(WORKLOADS)
    """Data sets whose sizes the generated data has."""
    processes: Count = 4
    """Number of settings for which `multvae train` is timed; the others are extrapolated."""
    peer_python: str | None = None
    """Interpreter that has PyTorch. By default, PyTorch takes no part."""


class Timing(NamedTuple):
    """Times of a contestant.

    Attributes:
        seconds: in all.
        epoch_seconds: time of each epoch, without the first of a setting, which compiles.
        details: further contents of the record.
    """

    seconds: float
    epoch_seconds: list[float]
    details: dict[str, Any]

    def at_full_length(self, epochs: int) -> float:
        """Seconds that all settings would take with the default number of epochs each."""
        more = (EPOCHS - epochs) * len(SETTINGS)
        return self.seconds + more * statistics.mean(self.epoch_seconds)

    def record(self) -> dict[str, Any]:
        """Contents of the JSON file."""
        return {"seconds": self.seconds, "epoch_seconds": self.epoch_seconds, **self.details}


def write_data(workload: Workload, folder: Path) -> DataOptions:
    """Write a table of interactions and, for PyTorch, the arrays of its split."""
    rows, columns = random_histories(workload.users, workload.items, workload.mean).nonzero()
    file = folder / "ratings.csv"
    lines = [f"{user},{item}\n" for user, item in zip(rows, columns, strict=True)]
    file.write_text("user,item\n" + "".join(lines))
    data = DataOptions(InteractionFile(str(file)), held_out=workload.held_out)
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
    arrays["batch_size"] = batch_size(split.train.shape[0])
    np.savez(folder / "arrays.npz", **arrays)
    return data


def run_to_end(command: Sequence[str]) -> tuple[float, dict[str, Any]]:
    """Run a process; return its seconds to its end, and its last line if that is JSON.

    Raises:
        RuntimeError: if it fails, with its standard error.
    """
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    last = done.stdout.rstrip().splitlines()[-1] if done.stdout.strip() else ""
    return seconds, json.loads(last) if last.startswith("{") else {}


def _file_of(data: DataOptions) -> str:
    assert isinstance(data.source, InteractionFile)
    return str(data.source.path)


def _multvae(command: str, data: DataOptions, epochs: int, out: Path, *words: str) -> float:
    held_out = str(int(data.held_out or 0))
    options = ["--data", _file_of(data), "--held-out", held_out, "--epochs", str(epochs)]
    options += ["--recipe", RECIPE]
    return run_to_end([*MULTVAE, command, *options, *words, "--out", str(out)])[0]


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def one_sweep(data: DataOptions, epochs: int, folder: Path) -> Timing:
    """All settings by one `multvae sweep`."""
    vary = ["--vary", "beta-cap", *map(str, CAPS), "--vary", "learning-rate", *map(str, RATES)]
    out = folder / "sweep"
    seconds = _multvae("sweep", data, epochs, out, *vary)
    members = _json_lines(out / "members.jsonl")[1:]
    return Timing(
        seconds, [entry["seconds"] for member in members for entry in member["log"][1:]], {}
    )


def one_process_each(data: DataOptions, epochs: int, folder: Path, timed: int) -> Timing:
    """The first settings by a `multvae train` each; the time of all is in proportion."""
    each, epoch_seconds = [], []
    for number, setting in enumerate(SETTINGS[:timed]):
        chosen = [word for name, value in setting.items() for word in (f"--{name}", str(value))]
        out = folder / f"run-{number}"
        each.append(_multvae("train", data, epochs, out, *chosen))
        epoch_seconds += [entry["seconds"] for entry in _json_lines(out / "metrics.jsonl")[1:]]
    return Timing(sum(each) * len(SETTINGS) / timed, epoch_seconds, {"each": each})


def one_process(contestant: str, python: str, *arguments: str) -> Timing:
    """All settings by a contestant that trains them in one process."""
    module = f"benchmarks.contestants.sweep.{contestant}"
    seconds, answer = run_to_end([python, "-m", module, *arguments, json.dumps(SETTINGS)])
    return Timing(seconds, answer.pop("epoch_seconds"), answer)


def timings(workload: Workload, folder: Path, options: Options) -> dict[str, Timing]:
    """Contestant -> its times."""
    data, epochs = write_data(workload, folder), workload.epochs
    given = (_file_of(data), str(data.held_out), str(epochs), RECIPE)
    taken = {
        "multvae sweep": one_sweep(data, epochs, folder),
        "fit, in one process": one_process("ours", sys.executable, *given),
        "multvae train, a process each": one_process_each(data, epochs, folder, options.processes),
    }
    if options.peer_python:
        arrays = folder / "arrays.npz"
        size = str(int(np.load(arrays)["batch_size"]))
        taken["PyTorch, in one process"] = one_process(
            "pytorch", options.peer_python, str(arrays), str(epochs), size
        )
    return taken


def measure(options: Options) -> Iterator[Report]:
    """Times of each contestant, at each size."""
    for name in options.sizes:
        workload = WORKLOADS[name]
        with tempfile.TemporaryDirectory() as folder:
            taken = timings(workload, Path(folder), options)
        ours = taken["multvae sweep"]
        full = ours.at_full_length(workload.epochs)
        rows = [
            [
                contestant,
                f"{of_one.seconds:.1f}",
                f"{ours.seconds / of_one.seconds:.2f}",
                f"{1e3 * statistics.mean(of_one.epoch_seconds):.0f}",
                f"{full / of_one.at_full_length(workload.epochs):.2f}",
            ]
            for contestant, of_one in taken.items()
        ]
        heading = [
            f"{name}-sized, {len(SETTINGS)} settings, {workload.epochs} epochs",
            "s in all",
            "sweep over it",
            "ms per epoch",
            f"sweep over it, {EPOCHS} epochs",
        ]
        samples = {contestant: of_one.record() for contestant, of_one in taken.items()}
        record = {"size": workload._asdict(), "settings": SETTINGS, "samples": samples}
        yield Report(name, markdown(heading, rows), record)

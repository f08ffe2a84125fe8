"""How close are the memory and the time of `multvae estimate` to those of the training?

    python -m benchmarks estimate [--names a b] [--prefix WORDS] [--only-estimates]

Twelve configurations: 2,000 to 200,000 items, networks with and without hidden layers, batches of
50 to 1,000, whole catalogues and blocks of items, float32 and bfloat16, Mult-VAE and Mult-DAE.
Each is estimated from its data, and then trained twice by `multvae train`: the first run compiles.
Memory is the most resident memory of the process of the second run, with everything in it:
interpreter, libraries, reading, training, validation, test and the writing of the run. Time is that
of the fastest epoch after the first, with its validation, in the run's own log.

On two cores of an AMD EPYC, about 5 minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness.report import RESULTS, Report, markdown
from multvae_jax.errors import InputError
from multvae_jax.estimating.calibration import calibrated, to_json
from multvae_jax.estimating.lengths import drawn_lengths

EPOCHS = 4
"""Passes over the users, of which the fastest is timed."""


class Case(NamedTuple):
    """A configuration.

    Attributes:
        items: items of the data.
        users: users of it.
        mean: interactions of a user.
        options: options of `train`.
        epochs: passes over the users.
    """

    items: int
    users: int
    mean: int
    options: str
    epochs: int = EPOCHS


VAE, DAE = "--model mult-vae", "--model mult-dae"
CASES = {
    "a": Case(2_000, 4_000, 50, f"{VAE} --hidden none --latent 64 --batch-size 400", epochs=100),
    "b": Case(20_000, 4_000, 50, f"{VAE} --hidden 600 --latent 200 --batch-size 500"),
    "c": Case(20_000, 4_000, 50, f"{DAE} --hidden none --latent 200 --batch-size 500"),
    "d": Case(100_000, 4_000, 60, f"{VAE} --hidden 200 --latent 100 --batch-size 200"),
    "e": Case(
        100_000,
        4_000,
        60,
        f"{VAE} --hidden 200 --latent 100 --batch-size 200 --item-block 8192",
    ),
    "f": Case(
        50_000,
        3_000,
        50,
        f"{VAE} --hidden none --latent 200 --batch-size 250 --precision bfloat16",
    ),
    "g": Case(10_000, 4_000, 80, f"{VAE} --hidden 600 200 --latent 100 --batch-size 1000"),
    "h": Case(5_000, 5_000, 30, f"{DAE} --hidden 400 --latent 100 --batch-size 100"),
    "i": Case(
        200_000,
        4_000,
        80,
        f"{VAE} --hidden none --latent 100 --batch-size 150 --item-block 8192",
    ),
    "j": Case(
        20_000,
        4_000,
        50,
        f"{VAE} --hidden 600 --latent 200 --batch-size 500 --precision bfloat16",
    ),
    "k": Case(
        50_000,
        3_000,
        100,
        f"{DAE} --hidden 200 --latent 50 --batch-size 500 --item-block 4096",
    ),
    "l": Case(2_000, 10_000, 40, f"{VAE} --hidden 300 --latent 150 --batch-size 50"),
}


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks estimate`."""

    names: tuple[str, ...] = tuple(CASES)
    """Configurations to measure; the results of the others stay as they are."""
    prefix: tuple[str, ...] = ()
    """Words before the command that is timed, such as those that keep other work away from it."""
    only_estimates: bool = False
    """Estimate anew, beside the trainings that were measured before."""


_TRAIN = """
import json, sys
from multvae_jax.cli.main import main
from multvae_jax.host.memory import peak_memory
assert main(["train", *sys.argv[1:]]) == 0
print(json.dumps({"peak": peak_memory()}))
"""


def write_data(case: Case, path: Path) -> None:
    """Write interactions with items of power-law popularity, nearly all of which occur."""
    random = np.random.default_rng(0)
    lengths = drawn_lengths(case.users, case.items, case.users * case.mean, 0, 0.8).train
    users = np.repeat(np.arange(case.users), lengths)
    popularity = np.cumsum(1 / np.arange(1, case.items + 1) ** 0.9)
    items = np.searchsorted(popularity / popularity[-1], random.random(len(users)))
    once = random.permutation(case.items)[: len(users) // 2]
    items[random.permutation(len(users))[: len(once)]] = once
    pairs = np.unique(users * case.items + items)
    lines = (f"{pair // case.items},{pair % case.items}\n" for pair in pairs.tolist())
    with path.open("w", encoding="utf-8") as file:
        file.write("user,item\n")
        file.writelines(lines)


def busy_seconds() -> float | None:
    """Seconds that all cores have worked since the machine started; None where it is not told."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    numbers = [int(number) for number in stat.read_text().splitlines()[0].split()[1:9]]
    return (sum(numbers) - numbers[3] - numbers[4]) / os.sysconf("SC_CLK_TCK")


def run(words: list[str], prefix: tuple[str, ...] = ()) -> str:
    """Standard output of a Python program.

    Raises:
        InputError: with the last line of its errors.
    """
    command = [*prefix, sys.executable, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise InputError(f"{' '.join(words)}: {lines[-1] if lines else done.returncode}")
    return done.stdout


def estimated(case: Case, folder: Path) -> Any:
    """The estimate of a configuration, from its data."""
    return json.loads(run(["-m", "multvae_jax", "estimate", "--json", *options_of(case, folder)]))


def options_of(case: Case, folder: Path) -> list[str]:
    """The options of both commands; the data is written if it is not there."""
    data = folder / "data.csv"
    if not data.exists():
        write_data(case, data)
    given = ["--data", str(data), "--held-out", "200", "--epochs", str(case.epochs)]
    return given + case.options.split()


def trained(case: Case, folder: Path, prefix: tuple[str, ...]) -> dict[str, Any]:
    """Measure the memory and the time of a configuration, trained twice."""
    found = {}
    for number, words in {"first": (), "second": prefix}.items():
        out = folder / number
        options = [*options_of(case, folder), "--baselines", "none", "--out", str(out)]
        before, times = busy_seconds(), os.times()
        peak = json.loads(run(["-c", _TRAIN, *options], words).splitlines()[-1])["peak"]
        after, ended = busy_seconds(), os.times()
        own = ended.children_user + ended.children_system
        own -= times.children_user + times.children_system
        log = (out / "metrics.jsonl").read_text("utf-8").splitlines()
        found[number] = {
            "peak": peak,
            "seconds": [json.loads(line)["seconds"] for line in log],
            "cores_of_others": None
            if before is None or after is None
            else (after - before - own) / (ended.elapsed - times.elapsed),
        }
    return found


def row(name: str, case: Case, found: dict[str, Any]) -> list[str]:
    """A row of the table."""
    estimated = found["estimated"]["devices"]["this"]
    peak, seconds = found["second"]["peak"], min(found["second"]["seconds"][1:])
    memory, epoch = estimated["memory"]["peak"], estimated["seconds_of_epoch"]
    return [
        name,
        f"{found['estimated']['items']:,}",
        case.options.replace("--", ""),
        f"{peak / 1e6:,.0f}",
        f"{memory / 1e6:,.0f}",
        f"{memory / peak:.2f}",
        f"{found['first']['peak'] / 1e6:,.0f}",
        f"{seconds:,.2f}",
        f"{epoch:,.2f}",
        f"{epoch / seconds:.2f}",
    ]


def measure(options: Options) -> Iterator[Report]:
    """Estimates and measurements; the file is written after each configuration."""
    path = RESULTS / "estimate" / "estimate.json"
    kept = json.loads(path.read_text("utf-8"))["measured"] if path.exists() else {}
    heading = [
        *("", "items", "options", "MB", "estimated", "ratio", "MB, first run"),
        *("s per epoch", "estimated", "ratio"),
    ]
    for name in options.names:
        if name not in CASES:
            raise InputError(f"--names {name}: no such configuration; there are {', '.join(CASES)}")
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            before = kept.get(name) if options.only_estimates else None
            found = {"estimated": estimated(case, Path(folder))}
            kept[name] = {**(before or trained(case, Path(folder), options.prefix)), **found}
        rows = [row(each, CASES[each], kept[each]) for each in CASES if each in kept]
        record = {
            "cases": {name: case._asdict() for name, case in CASES.items()},
            "calibration": json.loads(to_json(calibrated())),
            "measured": {each: kept[each] for each in CASES if each in kept},
        }
        yield Report("estimate", markdown(heading, rows), record)

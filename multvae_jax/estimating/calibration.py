"""The speed of this machine and the memory of a process, measured once and kept."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from scipy.optimize import nnls

from multvae_jax.errors import InputError, first_line, reason_of
from multvae_jax.estimating.costs import Costs, Dot
from multvae_jax.estimating.lengths import drawn_lengths
from multvae_jax.estimating.memory import Base, memory_of
from multvae_jax.estimating.probes import LONGER, PROBES, products, seconds_of_byte, timed_probe
from multvae_jax.estimating.programs import Training, compiled
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.host.console import say
from multvae_jax.host.files import atomic_write
from multvae_jax.host.processor import available_cores, processor_name
from multvae_jax.host.programs import cache_folder
from multvae_jax.models import mult_vae


class Rate(NamedTuple):
    """Speed of a matrix product `m x k` by `k x n`, in operations per second."""

    m: int
    k: int
    n: int
    dtype: str
    flops: float


class Calibration(NamedTuple):
    """The measured speed of a machine.

    Attributes:
        products: speeds of matrix products.
        seconds: seconds of each unit of the other work of `Costs`, by its name.
        base: bytes of a process beside its arrays.
    """

    products: tuple[Rate, ...]
    seconds: dict[str, float]
    base: Base

    def seconds_of(self, costs: Costs) -> float:
        """Seconds that a program takes."""
        return self._of_products(costs) + sum(
            each * getattr(costs, name) for name, each in self.seconds.items()
        )

    def _of_products(self, costs: Costs) -> float:
        return sum(n * dot.flops / speed(self.products, dot) for dot, n in costs.dots.items())


def speed(products: tuple[Rate, ...], dot: Dot) -> float:
    """Speed of the product that was timed and is the most similar: by its form, then its sizes."""

    def distance(rate: Rate) -> float:
        sizes = zip(rate[:3], dot[:3], strict=True)
        longest = np.argmax(rate[:3]) != np.argmax(dot[:3])
        return (
            100 * (rate.dtype != dot.dtype)
            + 10 * bool(longest)
            + sum(abs(math.log(min(mine, LONGER) / min(other, LONGER))) for mine, other in sizes)
        )

    return min(products, key=distance).flops


FITTED = ("streamed", "cached", "instructions")
"""Work whose rates are found from the times of `PROBES`."""

OTHER = ("fresh", *FITTED)
"""Work beside the products."""


def calibrate() -> Calibration:
    """Measure this machine: about a minute."""
    of_byte = seconds_of_byte()
    rates = tuple(Rate(*dot, dot.flops / each) for dot, each in products(of_byte.streamed))
    timed = [timed_probe(probe) for probe in PROBES]
    fresh = {"fresh": of_byte.fresh}
    known = Calibration(rates, fresh, Base())
    seconds = np.array([each for each, _ in timed])
    rest = seconds - [known.seconds_of(costs) for _, costs in timed]
    work = np.array([[getattr(costs, name) for name in FITTED] for _, costs in timed])
    # Each probe counts by its relative error.
    found, _ = nnls(work / seconds[:, None], np.maximum(rest, 0) / seconds)
    others = dict(zip(FITTED, found.tolist(), strict=True))
    return Calibration(rates, fresh | others, _base())


_TRAIN = """
import sys
from multvae_jax.cli.main import main
from multvae_jax.host.memory import peak_memory
small = ["--held-out", "20", "--epochs", "2", "--baselines", "none", *sys.argv[3:]]
assert main(["train", "--data", sys.argv[1], "--out", sys.argv[2], *small]) == 0
print(peak_memory())
"""

_READ = """
import sys
import multvae_jax.cli.train
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import DataOptions
from multvae_jax.config.unions import InteractionFile
from multvae_jax.host.memory import peak_memory
load_split(DataOptions(source=InteractionFile(sys.argv[1]), held_out=20))
print(peak_memory())
"""

USERS, ITEMS, MEAN = 400, 1000, 20
"""Size of the data that a process is measured with."""

MORE_USERS = 20_000
"""Users of the data that shows what reading takes."""

SHALLOW, DEEP = (), (64, 64, 64)
"""Widths of two models, of which the second has larger programs, and hardly larger arrays."""

LATENT, BATCH_SIZE = 8, 40


def _base() -> Base:
    """Memory of processes that train small models, and of ones that only read."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = f"{folder}/few.csv", f"{folder}/many.csv"
        n_few, n_many = _write_data(few, USERS), _write_data(many, MORE_USERS)

        def measured(hidden: tuple[int, ...]) -> tuple[int, int, int]:
            """Memory of a first and of a later process beside the arrays; letters of programs."""
            words = ["--latent", str(LATENT), "--batch-size", str(BATCH_SIZE)]
            words += ["--network", "variational_mlp", "--hidden", *(map(str, hidden or ("none",)))]
            lengths = drawn_lengths(USERS, ITEMS, n_few, 20, 0.8)
            model = mult_vae(hidden, LATENT)
            training = Training(model, optax.adam(1e-3), BATCH_SIZE, 2, PAPER_METRICS)
            programs = compiled(lengths, training)
            arrays = memory_of(programs, Base(), read=lengths).peak
            # The first compiles what the second finds in the cache, as later trainings do.
            compiling, later = (
                _peak_of(_TRAIN, [few, tempfile.mktemp(dir=folder), *words], folder)
                for _ in range(2)
            )
            return compiling - arrays, later - arrays, programs.text

        compiling, shallow, text = measured(SHALLOW)
        _, deep, longer = measured(DEEP)
        per_letter = max(0.0, (deep - shallow) / (longer - text))
        reading, more = (_peak_of(_READ, [file], folder) for file in (few, many))
        per_interaction = max(0.0, (more - reading) / (n_many - n_few))
    process = round(shallow - per_letter * text)
    return Base(process, per_letter, max(0, compiling - shallow), reading, per_interaction)


def _write_data(file: str, n_users: int) -> int:
    """Write data of some users; returns the number of interactions."""
    items = np.random.default_rng(0).integers(0, ITEMS, (n_users, MEAN))
    pairs = np.unique(np.arange(n_users)[:, None] * ITEMS + items)
    lines = (f"{pair // ITEMS},{pair % ITEMS}\n" for pair in pairs.tolist())
    Path(file).write_text("user,item\n" + "".join(lines))
    return len(pairs)


def _peak_of(program: str, words: Sequence[str], folder: str) -> int:
    """Most memory of a process that keeps its compiled programs in a folder."""
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "JAX_COMPILATION_CACHE_DIR": folder,
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        },
    )
    lines = done.stdout.split()
    if done.returncode or not lines or not lines[-1].isdecimal():
        why = done.stderr.strip().splitlines()
        raise InputError(f"a small training cannot be measured: {why[-1] if why else 'no result'}")
    return int(lines[-1])


def machine() -> dict[str, str]:
    """The machine and the versions that a calibration holds for."""
    return {
        "processor": processor_name(),
        "cores": str(available_cores()),
        "backend": jax.default_backend(),
        "jax": jax.__version__,
        "python": platform.python_version(),
    }


def calibration_file() -> Path:
    """Where the calibration of this machine is kept, beside the compiled programs.

    Raises:
        RuntimeError: this user has no home directory.
    """
    about = machine()
    words = "-".join(about[name] for name in ("processor", "cores", "backend", "jax", "python"))
    name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in words)
    return cache_folder() / "calibration" / f"{name}.json"


def calibrated() -> Calibration:
    """The calibration of this machine: the one that is kept, or a new one, which is said."""
    try:
        path = calibration_file()
        return from_json(path.read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError):
        say("the calibration that is kept is damaged, or of another version of the program")
    except (OSError, RuntimeError) as error:
        say(f"the calibration that is kept cannot be read: {first_line(error)}")
        path = None
    say("measuring this machine, once: about a minute")
    found = calibrate()
    try:
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(to_json(found))
            say(f"kept for later commands in {path}")
    except (OSError, InputError) as error:
        say(f"the calibration is not kept for later commands: {reason_of(error)}")
    return found


def to_json(calibration: Calibration) -> str:
    """A calibration as JSON, with the machine."""
    parts = {"machine": machine(), **calibration._asdict()}
    return json.dumps({**parts, "base": calibration.base._asdict()}, indent=1) + "\n"


def from_json(text: str) -> Calibration:
    """Read a calibration.

    Raises:
        ValueError: it is not one.
    """
    found: dict[str, Any] = json.loads(text)
    return Calibration(
        tuple(Rate(*rate) for rate in found["products"]),
        {name: float(found["seconds"][name]) for name in OTHER},
        Base(*(found["base"][name] for name in Base._fields)),
    )

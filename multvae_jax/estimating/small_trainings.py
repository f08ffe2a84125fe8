"""Memory and time of small trainings, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optax

from multvae_jax.errors import InputError
from multvae_jax.estimating.costs import Costs
from multvae_jax.estimating.lengths import drawn_lengths
from multvae_jax.estimating.memory import Base, memory_of
from multvae_jax.estimating.programs import Training, compiled, n_updates
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.models import mult_vae

EPOCHS = 20
"""Epochs of the small trainings, of which the fastest is timed."""

_TRAIN = f"""
import json, sys
from pathlib import Path
from multvae_jax.cli.main import main
from multvae_jax.host.memory import peak_memory
data, out, *model = sys.argv[1:]
small = ["--held-out", "20", "--epochs", "{EPOCHS}", "--baselines", "none", *model]
assert main(["train", "--data", data, "--out", out, *small]) == 0
log = Path(out, "metrics.jsonl").read_text("utf-8").splitlines()
print(peak_memory(), min(json.loads(entry)["seconds"] for entry in log))
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


def small_trainings(seconds_of: Callable[[Costs], float]) -> tuple[Base, float]:
    """Measure processes that train small models, and ones that only read.

    Args:
        seconds_of: seconds that a program takes.

    Returns:
        bytes of a process beside its arrays, and seconds of an epoch beside its programs.

    Raises:
        InputError: a process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        few, many = f"{folder}/few.csv", f"{folder}/many.csv"
        n_few, n_many = _write_data(few, USERS), _write_data(many, MORE_USERS)

        def measured(hidden: tuple[int, ...]) -> _Small:
            words = ["--latent", str(LATENT), "--batch-size", str(BATCH_SIZE)]
            # The model of `mult_vae`, and not that of the recipe.
            words += ["--likelihood", "multinomial"]
            words += ["--network", "variational_mlp", "--hidden", *(map(str, hidden or ("none",)))]
            lengths = drawn_lengths(USERS, ITEMS, n_few, 20, 0.8)
            model = mult_vae(hidden, LATENT)
            training = Training(model, optax.adam(1e-3), BATCH_SIZE, EPOCHS, PAPER_METRICS)
            programs = compiled(lengths, training)
            arrays = memory_of(programs, Base(), read=lengths).peak
            updates = programs.of_update.times(n_updates(lengths, training))
            # The first compiles what the second finds in the cache, as later trainings do.
            (compiling, _), (later, seconds) = (
                _printed(_TRAIN, [few, tempfile.mktemp(dir=folder), *words], folder)
                for _ in range(2)
            )
            of_programs = seconds_of(updates) + seconds_of(programs.of_validation)
            return _Small(compiling - arrays, later - arrays, programs.text, seconds - of_programs)

        shallow, deep = measured(SHALLOW), measured(DEEP)
        longer = deep.text - shallow.text
        per_letter = max(0.0, (deep.later - shallow.later) / longer)
        (reading,), (more,) = (_printed(_READ, [file], folder) for file in (few, many))
        per_interaction = max(0.0, (more - reading) / (n_many - n_few))
    process = round(shallow.later - per_letter * shallow.text)
    compiling = max(0, round(shallow.compiling - shallow.later))
    base = Base(process, per_letter, compiling, round(reading), per_interaction)
    return base, max(0.0, shallow.beside)


class _Small(NamedTuple):
    """Memory and time of the trainings of a small model.

    Attributes:
        compiling: bytes of a first process beside the arrays.
        later: those of a later process.
        text: number of letters of its programs.
        beside: seconds of an epoch beside its programs.
    """

    compiling: float
    later: float
    text: int
    beside: float


def _write_data(file: str, n_users: int) -> int:
    """Write data of some users; returns the number of interactions."""
    items = np.random.default_rng(0).integers(0, ITEMS, (n_users, MEAN))
    pairs = np.unique(np.arange(n_users)[:, None] * ITEMS + items)
    lines = (f"{pair // ITEMS},{pair % ITEMS}\n" for pair in pairs.tolist())
    Path(file).write_text("user,item\n" + "".join(lines))
    return len(pairs)


def _printed(program: str, words: Sequence[str], folder: str) -> list[float]:
    """Numbers that a process prints last, which keeps its compiled programs in a folder."""
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
    try:
        done.check_returncode()
        return [float(word) for word in done.stdout.splitlines()[-1].split()]
    except (subprocess.CalledProcessError, IndexError, ValueError):
        why = done.stderr.strip().splitlines()
        raise InputError(
            f"a small training cannot be measured: {why[-1] if why else 'no result'}"
        ) from None

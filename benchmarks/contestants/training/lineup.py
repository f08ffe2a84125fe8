"""The contestants in training, and how to start each of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.contestants.training.task import scores_file, start_command
from benchmarks.harness.environments import ENVIRONMENTS, interpreter

OURS = "multvae_jax, float32"
ADAPTIVE = "multvae_jax, its own recipe"


class Contestant(NamedTuple):
    """How to start a contestant, and the file to which it writes its scores."""

    command: list[str]
    scores: Path


def contestants(
    folder: Path,
    batch_size: int,
    precisions: Sequence[str] = ("float32",),
    annealing: int = 40_000,
    without: Sequence[str] = (),
    recipes: bool = False,
) -> dict[str, Contestant]:
    """Name -> contestant, for the task in a folder.

    Args:
        folder: holds the task.
        batch_size: users in an update.
        precisions: of the matrix products, for this program and plain PyTorch.
        annealing: updates over which beta rises to its cap.
        without: names to leave out.
        recipes: whether this program takes part with its own recipe too.
    """
    # (module, environment, precision); None: the environment of this process.
    entries = {
        **({ADAPTIVE: ("adaptive", None, "float32")} if recipes else {}),
        OURS: ("ours", None, "float32"),
        **{f"multvae_jax, {name}": ("ours", None, name) for name in precisions},
        **{f"PyTorch, {name}": ("pytorch", "torch", name) for name in precisions},
        "RecBole": ("recbole", "recbole", "float32"),
        "Cornac": ("cornac", "torch", "float32"),
    }

    def start(module: str, environment: str | None, precision: str) -> Contestant:
        python: str | Path = sys.executable
        if environment is not None:
            python = interpreter(environment, ENVIRONMENTS[environment])
        command = start_command(module, python, folder, batch_size, precision, annealing)
        return Contestant(command, scores_file(folder, module))

    return {name: start(*entry) for name, entry in entries.items() if name not in without}

"""The task of the contestants in training: training users in a file, and a file for scores.

This module imports only packages that every contestant's environment has.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

HIDDEN, LATENT, DROPOUT, LEARNING_RATE, BETA = 600, 200, 0.5, 1e-3, 0.2
"""The paper's network and hyperparameters, in every contestant that has options for them."""

Score = Callable[[np.ndarray], np.ndarray]
"""`users x items dense rows -> users x items scores`."""


class TrainingTask(NamedTuple):
    """Training users, and options of the training.

    Attributes:
        train: users x items, ones. An epoch over it is a round.
        batch_size: users in an update.
        annealing: updates over which beta rises to its cap.
        precision: precision of the matrix products, where a contestant has the option.
        shown: histories of held-out users, who are scored after each round; None: no scores.
        scores: file for the scores.
    """

    train: sp.csr_array
    batch_size: int
    annealing: int
    precision: str
    shown: sp.csr_array | None
    scores: Path

    @property
    def batches(self) -> int:
        """Updates in an epoch."""
        return -(-self.train.shape[0] // self.batch_size)

    def save_scores(self, score: Score) -> None:
        """Score the held-out users, if there are any, and write their scores."""
        if self.shown is not None:
            np.save(self.scores, score(self.shown.toarray()))


def start_command(
    module: str,
    python: str | Path,
    folder: Path,
    batch_size: int,
    precision: str = "float32",
    annealing: int = 40_000,
) -> list[str]:
    """The command that starts a contestant on the task in a folder; `read_task` parses it."""
    options = ["--precision", precision, "--annealing", str(annealing)]
    start = [str(python), "-m", f"benchmarks.contestants.training.{module}"]
    return [*start, str(folder), str(batch_size), *options]


def write_task(folder: Path, train: sp.csr_array, shown: sp.csr_array | None = None) -> None:
    """Write a task to a folder."""
    sp.save_npz(folder / "train.npz", train)
    if shown is not None:
        sp.save_npz(folder / "shown.npz", shown)


def scores_file(folder: Path, module: str) -> Path:
    """The file to which a contestant writes its scores."""
    return folder / f"{module}.npy"


def read_task(module: str) -> TrainingTask:
    """The task that this process was started with.

    Args:
        module: name of the contestant's module.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("batch_size", type=int)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], required=True)
    parser.add_argument("--annealing", type=int, required=True)
    options = parser.parse_args()
    shown = options.folder / "shown.npz"
    return TrainingTask(
        train=sp.load_npz(options.folder / "train.npz").astype(np.float32),
        batch_size=options.batch_size,
        annealing=options.annealing,
        precision=options.precision,
        shown=sp.load_npz(shown).astype(np.float32) if shown.exists() else None,
        scores=scores_file(options.folder, module),
    )

"""The directory of a cross-validation: a run per fold, and the means over the folds.

config.json   every option, as that of a run
fold-1/       the run of the first fold, as any run
fold-2/       ...
folds.json    mean and 95% interval of the test metrics over the folds
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from multvae_jax.config.unions import UserFolds, is_all_folds
from multvae_jax.errors import InputError
from multvae_jax.evaluation.significance import confidence_half_width
from multvae_jax.host.files import atomic_write
from multvae_jax.runs.directory import is_resumable, resuming
from multvae_jax.runs.manifest import MANIFEST
from multvae_jax.runs.run_config import CONFIG, read_run_config

FOLDS = "folds.json"

Summary = Mapping[str, Any]
"""Content of `test.json`: per recommender and metric a mean, and numbers of users."""


def fold_directory(directory: Path, number: int) -> Path:
    """Directory of the run of a fold, from 1."""
    return directory / f"fold-{number}"


def is_whole(directory: Path) -> bool:
    """Return whether a run is finished."""
    return (directory / MANIFEST).is_file() and not is_resumable(directory)


def runs_of_folds(directory: Path) -> list[Path] | None:
    """The runs of a cross-validation, one per fold; None if the directory has no such thing.

    Raises:
        InputError: it is not finished.
    """
    if not (directory / CONFIG).is_file():
        return None
    data = read_run_config(directory).data
    if data is None or not isinstance(data.split, UserFolds) or not is_all_folds(data.split):
        return None
    folds = [fold_directory(directory, number + 1) for number in range(data.split.folds)]
    if not all(map(is_whole, folds)):
        raise InputError(
            f"{directory}: its training has not finished; continue it with {resuming(directory)}"
        )
    return folds


def mean_over_folds(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Mean of each metric over folds, half of its 95% interval, and the value of each fold.

    The interval is that of Student's t over the folds. It takes them for independent; because
    they share most of their training users, it is approximate.

    Args:
        summaries: the test results of each fold; recommenders and metrics that are not in all of
            them are left out.
    """
    first = summaries[0]
    found: dict[str, Any] = {"folds": len(summaries)}
    for name, metrics in first.items():
        if not isinstance(metrics, Mapping) or not all(name in one for one in summaries):
            continue
        found[name] = {}
        for metric in metrics:
            if all(isinstance(one[name].get(metric), Mapping) for one in summaries):
                values = [float(one[name][metric]["mean"]) for one in summaries]
                found[name][metric] = {
                    "mean": float(np.mean(values)),
                    "interval": confidence_half_width(values),
                    "by_fold": values,
                }
    return found | {"users": sum(int(one["users"]) for one in summaries)}


def write_folds(directory: Path, found: Summary) -> None:
    """Write the means over the folds."""
    with atomic_write(directory / FOLDS) as file:
        file.write(json.dumps(found, indent=2) + "\n")


def read_test(directory: Path) -> Summary:
    """The test results of a run.

    Raises:
        InputError: they cannot be read.
    """
    path = directory / "test.json"
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not the results of a run ({error})") from None
    if not isinstance(found, dict) or "users" not in found:
        raise InputError(f"{path}: not the results of a run")
    return found

"""`config.json` of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from multvae_jax.config.convert import to_json
from multvae_jax.config.from_file import read_options
from multvae_jax.config.options import DataOptions, ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.errors import InputError
from multvae_jax.runs.manifest import check_files

CONFIG = "config.json"


@dataclass(frozen=True)
class RunConfig:
    """Content of `config.json`; None stands for what a run saved from Python does not know."""

    data: DataOptions | None = None
    model: ModelOptions | None = None
    training: TrainingOptions | None = None
    best_epoch: int | None = None


def write_run_config(directory: Path, config: TrainConfig | RunConfig) -> None:
    """Write the configuration to the directory of a run."""
    (directory / CONFIG).write_bytes(to_json(config))


def read_run_config(directory: Path) -> RunConfig:
    """Read the configuration of a run.

    Raises:
        InputError: if there is none, or it cannot be read.
    """
    path = directory / CONFIG
    if not path.is_file():
        raise InputError(f"{directory}: not a run, it has no {CONFIG}")
    check_files(directory, [CONFIG])
    return read_options(path, RunConfig)

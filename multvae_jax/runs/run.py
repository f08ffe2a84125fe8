"""`Run`, and a run on disk: configuration, log, results, parameters and id maps.

manifest.json   version and checksums, written last
config.json     every option, as `TrainConfig`; null for what a run saved from Python does not know
metrics.jsonl   one line per epoch: terms of the loss, validation metrics, seconds
search.jsonl    the same for the training that found beta, with --beta auto
test.json       test metrics of the model and of the popularity ranking
checkpoint/     `params` of the best epoch and the `state` after the last, by orbax
items.csv       id, title and number of training users of each item, in the order of the scores
users.csv       id and part (train, validation, test) of each user
curves.png      the log as curves
held_out.npz    history and targets of each held-out user
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from multvae_jax import recipe
from multvae_jax.config.build import build_model
from multvae_jax.config.convert import from_json, to_json
from multvae_jax.config.describe import describe_model
from multvae_jax.config.load_data import files_read
from multvae_jax.config.options import DataOptions, ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import with_absolute_paths
from multvae_jax.config.trust import code_files, refuse_code
from multvae_jax.data.types import Catalogue, HeldOut, Split
from multvae_jax.errors import InputError, file_errors
from multvae_jax.evaluation.evaluator import Evaluation
from multvae_jax.host.files import new_directory
from multvae_jax.models import Model, scorer
from multvae_jax.runs.held_out import read_held_out, write_held_out
from multvae_jax.runs.id_maps import ITEMS, read_items, write_items, write_users
from multvae_jax.runs.manifest import MANIFEST, check_files, write_manifest
from multvae_jax.selection import Entry, best_of
from multvae_jax.training import TrainState
from multvae_jax.types import Params, Scorer

CONFIG = "config.json"
LOG = "metrics.jsonl"
HELD_OUT = "held_out.npz"
PARAMS = "checkpoint/params"


@dataclass(frozen=True)
class RunConfig:
    """Content of `config.json`; None stands for what a run saved from Python does not know."""

    data: DataOptions | None = None
    model: ModelOptions | None = None
    training: TrainingOptions | None = None
    best_epoch: int | None = None


@dataclass(frozen=True)
class Run:
    """A trained model.

    Attributes:
        model: the model that was trained.
        params: parameters of the best epoch, or of the last if nothing was validated.
        catalogue: the items, in the order of the scores.
        best_epoch: epoch of the parameters, counted from 1.
        state: training state after the last update; None in a run that was loaded.
        log: one entry per epoch: its number, the terms of the loss, the validation metrics.
        split: the users it was trained and validated on; None in a run that was loaded.
    """

    model: Model
    params: Params
    catalogue: Catalogue
    best_epoch: int
    state: TrainState | None
    log: list[Entry]
    split: Split | None = None

    @property
    def scorer(self) -> Scorer:
        """The scorer that `evaluate` and `recommend` take."""
        return scorer(self.model, self.params)

    def save(self, path: str | Path) -> None:
        """Write the run to a new directory, which appears whole or not at all.

        `multvae_jax.load_run` and the commands `multvae recommend` and `multvae evaluate` read it.
        Parts of the model from your own files are stored by file and name. If a part has no such
        name, for example because it was defined in a notebook, a warning says so; `load_run` then
        needs the model.

        Args:
            path: the directory; it must be new or empty.

        Raises:
            InputError: if the directory is not empty or cannot be written.

        Example:
            >>> mv.fit(jax.random.key(0), mv.mult_vae(), split).save("runs/first")
            >>> mv.load_run("runs/first").best_epoch
        """
        save_run(self, path)


class SavedRun(NamedTuple):
    """A run read from disk, and the options that it was made with."""

    config: RunConfig
    run: Run


def results(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    """Content of `test.json`: a summary per recommender, and the number of users."""
    first = next(iter(evaluations.values()))
    return {
        **{name: evaluation.summary() for name, evaluation in evaluations.items()},
        "users": first.users,
        "users_without_target": first.users_without_target,
    }


def write_run(
    directory: Path,
    config: TrainConfig,
    split: Split,
    run: Run,
    tested: Mapping[str, Evaluation],
) -> None:
    """Write a finished run, over what an earlier attempt has written."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(directory / "checkpoint", ignore_errors=True)
    write_config(directory, config)
    _write_log(directory, run.log)
    (directory / "test.json").write_text(json.dumps(results(tested), indent=2) + "\n")
    _write_parts(directory, run, split)
    code = code_files(config.model, config.training)
    write_manifest(directory, code=code, data=files_read(config.data))


def write_config(directory: Path, config: TrainConfig) -> None:
    """Write the configuration of a run, so that it works from any working directory."""
    _write_config(directory, with_absolute_paths(config))


def save_run(run: Run, path: str | Path) -> None:
    """Write a run made in Python to a new directory, as `multvae_jax.Run.save` describes.

    Raises:
        InputError: if the directory is not empty or cannot be written.
    """
    try:
        model = describe_model(run.model)
    except InputError as error:
        model = None
        warnings.warn(
            f"{path}: {error}; to load the run, pass the model: load_run(path, model=model)",
            stacklevel=3,
        )
    with new_directory(Path(path)) as directory, file_errors(path):
        _write_config(directory, RunConfig(model=model, best_epoch=run.best_epoch))
        _write_log(directory, run.log)
        _write_parts(directory, run, run.split)
        write_manifest(directory, code=code_files(model))


def load_run(path: str | Path, *, model: Model | None = None, trust_code: bool = False) -> Run:
    """Load a run that `multvae train` or `Run.save` wrote.

    The run has no training state and no split; all else is as after training.

    Args:
        path: directory of the run.
        model: the model; by default made again from the options that the run was saved with.
        trust_code: run the code of the files and modules that the run names. Set it for a run of
            your own with parts from your own files.

    Raises:
        InputError: if there is no run, a file of it cannot be read, the model is needed, or the
            run names code that is not trusted.

    Example:
        >>> run = mv.load_run("runs/first")
        >>> mv.recommend(run.scorer, run.catalogue, [["50", "181", "260"]], k=20)
    """
    return read_run(Path(path), model, trust_code=trust_code).run


def read_run(directory: Path, model: Model | None = None, *, trust_code: bool = False) -> SavedRun:
    """Read a run that `write_run` or `save_run` wrote.

    Args:
        directory: directory of the run.
        model: the model; by default made again from the options that the run was saved with.
        trust_code: as in `load_run`.

    Raises:
        InputError: as in `load_run`.
    """
    from multvae_jax.runs.parameters import read_params

    config = _read_config(directory)
    if model is None and config.model is not None:
        try:
            if not trust_code:
                refuse_code(config.model)
            model = build_model(config.model)
        except InputError as error:
            raise InputError(f"{directory / CONFIG}: {error}") from None
    if model is None:
        raise InputError(
            f"{directory}: saved from Python with a model that no option describes; load it in "
            "Python with load_run(path, model=model)"
        )
    check_files(directory, [ITEMS, LOG, PARAMS])
    catalogue = read_items(directory)
    params = read_params(directory / PARAMS, model, len(catalogue.ids))
    log = _read_log(directory)
    best_epoch = config.best_epoch
    if best_epoch is None:
        select_by = recipe.SELECT_BY if config.training is None else config.training.select_by
        best_epoch = best_of(log, select_by) or log[-1]["epoch"]
    return SavedRun(config, Run(model, params, catalogue, best_epoch, None, log))


def held_out_users(directory: Path, part: str, n_items: int) -> HeldOut | None:
    """The held-out users that a run was saved with; None if it has none of the part.

    Args:
        directory: directory of the run.
        part: "validation" or "test".
        n_items: number of items of the run.

    Raises:
        InputError: if the file cannot be read, or is of another run.
    """
    check_files(directory, [HELD_OUT])
    path = directory / HELD_OUT
    found = read_held_out(path, part)
    if found is not None and {found.history.shape[1], found.targets.shape[1]} != {n_items}:
        raise InputError(
            f"{path}: is not of this run: {n_items:,} items in {ITEMS}, "
            f"{found.history.shape[1]:,} here"
        )
    return found


def _write_config(directory: Path, config: TrainConfig | RunConfig) -> None:
    (directory / CONFIG).write_bytes(to_json(config))


def _write_log(directory: Path, log: Sequence[Entry]) -> None:
    lines = (json.dumps(entry) + "\n" for entry in log)
    (directory / LOG).write_text("".join(lines), encoding="utf-8")


def _write_parts(directory: Path, run: Run, split: Split | None) -> None:
    """Write checkpoint, id maps, held-out users and curves."""
    # Imported here: orbax and matplotlib take a second, and most runs are not saved.
    from multvae_jax.runs import checkpoints
    from multvae_jax.runs.report import draw_curves

    checkpoints.save_tree(directory / PARAMS, run.params)
    if run.state is not None:
        checkpoints.save_state(directory / "checkpoint" / "state", run.state)
    write_items(directory, run.catalogue)
    if split is not None:
        write_users(directory, split)
        write_held_out(directory / HELD_OUT, split)
    draw_curves(run.log, run.best_epoch, directory / "curves.png")


def _read_config(directory: Path) -> RunConfig:
    path = directory / CONFIG
    if not path.is_file():
        raise InputError(f"{directory}: not a run, it has no {CONFIG}")
    check_files(directory, [CONFIG])
    with file_errors(path):
        text = path.read_bytes()
    try:
        return from_json(text, RunConfig)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read_log(directory: Path) -> list[Entry]:
    path = directory / LOG
    with file_errors(path):
        lines = path.read_bytes().splitlines()
    try:
        log: list[Entry] = [json.loads(line) for line in lines]
        if not all(isinstance(entry["epoch"], int) for entry in log) or not log:
            raise ValueError("no epoch")
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the log of a run ({error})") from None
    return log

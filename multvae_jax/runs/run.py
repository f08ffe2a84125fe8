"""`Run`, and a run on disk: configuration, log, results, parameters and id maps.

config.json     every option, as `TrainConfig`; null for what a run saved from Python does not know
metrics.jsonl   one line per epoch: terms of the loss, validation metrics, seconds
search.jsonl    the same for the training that found beta, with --beta auto
test.json       test metrics of the model and of the popularity ranking
checkpoint/     `params` of the best epoch and the `state` after the last, by orbax
items.csv       id, title and number of training users of each item, in the order of the scores
users.csv       id and part (train, validation, test) of each user
curves.png      the log as curves
held_out.npz    the held-out users, of a run saved from Python, whose data no option describes
"""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from multvae_jax import recipe
from multvae_jax.config.build import build_model
from multvae_jax.config.convert import from_json, to_json
from multvae_jax.config.describe import describe_model
from multvae_jax.config.options import DataOptions, ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import with_absolute_paths
from multvae_jax.config.trust import refuse_code
from multvae_jax.data.types import Catalogue, HeldOut, Split
from multvae_jax.errors import InputError, file_errors, first_line
from multvae_jax.evaluation.evaluator import Evaluation
from multvae_jax.host.files import new_directory
from multvae_jax.models import Model, scorer
from multvae_jax.runs.held_out import read_held_out, write_held_out
from multvae_jax.selection import Entry, best_of
from multvae_jax.training import TrainState
from multvae_jax.types import Params, Scorer

HELD_OUT = "held_out.npz"


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
    """Write a finished run, except its log, which was written during training."""
    _write_config(directory, with_absolute_paths(config))
    (directory / "test.json").write_text(json.dumps(results(tested), indent=2) + "\n")
    _write_parts(directory, run, split)


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
        lines = (json.dumps(entry) + "\n" for entry in run.log)
        (directory / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
        _write_parts(directory, run, run.split)
        if run.split is not None:
            write_held_out(directory / HELD_OUT, run.split)


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
    from multvae_jax.runs import checkpoints

    if not (directory / "config.json").is_file():
        raise InputError(f"{directory}: not a run, it has no config.json")
    try:
        config = from_json((directory / "config.json").read_bytes(), RunConfig)
        if model is None and config.model is not None:
            if not trust_code:
                refuse_code(config.model)
            model = build_model(config.model)
    except InputError as error:
        raise InputError(f"{directory / 'config.json'}: {error}") from None
    if model is None:
        raise InputError(
            f"{directory}: saved from Python with a model that no option describes; load it in "
            "Python with load_run(path, model=model)"
        )
    catalogue = _read_items(directory / "items.csv")
    like = jax.eval_shape(lambda key: model.init(key, len(catalogue.ids)), jax.random.key(0))
    checkpoint = directory / "checkpoint" / "params"
    try:
        params = checkpoints.load_tree(checkpoint, like)
    # orbax and its storage raise exceptions of many types for a damaged checkpoint.
    except Exception as error:
        raise InputError(f"{checkpoint}: cannot be read: {first_line(error)}") from error
    log = _read_log(directory / "metrics.jsonl")
    best_epoch = config.best_epoch
    if best_epoch is None:
        select_by = recipe.SELECT_BY if config.training is None else config.training.select_by
        best_epoch = best_of(log, select_by) or log[-1]["epoch"]
    return SavedRun(config, Run(model, params, catalogue, best_epoch, None, log))


def held_out_users(directory: Path, part: str) -> HeldOut | None:
    """The held-out users of a run saved from Python; None if it has none of the part."""
    return read_held_out(directory / HELD_OUT, part)


def _write_config(directory: Path, config: TrainConfig | RunConfig) -> None:
    (directory / "config.json").write_bytes(to_json(config))


def _write_parts(directory: Path, run: Run, split: Split | None) -> None:
    """Write checkpoint, id maps and curves."""
    # Imported here: orbax and matplotlib take a second, and most runs are not saved.
    from multvae_jax.runs import checkpoints
    from multvae_jax.runs.report import draw_curves

    checkpoints.save_tree(directory / "checkpoint" / "params", run.params)
    if run.state is not None:
        checkpoints.save_state(directory / "checkpoint" / "state", run.state)
    catalogue = run.catalogue
    _write_rows(
        directory / "items.csv",
        ("item", "title", "users"),
        (
            (item, catalogue.titles.get(item, ""), count)
            for item, count in zip(catalogue.ids, catalogue.counts, strict=True)
        ),
    )
    if split is not None:
        parts = {"train": split.user_ids} | {
            part: users.user_ids
            for part, users in (("validation", split.validation), ("test", split.test))
            if users is not None
        }
        rows = ((user, part) for part, users in parts.items() for user in users)
        _write_rows(directory / "users.csv", ("user", "part"), rows)
    draw_curves(run.log, run.best_epoch, directory / "curves.png")


def _write_rows(path: Path, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heading)
        writer.writerows(rows)


def _read_log(path: Path) -> list[Entry]:
    with file_errors(path):
        lines = path.read_text(encoding="utf-8").splitlines()
    try:
        log: list[Entry] = [json.loads(line) for line in lines]
        if not all(isinstance(entry["epoch"], int) for entry in log) or not log:
            raise ValueError("no epoch")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the log of a run ({error})") from None
    return log


def _read_items(path: Path) -> Catalogue:
    with file_errors(path):
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            return Catalogue(
                ids=np.array([row["item"] for row in rows], object),
                counts=np.array([int(row["users"]) for row in rows], np.int64),
                titles={row["item"]: row["title"] for row in rows if row["title"]},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: not the item list of a run ({error})") from None

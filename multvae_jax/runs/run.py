"""`Run`, and a run on disk: configuration, log, results, parameters and id maps.

manifest.json   version and checksums, written last
config.json     every option, as `TrainConfig`; null for what a run saved from Python does not know
metrics.jsonl   one line per epoch: terms of the loss, validation metrics, seconds; of a baseline,
                one line per setting that was tried: constants, validation metrics, seconds
search.jsonl    the same for the training that found beta, with --beta auto
selection.jsonl the same for the training that selected the epoch, of a split without validation
test.json       test metrics of the model and of the baselines beside it, if there are test users
checkpoint/     `params` of the best epoch and the `state` after the last, by orbax
items.csv       id, title and number of training users of each item, in the order of the scores
users.csv       id and part (train, validation, test) of each user
curves.png      the logs as curves, of a model
held_out.npz    history, targets and features of each held-out user
user_encoder.json   what the entries of the features are, if they come from a file
start.json      the run that the training has started from, the items that it shares with it, beta
tried.json      all that --model auto tried, best first: validation metrics and seconds
"""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jax.sharding import Mesh
from jax.tree_util import Partial

from multvae_jax.baselines import Baseline
from multvae_jax.checks.bounds import check_path
from multvae_jax.config.baselines import describe_baseline
from multvae_jax.config.describe import describe_model, item_features_in, same
from multvae_jax.config.load_data import files_read
from multvae_jax.config.options import DataOptions, ModelOptions, TrainConfig
from multvae_jax.config.resolve import with_absolute_paths
from multvae_jax.config.trust import code_files
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.data.user_encoder import UserEncoder
from multvae_jax.errors import InputError, file_errors
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.host.files import new_directory
from multvae_jax.host.notebook import html_table
from multvae_jax.models import Blend, Model, divided_scorer
from multvae_jax.parallel.meshes import check_mesh
from multvae_jax.parallel.partition import partition_of
from multvae_jax.parallel.processes import from_first, is_first, wait_for_all
from multvae_jax.runs.held_out import write_held_out
from multvae_jax.runs.id_maps import USERS, write_items, write_users
from multvae_jax.runs.manifest import (
    MANIFEST,
    Checksum,
    checksums_of,
    read_manifest,
    write_manifest,
)
from multvae_jax.runs.run_config import RunConfig, read_run_config, write_run_config
from multvae_jax.runs.storage import storage_path
from multvae_jax.runs.user_encoders import write_user_encoder
from multvae_jax.selection import Entry
from multvae_jax.training.updates import TrainState
from multvae_jax.types import Params, Scorer

LOG = "metrics.jsonl"
BEFORE = {"search.jsonl": "search for beta", "selection.jsonl": "selection of the epoch"}
"""Logs of the trainings before that of the run, in their order."""

HELD_OUT = "held_out.npz"
PARAMS = "checkpoint/params"

NUMBERS_OF_USERS = ("users", "users_without_target")
"""Entries of `test.json` beside those of the recommenders."""


@dataclass(frozen=True)
class Run:
    """A trained model, or a baseline.

    Attributes:
        model: the model that was trained, the baseline with the constants that were chosen, or a
            blend of the two.
        params: parameters of the best epoch, or of the last if nothing was validated.
        catalogue: the items, in the order of the scores.
        best_epoch: epoch of the parameters, counted from 1; 0 for a baseline, which has none.
        state: training state after the last update; None in a run that was loaded.
        log: one entry per epoch: its number, the terms of the loss, the validation metrics. For a
            baseline, one entry per setting that was tried, with its constants.
        split: the users it was trained and validated on; None in a run that was loaded.
        loaded_from: directory of a run that was loaded; None in one that was trained here.
        user_encoder: what the entries of the users' features are, if they come from a file; it
            encodes those of new users for `recommend`.

    Example:
        >>> evaluation = mv.evaluate(run.scorer, split.test)
        >>> run.best_epoch <= len(run.log)
        True
    """

    model: Model | Baseline | Blend
    params: Params
    catalogue: Catalogue
    best_epoch: int
    state: TrainState | None
    log: list[Entry]
    split: Split | None = None
    loaded_from: Path | None = None
    user_encoder: UserEncoder | None = None

    def __post_init__(self) -> None:
        """Take the encoder of the split."""
        if self.user_encoder is None and self.split is not None:
            object.__setattr__(self, "user_encoder", self.split.user_encoder)

    def __repr__(self) -> str:
        facts = ", ".join(f"{name} {value}" for name, value in self.facts().items())
        return f"<Run of {self.name}: {facts}>"

    def _repr_html_(self) -> str:
        return html_table(f"Run of {self.name}", ("", ""), self.facts().items())

    @property
    def name(self) -> str:
        """Name of the model, the baseline, or both parts of a blend."""
        parts = self.model[:2] if isinstance(self.model, Blend) else (self.model,)
        return " and ".join(
            part.name
            if isinstance(part, Baseline)
            else str((part.made_by or {}).get("model", "a model of your own"))
            for part in parts
        )

    def facts(self) -> dict[str, str]:
        """The most important facts, as text: items, epoch, constants, validation."""
        facts = {"items": f"{len(self.catalogue.ids):,}"}
        best: Entry = {}
        if self.best_epoch:
            facts["epoch"] = f"{self.best_epoch} of {len(self.log)}"
            best = self.log[self.best_epoch - 1] if len(self.log) >= self.best_epoch else {}
        facts |= {name: f"{value:g}" for name, value in self.constants.items()}
        validated = best.get("validation", {})
        facts |= {f"validation {name}": f"{value:.4f}" for name, value in validated.items()}
        if self.loaded_from is not None:
            facts["loaded from"] = str(self.loaded_from)
        return facts

    @property
    def scorer(self) -> Scorer:
        """The scorer that `evaluate` and `recommend` take."""
        return Partial(self.model.score, self.params)

    def scorer_on(self, mesh: Mesh | None) -> Scorer:
        """The scorer with its parameters divided over several devices.

        `evaluate` and `recommend` then divide the users, the items and the work in the same way.

        Args:
            mesh: the devices, see `multvae_jax.make_mesh`; None for one.

        Example:
            >>> scorer = run.scorer_on(mv.make_mesh(data=1, items=1))
            >>> evaluation = mv.evaluate(scorer, split.test)
        """
        check_mesh(mesh)
        partition = partition_of(self.params, len(self.catalogue.ids), mesh)
        return divided_scorer(self.model.score, partition, partition.placed(self.params))

    @property
    def constants(self) -> Mapping[str, float]:
        """The constants of a baseline, as set or chosen; of a blend, its weight too."""
        if isinstance(self.model, Blend):
            return {
                **self.model.baseline.constants,
                "weight": round(float(self.params["weight"]), 6),
            }
        return self.model.constants if isinstance(self.model, Baseline) else {}

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
            >>> run.save("runs/second")
            >>> mv.load_run("runs/second").best_epoch == run.best_epoch
            True
        """
        save_run(self, path)


def results(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    """Content of `test.json`: a summary per recommender, and the number of users."""
    first = next(iter(evaluations.values()))
    return {
        **{name: evaluation.summary() for name, evaluation in evaluations.items()},
        **{number: getattr(first, number) for number in NUMBERS_OF_USERS},
    }


def write_run(
    directory: Path,
    config: TrainConfig,
    split: Split,
    run: Run,
    tested: Mapping[str, Evaluation],
) -> None:
    """Write a finished run, over what an earlier attempt has written; `tested` may be empty.

    Processes that have trained it together call this together, and the first writes all files but
    those of arrays.
    """
    if is_first():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(directory / "checkpoint", ignore_errors=True)
        write_config(directory, config)
        _write_log(directory, run.log)
        if tested:
            (directory / "test.json").write_text(json.dumps(results(tested), indent=2) + "\n")
    # No process may write arrays before the directory is empty.
    wait_for_all()
    _write_arrays(directory, run)
    if not is_first():
        return
    _write_parts(directory, run, split)
    code = code_files(config.model, config.training)
    write_manifest(directory, code=code, data=data_checksums(config.data))


def data_checksums(data: DataOptions) -> dict[str, Checksum]:
    """The checksums of the files of the data; none if they are no longer there.

    A run is written after its training, whatever has become of the data in the meantime.
    """
    with contextlib.suppress(InputError):
        return checksums_of(files_read(data))
    return {}


def write_config(directory: Path, config: TrainConfig) -> None:
    """Write the configuration of a run, so that it works from any working directory."""
    write_run_config(directory, with_absolute_paths(config))


def save_run(run: Run, path: str | Path) -> None:
    """Write a run made in Python to a new directory, as `multvae_jax.Run.save` describes.

    Raises:
        InputError: if the directory is not empty or cannot be written.
    """
    check_path("path", path)
    storage_path(path)
    try:
        model: ModelOptions | None = described(run)
    except InputError as error:
        model = None
        warnings.warn(
            f"{path}: {error}; to load the run, pass the model: load_run(path, model=model)",
            stacklevel=3,
        )
    with _directory_of_all(Path(path)) as directory, file_errors(path):
        _write_arrays(directory, run)
        if is_first():
            before, data = _kept_of(run, directory)
            config = replace(before, model=model or before.model, best_epoch=run.best_epoch)
            write_run_config(directory, config)
            _write_log(directory, run.log)
            _write_parts(directory, run, run.split)
            write_manifest(directory, code=code_files(model), data=data)


@contextlib.contextmanager
def _directory_of_all(target: Path) -> Iterator[Path]:
    """A new directory, as `new_directory`, which the first of several processes makes for all."""
    with contextlib.ExitStack() as stack:
        made = str(stack.enter_context(new_directory(target))) if is_first() else ""
        yield Path(from_first(made))


def described(run: Run) -> ModelOptions:
    """Options from which the model, the baseline or the blend of a run is made again.

    Raises:
        InputError: if a part of it has no name by which it can be found.
    """
    if isinstance(run.model, Baseline):
        return describe_baseline(run.model)
    model = run.model.model if isinstance(run.model, Blend) else run.model
    features = item_features_in(model)
    if features is not None and not same(features, run.catalogue.features):
        raise InputError(
            "the network has features of items that are not those of the catalogue; attach them "
            "with with_item_features(split, ...)"
        )
    options = describe_model(model)
    if not isinstance(run.model, Blend):
        return options
    name = describe_baseline(run.model.baseline).model
    constants = {name: float(value) for name, value in run.constants.items()}
    return replace(options, blend=name, blend_constants=constants)


def _kept_of(run: Run, directory: Path) -> tuple[RunConfig, Mapping[str, Checksum]]:
    """The options and data of a run that was loaded; its users are copied to a new directory."""
    if run.loaded_from is None or not run.loaded_from.is_dir():
        return RunConfig(), {}
    config, manifest = read_run_config(run.loaded_from), read_manifest(run.loaded_from)
    for name in (USERS, HELD_OUT, "test.json"):
        if (run.loaded_from / name).is_file():
            shutil.copyfile(run.loaded_from / name, directory / name)
    return config, {} if manifest is None else manifest.data


def _write_log(directory: Path, log: Sequence[Entry]) -> None:
    lines = (json.dumps(entry) + "\n" for entry in log)
    (directory / LOG).write_text("".join(lines), encoding="utf-8")


def _write_arrays(directory: Path, run: Run) -> None:
    """Write the parameters and the training state."""
    # Imported here: orbax takes a second, and most runs are not saved.
    from multvae_jax.runs import checkpoints, pytrees

    pytrees.save_tree(directory / PARAMS, run.params)
    if run.state is not None:
        checkpoints.save_state(directory / "checkpoint" / "state", run.state)


def _write_parts(directory: Path, run: Run, split: Split | None) -> None:
    """Write id maps, held-out users and curves."""
    # Imported here, as orbax is.
    from multvae_jax.runs.report import training_curves

    write_items(directory, run.catalogue)
    write_user_encoder(directory, run.user_encoder)
    if split is not None:
        write_users(directory, split)
        write_held_out(directory / HELD_OUT, split)
    if not isinstance(run.model, Baseline):
        logs = {**logs_before(directory), "training": run.log}
        figure = training_curves(logs, run.best_epoch)
        figure.savefig(directory / "curves.png", dpi=120)


def logs_before(directory: Path) -> dict[str, list[Entry]]:
    """Logs of the trainings before that of the run, by name; without those that are damaged."""
    logs: dict[str, list[Entry]] = {}
    for file, name in BEFORE.items():
        with contextlib.suppress(OSError, ValueError):
            lines = (directory / file).read_text(encoding="utf-8").splitlines()
            logs[name] = [json.loads(line) for line in lines]
    return logs

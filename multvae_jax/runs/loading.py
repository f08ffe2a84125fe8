"""Reading of runs: `load_run`, and the held-out users of a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from multvae_jax.baselines import Baseline
from multvae_jax.checks.bounds import check_choice, check_kind, check_number, check_path
from multvae_jax.checks.signatures import has_parameter
from multvae_jax.config.baselines import find_model
from multvae_jax.config.options import TrainingOptions
from multvae_jax.config.trust import refuse_code
from multvae_jax.config.unions import is_all_folds
from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError, file_errors
from multvae_jax.host.console import say
from multvae_jax.models import Blend, Model
from multvae_jax.runs.directory import is_resumable, resuming
from multvae_jax.runs.held_out import read_held_out
from multvae_jax.runs.id_maps import FEATURES, ITEM_FILES, ITEMS, read_features, read_items
from multvae_jax.runs.manifest import MANIFEST, check_files, checksum_of, read_manifest
from multvae_jax.runs.run import HELD_OUT, LOG, PARAMS, Run
from multvae_jax.runs.run_config import CONFIG, RunConfig, read_run_config
from multvae_jax.runs.user_encoders import read_user_encoder
from multvae_jax.selection import Entry, best_of


class SavedRun(NamedTuple):
    """A run read from disk, and the options that it was made with."""

    config: RunConfig
    run: Run


def load_run(
    path: str | Path,
    *,
    model: Model | Baseline | Blend | Callable[..., Model] | None = None,
    trust_code: bool = False,
) -> Run:
    """Load a run that `multvae train` or `Run.save` wrote.

    The run has no training state and no split; all else is as after training.

    Args:
        path: directory of the run.
        model: the model, or a function that makes it of the `catalogue`, as in `fit`; by default
            made again from the options that the run was saved with.
        trust_code: run the code of the files and modules that the run names. Set it for a run of
            your own with parts from your own files.

    Raises:
        InputError: if there is no run, a file of it cannot be read, the model is needed, or the
            run names code that is not trusted.

    Example:
        >>> run = mv.load_run("runs/first")
        >>> (user,) = mv.recommend(run.scorer, run.catalogue, [["100", "101"]], k=5)
        >>> len(user.items)
        5
    """
    check_path("path", path)
    if model is not None and not isinstance(model, Model | Baseline | Blend):
        if not has_parameter(model, "catalogue"):
            check_kind("model", model, Model, "mult_vae()")
        model = _of_catalogue(model, Path(path))
    check_number("trust_code", trust_code, bool)
    return read_run(Path(path), model, trust_code=trust_code).run


def _of_catalogue(model: Callable[..., Model], directory: Path) -> Model:
    """The model that a function makes for the items of a run."""
    read_run_config(directory)
    check_files(directory, ITEM_FILES)
    made = model(catalogue=read_items(directory))
    check_kind("model: its result", made, Model, "mult_vae()")
    return made


def read_run(
    directory: Path, model: Model | Baseline | Blend | None = None, *, trust_code: bool = False
) -> SavedRun:
    """Read a run that `write_run` or `save_run` wrote.

    Args:
        directory: directory of the run.
        model: the model; by default made again from the options that the run was saved with.
        trust_code: as in `load_run`.

    Raises:
        InputError: as in `load_run`.
    """
    from multvae_jax.runs.parameters import read_params

    config = read_run_config(directory)
    if config.data is not None and is_all_folds(config.data.split):
        raise InputError(
            f"{directory}: has a run per fold; name one of them, such as {directory / 'fold-1'}"
        )
    if is_resumable(directory) and not (directory / MANIFEST).is_file():
        raise InputError(
            f"{directory}: its training has not finished; continue it with {resuming(directory)}"
        )
    if model is None and config.model is not None:
        check_files(directory, [FEATURES])
        features = read_features(directory)
        try:
            if not trust_code:
                refuse_code(config.model)
            model = find_model(config.model, features)
        except InputError as error:
            raise InputError(f"{directory / CONFIG}: {error}") from None
    if model is None:
        raise InputError(
            f"{directory}: saved from Python with a model that no option describes; load it in "
            "Python with load_run(path, model=model)"
        )
    if trust_code:
        _say_changed_code(directory)
    check_files(directory, [*ITEM_FILES, LOG, PARAMS])
    catalogue = read_items(directory)
    params = read_params(directory / PARAMS, model, len(catalogue.ids))
    is_baseline = isinstance(model, Baseline)
    log = _read_log(directory, "constants" if is_baseline else "epoch")
    best_epoch = 0 if is_baseline else config.best_epoch
    if best_epoch is None:
        training = config.training or TrainingOptions()
        best_epoch = best_of(log, training.selecting_metric) or log[-1]["epoch"]
    run = Run(
        model,
        params,
        catalogue,
        best_epoch,
        None,
        log,
        loaded_from=directory.absolute(),
        user_encoder=read_user_encoder(directory),
    )
    return SavedRun(config, run)


def load_held_out_users(path: str | Path, part: Literal["validation", "test"] = "test") -> HeldOut:
    """Load the held-out users of a run, for example to show their histories to another system.

    Args:
        path: directory of the run.
        part: which of its users.

    Raises:
        InputError: if there is no run, it keeps no such users, or a file of it cannot be read.

    Example:
        >>> users = mv.load_held_out_users("runs/first")
        >>> lists = mv.read_lists("other.csv", run.catalogue, user_ids=users.user_ids)
        >>> evaluation = mv.evaluate_lists(lists, users)
    """
    check_path("path", path)
    check_choice("part", part, ("validation", "test"))
    directory = Path(path)
    read_run_config(directory)
    found = None
    if (directory / HELD_OUT).exists():
        check_files(directory, [ITEMS])
        found = held_out_users(directory, part, len(read_items(directory).ids))
    if found is None:
        raise no_users(directory, part)
    return found


class NoUsersError(InputError):
    """A run has no users of a part.

    Attributes:
        reason: why, as a sentence about the run that begins with "it".
    """

    def __init__(self, directory: Path, reason: str, remedy: str = "") -> None:
        super().__init__(f"{directory}: {reason}{remedy}")
        self.reason = reason


def no_users(directory: Path, part: str) -> NoUsersError:
    """The error of a run without the users of a part, and why it has none."""
    data = read_run_config(directory).data
    if part == "test" and data is not None and data.held_out == 0:
        evaluate = f"multvae evaluate {shlex.quote(str(directory))} --data FILE"
        return NoUsersError(
            directory,
            "it has no test users, because it was trained on all users (--held-out 0)",
            f"; {evaluate} evaluates it on new users",
        )
    return NoUsersError(directory, f"it has no {part} users")


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
            f"{path}: does not belong to this run: {n_items:,} items in {ITEMS}, "
            f"{found.history.shape[1]:,} here"
        )
    return found


def _say_changed_code(directory: Path) -> None:
    """Say which of the user's files are not as they were when the run was saved."""
    manifest = read_manifest(directory)
    for path, expected in (manifest.code if manifest else {}).items():
        if checksum_of(Path(path)) != expected:
            say(f"{path}: has changed since {directory} was saved; its results may differ")


def _read_log(directory: Path, key: str) -> list[Entry]:
    """Read the log of a run, whose entries have a key; that of a baseline may be empty."""
    path = directory / LOG
    with file_errors(path):
        lines = path.read_bytes().splitlines()
    try:
        log: list[Entry] = [json.loads(line) for line in lines]
        if not all(isinstance(entry[key], _KINDS[key]) for entry in log):
            raise ValueError(f"no {key}")
        if not log and key == "epoch":
            raise ValueError("no epoch")
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the log of a run ({error})") from None
    return log


_KINDS = {"epoch": int, "constants": dict}

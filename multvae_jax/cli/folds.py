"""Cross-validation: `train --folds`, and `evaluate` of what it has trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from multvae_jax.cli.run_directory import claimed_run
from multvae_jax.config.from_file import read_config
from multvae_jax.config.given_split import refuse_without_effect
from multvae_jax.config.load_data import data_name
from multvae_jax.config.metrics import shown_metrics
from multvae_jax.config.options import RunOptions, TrainConfig
from multvae_jax.config.splitting import folds_of
from multvae_jax.config.unions import InteractionFile, UserFolds
from multvae_jax.data.readers.paths import STDIN
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import heading
from multvae_jax.host.console import print_table, say
from multvae_jax.host.signals import Interrupted
from multvae_jax.runs import directory as directories
from multvae_jax.runs import run as runs
from multvae_jax.runs.folds import (
    fold_directory,
    is_whole,
    mean_over_folds,
    read_test,
    write_folds,
)
from multvae_jax.runs.run_config import CONFIG

Train = Callable[[TrainConfig, RunOptions], None]


def folds_to_train(config: TrainConfig) -> int | None:
    """The number of folds, if all of them are to be trained."""
    split = config.data.split
    return split.folds if isinstance(split, UserFolds) and split.fold is None else None


def train_folds(config: TrainConfig, options: RunOptions, n_folds: int, train: Train) -> None:
    """Train a run per fold, and report the means over folds.

    Folds that are finished are not trained again when the training is resumed.

    Args:
        config: the options, without a fold.
        options: where the runs go, or what is resumed.
        n_folds: number of folds.
        train: trains one run.

    Raises:
        InputError: for whatever a user can correct.
        Interrupted: a signal has ended the training early.
    """
    refuse_without_effect(config)
    source = config.data.source
    if isinstance(source, InteractionFile) and source.path in (STDIN, (STDIN,)):
        raise InputError("--folds: the data is read once per fold; --data - can be read only once")
    name = f"{data_name(config.data)}-{config.model.name}-{n_folds}-folds"
    with claimed_run(options, name) as directory:
        directories.keep_options(directory, options)
        if options.resume is None:
            runs.write_config(directory, config)
        directories.begin(directory, _fingerprint(config))
        for number in range(1, n_folds + 1):
            if not _train_fold(directory, number, config, options, n_folds, train):
                return
        found = mean_over_folds(
            [read_test(fold_directory(directory, number + 1)) for number in range(n_folds)]
        )
        write_folds(directory, found)
        print_table(folds_table(found, shown_metrics(config.training), config.model.name))
        print(f"run: {directory}")
        directories.finish(directory)


def _train_fold(
    directory: Path,
    number: int,
    config: TrainConfig,
    options: RunOptions,
    n_folds: int,
    train: Train,
) -> bool:
    """Train a fold, or go on with it, unless it is finished; return whether it is finished then."""
    fold = fold_directory(directory, number)
    stopped = (
        f"stopped in fold {number} of {n_folds}; {directories.resuming(directory)} continues it"
    )
    if is_whole(fold):
        say(f"fold {number} of {n_folds}: is trained already")
        return True
    try:
        if directories.is_resumable(fold):
            own = read_config(str(fold / CONFIG), str(fold))
            train(own, replace(options, resume=str(fold), out=None))
        else:
            own = replace(config, data=folds_of(config.data)[number - 1])
            train(own, replace(options, resume=None, out=str(fold)))
    except Interrupted as error:
        if directories.is_worth_keeping(directory):
            raise Interrupted(error.number, stopped) from None
        raise
    if not is_whole(fold):
        say(stopped)
    return is_whole(fold)


def _fingerprint(config: TrainConfig) -> str:
    """A SHA-256 of the files of the data, so that no fold is trained on other data."""
    checksums = runs.data_checksums(config.data)
    text = json.dumps({path: asdict(checksum) for path, checksum in checksums.items()})
    return hashlib.sha256(text.encode()).hexdigest()


def folds_table(found: Mapping[str, Any], metrics: Sequence[str], model: str) -> Table:
    """A table with one row per metric and one column per recommender: mean ± half interval.

    Args:
        found: the means over folds.
        metrics: metrics to show.
        model: name of the model.
    """
    rows = Table(
        caption=f"mean over {found['folds']} folds ± half of its 95% interval, which is "
        f"approximate; {found['users']:,} users",
        caption_justify="left",
    )
    names = [name for name, part in found.items() if isinstance(part, Mapping)]
    rows.add_column("")
    for name in names:
        rows.add_column(model if name == "model" else name, justify="right", no_wrap=True)
    for metric in metrics:
        cells = [found[name].get(metric) for name in names]
        shown = (cell and f"{cell['mean']:.4f} ± {cell['interval']:.4f}" for cell in cells)
        rows.add_row(heading(metric), *shown)
    return rows

"""The command `train`."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import optax

from multvae_jax.baselines import popularity
from multvae_jax.cli import train_baseline
from multvae_jax.cli.results import (
    baselines_beside,
    blended,
    check_baselines,
    refuse_undefined,
    write_tested,
)
from multvae_jax.cli.supervised import supervised
from multvae_jax.config.baselines import find_baseline, find_blended, refuse_unused
from multvae_jax.config.build import (
    AUTO,
    SOME_UPDATES,
    batch_size,
    build_beta,
    build_model,
    build_optimizer,
    n_epochs,
    n_updates,
    shown_metrics,
    updates_of_rise,
    validation_metrics,
)
from multvae_jax.config.complete import complete
from multvae_jax.config.load_data import data_name, describe_split, load_split
from multvae_jax.config.options import RunOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import ANY_DATA, describe_recipe, with_recipe
from multvae_jax.data.fingerprints import fingerprint
from multvae_jax.data.types import Split
from multvae_jax.divergence import DivergenceError
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import heading
from multvae_jax.fitting import BetaSearch, fit, search_beta, shape_of
from multvae_jax.host.console import print_table, say
from multvae_jax.host.files import atomic_write, check_space
from multvae_jax.host.signals import Interrupted, StopRequest, stop_requests
from multvae_jax.runs import directory as directories
from multvae_jax.runs import report
from multvae_jax.runs import run as runs
from multvae_jax.runs.checkpoints import bytes_of_checkpoint
from multvae_jax.runs.manifest import CHECKPOINTS
from multvae_jax.runs.storage import reports_muted
from multvae_jax.schedules import linear_annealing
from multvae_jax.training import TrainState, init_state, optimizer_of


def train(config: TrainConfig, options: RunOptions) -> None:
    """Train, test, and write the run.

    Raises:
        InputError: for whatever a user can correct. What was trained before is kept.
        Interrupted: a signal has ended the training early.
    """
    check_baselines(options.baselines)
    baseline = find_baseline(config.model)
    if baseline is None:
        config = complete(config)
        train_in = _train_in
    else:
        refuse_unused(baseline, config.model, config.training, options)
        config = train_baseline.completed(config)
        train_in = partial(train_baseline.train_in, baseline=baseline)
    if options.resume is not None:
        place = directories.resumed_run(Path(options.resume))
    else:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        name = f"runs/{data_name(config.data)}-{config.model.name}-{stamp}"
        target = Path(options.out or name)
        for note in directories.unfinished_runs(target.parent):
            say(note)
        place = directories.new_run(target, may_rename=options.out is None)
    with reports_muted(), stop_requests() as stop, place as directory:
        try:
            train_in(directory, config=config, options=options, stop=stop)
        except Interrupted as error:
            if error.message is None and directories.has_checkpoint(directory):
                goes_on = f"interrupted; multvae train --resume {directory} goes on"
                raise Interrupted(error.number, goes_on) from None
            raise


def _train_in(directory: Path, config: TrainConfig, options: RunOptions, stop: StopRequest) -> None:
    """Train in a directory that is claimed, and write the run there."""
    # What cannot be built is refused before the data is read.
    tried = with_recipe(config, ANY_DATA)
    build_model(tried.model)
    build_optimizer(tried.training, SOME_UPDATES)
    find_blended(config.model)
    metrics = validation_metrics(config.training)
    runs.write_config(directory, config)
    split = load_split(config.data)
    for note in split.notes:
        say(note)
    say(describe_split(split))
    config = with_recipe(config, shape_of(split))
    training, model = config.training, build_model(config.model)
    say(describe_recipe(config))
    resumes = directories.begin(directory, fingerprint(split))
    n_users, n_items = split.train.shape
    optimizer = build_optimizer(training, n_updates(training, n_users))
    fit_options: dict[str, Any] = {
        "key": jax.random.key(training.seed),
        "model": model,
        "split": split,
        "epochs": n_epochs(training),
        "batch_size": batch_size(training, n_users),
        "optimizer": optimizer,
        "validate_every": training.validate_every,
        "patience": training.patience,
        "select_by": training.selecting_metric,
        "metrics": metrics,
        "on_nan": training.on_nan,
    }

    def start(beta: optax.Schedule) -> TrainState:
        own = optimizer_of(model, optimizer, math.ceil(n_users / fit_options["batch_size"]))
        return init_state(fit_options["key"], model, own, n_items, beta)

    supervise = partial(
        supervised,
        directory=directory,
        stop=stop,
        resumes=resumes,
        every=options.checkpoint_every,
        keep=options.keep_checkpoints,
        epochs=fit_options["epochs"],
        metric=training.selecting_metric,
    )
    any_beta = linear_annealing(1.0, 1.0)
    checkpoint = bytes_of_checkpoint(jax.eval_shape(lambda: start(any_beta)))
    # One is written before another is removed, and the finished run has the arrays once more.
    check_space(directory, (options.keep_checkpoints + 2) * checkpoint)
    began = time.perf_counter()
    try:
        if training.beta == AUTO:
            to_one = updates_of_rise(training, n_users, cap=1.0, share=1.0)
            found = _found_beta(
                directory,
                partial(
                    supervise,
                    partial(search_beta, updates_to_one=to_one, **fit_options),
                    start=partial(start, linear_annealing(1.0, to_one)),
                ),
                stop,
            )
            say(f"beta: {found['cap']:.3g}, as at epoch {found['epoch']} of a rise to 1")
            beta = linear_annealing(found["cap"], found["updates"])
            config = replace(config, training=replace(training, beta_cap=found["cap"]))
        else:
            beta = build_beta(training, n_users)
        run = supervise(
            partial(fit, beta=beta, **fit_options),
            phase="training",
            log="metrics.jsonl",
            start=partial(start, beta),
        )
    except DivergenceError as error:
        raise _kept(error, directory, config, split) from None
    goes_on = f"multvae train --resume {directory} goes on"
    if not run.log:
        raise Interrupted(stop.number or signal.SIGINT, f"stopped in the first epoch; {goes_on}")
    seconds = time.perf_counter() - began
    say(f"{_which_epoch(run, training)}, trained in {seconds:.0f} s")
    if config.model.blend is not None:
        run, config = blended(run, config)
    others = baselines_beside(
        config.model.name, split, options.baselines, training.selecting_metric, metrics
    )
    tested = write_tested(directory, config, split, run, others)
    print_table(report.table(tested, shown_metrics(training), config.model.name))
    print(f"run: {directory}")
    refuse_undefined(tested["model"], directory, "a lower learning rate")
    # A signal that came in the last epoch has left nothing to go on with.
    if stop.number is None or len(run.log) == fit_options["epochs"]:
        directories.finish(directory)
    elif stop.number == signal.SIGINT:
        say(f"stopped early; {goes_on}")
    else:
        raise Interrupted(stop.number, f"stopped early; {goes_on}")


def _which_epoch(run: runs.Run, training: TrainingOptions) -> str:
    """Which epoch is kept, and what has selected it."""
    if any("validation" in entry for entry in run.log):
        metric = heading(training.selecting_metric)
        return f"kept epoch {run.best_epoch} of {len(run.log)} (best validation {metric})"
    every = "all " if len(run.log) == n_epochs(training) else ""
    return f"no validation: kept the last of {every}{len(run.log)} epochs"


def _found_beta(
    directory: Path, search: Callable[..., BetaSearch], stop: StopRequest
) -> dict[str, Any]:
    """The cap of beta, its updates and epoch: found before, or searched for now.

    Raises:
        Interrupted: a signal has ended the search.
    """
    path = directory / CHECKPOINTS / "found.json"
    if path.is_file():
        return directories.read_json(path, ("cap", "updates", "epoch"))
    result = search(phase="search", log="search.jsonl")
    if stop.number is not None:
        raise Interrupted(
            stop.number,
            f"stopped in the search for beta; multvae train --resume {directory} goes on",
        )
    found = {"cap": result.cap, "updates": result.updates, "epoch": result.run.best_epoch}
    with atomic_write(path) as file:
        file.write(json.dumps(found) + "\n")
    return found


def _kept(error: DivergenceError, directory: Path, config: TrainConfig, split: Split) -> InputError:
    """The error of a training that diverged, with what was kept, once that is written."""
    help_ = "a lower learning rate may help"
    if error.run is not None:
        popular = {"popularity": popularity(split.catalogue.counts)}
        config = replace(config, model=replace(config.model, blend=None, blend_constants={}))
        write_tested(directory, config, split, error.run, popular)
        help_ = f"epoch {error.run.best_epoch} is kept in {directory}; {help_}"
    if directories.has_checkpoint(directory):
        return InputError(f"{error}; {help_}, or multvae train --resume {directory} --on-nan skip")
    return InputError(f"{error}; {help_}, or --on-nan skip")

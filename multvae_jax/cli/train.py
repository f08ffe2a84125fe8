"""The command `train`."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import optax
from jax.sharding import Mesh

from multvae_jax.baselines import popularity
from multvae_jax.cli import searches, train_auto, train_baseline
from multvae_jax.cli.baselines_beside import (
    baselines_beside,
    begun,
    check_baselines,
    take_little,
)
from multvae_jax.cli.folds import folds_to_train, train_folds
from multvae_jax.cli.processes import (
    Companions,
    check_processes,
    refuse_in_one_process,
    without_processes,
)
from multvae_jax.cli.results import blended, report_tested, write_tested
from multvae_jax.cli.run_directory import claimed_run
from multvae_jax.cli.searches import found_by
from multvae_jax.cli.supervised import supervised
from multvae_jax.cli.warm_start import (
    Started,
    begin_from,
    resolved,
    started_from,
    with_absolute_start,
)
from multvae_jax.config.all_users import refuse_baselines_beside, selects_epoch
from multvae_jax.config.auto import check_use, is_auto
from multvae_jax.config.baselines import find_baseline, find_blended, refuse_unused
from multvae_jax.config.build_model import build_model
from multvae_jax.config.build_training import (
    AUTO,
    SOME_UPDATES,
    batch_size,
    build_beta,
    build_measure,
    build_optimizer,
    n_epochs,
    n_updates,
    updates_of_rise,
)
from multvae_jax.config.complete import complete, with_number_of_features
from multvae_jax.config.facts import facts_of_split
from multvae_jax.config.given_split import (
    is_on_all_users,
    refuse_without_effect,
    split_to_select_on,
)
from multvae_jax.config.item_features import load_split_for
from multvae_jax.config.load_data import data_name, describe_split
from multvae_jax.config.mesh import parse_mesh
from multvae_jax.config.metrics import final_metrics, validation_metrics
from multvae_jax.config.options import RunOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import (
    ANY_DATA,
    describe_precision,
    describe_recipe,
    with_recipe,
)
from multvae_jax.config.user_features import refuse_unread
from multvae_jax.data.fingerprints import fingerprint
from multvae_jax.data.mapped import mapped
from multvae_jax.data.types import Split
from multvae_jax.defaults import shape_of
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import heading
from multvae_jax.fitting import fit
from multvae_jax.host.console import say
from multvae_jax.host.devices import describe_devices
from multvae_jax.host.files import check_space
from multvae_jax.host.imports import import_beside
from multvae_jax.host.processor import multiplies_bfloat16
from multvae_jax.host.signals import Interrupted, StopRequest, stop_requests
from multvae_jax.host.trace import UpdateTrace, checked_folder
from multvae_jax.model_selection.refitting import search_beta
from multvae_jax.parallel.meshes import make_mesh
from multvae_jax.parallel.partition import partition_of
from multvae_jax.parallel.processes import check_same, is_first, largest
from multvae_jax.parallel.shares import meet, shares_of
from multvae_jax.runs import directory as directories
from multvae_jax.runs import run as runs
from multvae_jax.runs.checkpoints import bytes_of_checkpoint
from multvae_jax.runs.storage import reports_muted
from multvae_jax.schedules import linear_annealing
from multvae_jax.training.updates import TrainState, init_state, optimizer_of
from multvae_jax.training_loop.divergence import DivergenceError
from multvae_jax.types import Scorer


def train(config: TrainConfig, options: RunOptions, companions: Companions | None = None) -> None:
    """Train, test, and write the run.

    Args:
        config: options that decide its numbers.
        options: where it goes, and how it is kept.
        companions: the other processes that train it, if there are any.

    Raises:
        InputError: for whatever a user can correct. What was trained before is kept.
        Interrupted: a signal has ended the training early.
    """
    if companions is not None:
        refuse_in_one_process(config, options)
        check_processes(config, options)
    start = started_from(options)
    if start is not None and options.resume is None:
        config = resolved(config, start)
    n_folds = folds_to_train(config)
    if n_folds is not None:
        return train_folds(config, options, n_folds, train)
    check_baselines(options.baselines)
    if is_on_all_users(config.data):
        refuse_baselines_beside(options)
    if options.resume is None:
        refuse_without_effect(config)
    check_use(config.model, config.training, options)
    checked_folder(options.profile)
    if options.profile is not None and config.training.epochs == 1:
        raise InputError("--profile: traces updates of the second epoch, and --epochs is 1")
    baseline = None if is_auto(config.model) else find_baseline(config.model)
    if config.data.user_features and (baseline is not None or is_auto(config.model)):
        raise InputError(f"--user-features: --model {config.model.name} reads no features of users")
    train_in: Callable[..., None]
    if is_auto(config.model):
        completed, train_in = train_baseline.completed(config), train_auto.train_in
    elif baseline is None:
        encoder = None if start is None else start.run.user_encoder
        completed = complete(with_number_of_features(config, encoder))
        train_in = partial(_train_in, start=start)
    else:
        refuse_unused(baseline, config.model, config.training, options)
        completed = train_baseline.completed(config)
        train_in = partial(train_baseline.train_in, baseline=baseline)
    # A run of an older version goes on as it began, with nothing held out of a given split.
    config = completed if options.resume is None else replace(completed, data=config.data)
    place = claimed_run(options, f"{data_name(config.data)}-{config.model.name}")
    with reports_muted(), stop_requests() as stop, place as directory:
        if is_first():
            directories.keep_options(directory, without_processes(with_absolute_start(options)))
        if companions is not None:
            companions.goes_on = (
                f"; {directories.resuming(directory)}, in all processes, continues it"
            )
        try:
            train_in(directory, config=config, options=options, stop=stop)
        except Interrupted as error:
            if error.message is None and directories.has_checkpoint(directory):
                goes_on = f"interrupted; {directories.resuming(directory)} continues it"
                raise Interrupted(error.number, goes_on) from None
            raise


def _train_in(
    directory: Path,
    config: TrainConfig,
    options: RunOptions,
    stop: StopRequest,
    start: Started | None,
) -> None:
    """Train in a directory that is claimed, and write the run there."""
    # What cannot be built is refused before the data is read.
    tried = with_recipe(config, ANY_DATA)
    build_model(tried.model)
    build_optimizer(tried.training, SOME_UPDATES)
    build_measure(tried.training)
    blended_with = find_blended(config.model)
    if blended_with is not None and blended_with.check is not None:
        blended_with.check()
    final_metrics(config.training)
    if is_first():
        runs.write_config(directory, config)
    split = load_split_for(config, None if start is None else start.run.user_encoder)
    part = split_to_select_on(split, config.data, selects_epoch(config.training))
    for note in part.notes:
        say(note)
    say(describe_split(split))
    config = with_recipe(config, shape_of(split))
    training, model = config.training, build_model(config.model, split.catalogue.features)
    refuse_unread(model, config, split.train.shape[1])
    say(describe_recipe(config))
    mesh = mesh_of(options)
    say(describe_devices(1 if mesh is None else mesh.size))
    native = multiplies_bfloat16()
    if how := describe_precision(config.model.precision, jax.default_backend(), native):
        say(how)
    metrics = validation_metrics(training, facts_of_split(split, config.data))
    if start is not None:
        begin_from(start, directory, config, split, part, metrics)
    resumes = _begin(directory, split)
    if jax.process_count() > 1:
        # Each process keeps its own users, and these on its devices.
        whole = mapped(split)
        part, split = whole if part is split else mapped(part), whole
    n_users, n_items = split.train.shape
    optimizer = build_optimizer(training, n_updates(training, n_users))
    fit_options: dict[str, Any] = {
        "key": jax.random.key(training.seed),
        "model": model,
        "split": part,
        "epochs": n_epochs(training),
        "batch_size": batch_size(training, n_users),
        "optimizer": optimizer,
        "validate_every": training.validate_every,
        "patience": training.patience,
        "select_by": training.selecting_metric,
        "metrics": metrics,
        "on_nan": training.on_nan,
        "mesh": mesh,
        "start": None if start is None else start.run,
        "measure": build_measure(training),
    }

    def begin(beta: optax.Schedule) -> TrainState:
        own = optimizer_of(model, optimizer, math.ceil(n_users / fit_options["batch_size"]))
        return init_state(fit_options["key"], model, own, n_items, beta)

    any_beta = linear_annealing(1.0, 1.0)
    shapes = jax.eval_shape(lambda: begin(any_beta))
    supervise = partial(
        supervised,
        directory=directory,
        partition=partition_of(shapes, n_items, mesh),
        stop=stop,
        resumes=resumes,
        every=options.checkpoint_every,
        keep=options.keep_checkpoints,
        epochs=fit_options["epochs"],
        metric=training.selecting_metric,
        trace=_trace_of(options, directory),
    )
    checkpoint = bytes_of_checkpoint(shapes)
    trainings = 1 + (training.beta == AUTO) + (part is not split)
    # One is written before another is removed, and the finished run has the arrays once more.
    check_space(directory, (trainings * options.keep_checkpoints + 2) * checkpoint)
    import_beside("matplotlib.figure", "matplotlib.backends.backend_agg")
    names = options.baselines if jax.process_count() == 1 else ("popularity",)
    others: Callable[[], dict[str, Scorer]] = partial(
        baselines_beside, config.model.name, split, names, training.selecting_metric, metrics
    )
    # Devices that wait for each other in one program are left to it.
    if mesh is None and take_little(split, names):
        others = begun(others)
    began, selected = time.perf_counter(), None
    try:
        if training.beta == AUTO:
            to_one = updates_of_rise(training, n_users, cap=1.0, share=1.0)
            found = found_by(
                searches.BETA,
                directory,
                partial(
                    supervise,
                    partial(search_beta, updates_to_one=to_one, **fit_options),
                    start=partial(begin, linear_annealing(1.0, to_one)),
                ),
                stop,
            )
            say(f"beta: {found['cap']:.3g}, as at epoch {found['epoch']} of a rise to 1")
            beta = linear_annealing(found["cap"], found["updates"])
            config = replace(config, training=replace(training, beta_cap=found["cap"]))
        else:
            beta = build_beta(training, n_users)
        supervise = partial(supervise, start=partial(begin, beta))
        epochs = fit_options["epochs"]
        if part is not split:
            select = partial(supervise, partial(fit, beta=beta, **fit_options))
            search = searches.EPOCH
            if config.model.blend is not None:
                search = searches.with_blend(lambda run: blended(run, config)[1].model)
            selected = found_by(search, directory, select, stop)
            if "blend" in selected:
                config = replace(config, model=replace(config.model, **selected["blend"]))
            epochs = selected["epoch"]
            say(
                f"epoch {epochs} of {selected['trained']} is the best on what was held out; the "
                "model is trained anew on all"
            )
            fit_options |= {"split": split, "stop_after": epochs}
        run = supervise(
            partial(fit, beta=beta, **fit_options),
            phase="training",
            log="metrics.jsonl",
            epochs=epochs,
        )
    except DivergenceError as error:
        raise _kept(error, directory, config, split) from None
    goes_on = f"{directories.resuming(directory)} continues it"
    if not run.log:
        raise Interrupted(stop.number or signal.SIGINT, f"stopped in the first epoch; {goes_on}")
    seconds = time.perf_counter() - began
    say(f"{_which_epoch(run, training, selected)}, {seconds:.0f} s")
    if config.model.blend is not None:
        run, config = blended(run, config)
    report_tested(
        directory,
        config,
        split,
        run,
        others(),
        name=config.model.name,
        selected=None if selected is None else selected.get("validation"),
        help="a lower learning rate",
        mesh=mesh,
        note="" if start is None else start.note(split),
    )
    # A signal that came in the last epoch has left nothing to go on with.
    if stop.number is None or len(run.log) == epochs:
        if is_first():
            directories.finish(directory)
    elif stop.number == signal.SIGINT:
        say(f"stopped early; {goes_on}")
    else:
        raise Interrupted(stop.number, f"stopped early; {goes_on}")


def mesh_of(options: RunOptions) -> Mesh | None:
    """The devices to train on: those of `--mesh`, or all of several processes.

    Raises:
        InputError: there are fewer, or a process has none of them.
    """
    if options.mesh is not None:
        mesh = make_mesh(*parse_mesh(options.mesh))
    elif jax.process_count() > 1:
        mesh = make_mesh(data=len(jax.devices()))
    else:
        return None
    if shares_of(mesh) is not None:
        meet(mesh)
    return mesh


def _begin(directory: Path, split: Split) -> bool:
    """Note the data of a run, which is the same in all processes; whether it was begun before."""
    data = fingerprint(split)
    if jax.process_count() > 1:
        tested = fingerprint(replace(split, validation=split.test))
        check_same({"the data": data, "the test users": tested})
    return bool(max(largest(is_first() and directories.begin(directory, data))))


def _trace_of(options: RunOptions, directory: Path) -> UpdateTrace:
    """The trace of `--profile`; of several processes, the first writes it."""
    if options.profile is None or not is_first():
        return UpdateTrace(None)
    return UpdateTrace(checked_folder(options.profile) or directory / "profile")


def _which_epoch(
    run: runs.Run, training: TrainingOptions, selected: Mapping[str, Any] | None
) -> str:
    """Which epoch is kept, and what has selected it."""
    best = f"(best validation {heading(training.selecting_metric)})"
    trained = len(run.log)
    if selected is not None:
        early = "" if trained == selected["epoch"] else f", stopped after {trained}"
        chosen = f"kept epoch {selected['epoch']} of {selected['trained']} {best}"
        return f"{chosen}{early}, trained anew on all interactions"
    if any("validation" in entry for entry in run.log):
        return f"kept epoch {run.best_epoch} of {trained} {best}"
    if trained == n_epochs(training):
        return f"no validation: trained all {trained} epochs"
    return f"no validation: stopped after {trained} of {n_epochs(training)} epochs"


def _kept(error: DivergenceError, directory: Path, config: TrainConfig, split: Split) -> InputError:
    """The error of a training that diverged, with what was kept, once that is written."""
    help_ = "a lower learning rate may help"
    if error.run is not None:
        popular = {"popularity": popularity(split.catalogue.counts)}
        config = replace(config, model=replace(config.model, blend=None, blend_constants={}))
        write_tested(directory, config, split, error.run, popular)
        help_ = f"epoch {error.run.best_epoch} is kept in {directory}; {help_}"
    if directories.has_checkpoint(directory):
        return InputError(f"{error}; {help_}, or {directories.resuming(directory)} --on-nan skip")
    return InputError(f"{error}; {help_}, or --on-nan skip")

"""The command `train --model auto`: several recommenders are tried, and the best is kept."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import jax
from rich.markup import escape
from rich.table import Table

from multvae_jax import recipe
from multvae_jax.cli.baselines_beside import baselines_beside
from multvae_jax.cli.progress import write_log
from multvae_jax.cli.results import report_tested
from multvae_jax.config.facts import facts_of_split
from multvae_jax.config.given_split import split_to_select_on
from multvae_jax.config.load_data import describe_split, load_split
from multvae_jax.config.metrics import final_metrics, validation_metrics
from multvae_jax.config.options import RunOptions, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import with_recipe
from multvae_jax.config.vocabulary import MODEL
from multvae_jax.data.fingerprints import fingerprint
from multvae_jax.data.types import Split
from multvae_jax.defaults import shape_of
from multvae_jax.errors import InputError
from multvae_jax.evaluation.metrics import heading
from multvae_jax.host.console import print_table, say
from multvae_jax.host.files import atomic_write
from multvae_jax.host.signals import Interrupted, StopRequest
from multvae_jax.model_selection import choosing
from multvae_jax.model_selection.trying import Choice, Tried, ranked
from multvae_jax.models import mult_vae
from multvae_jax.runs import directory as directories
from multvae_jax.runs import run as runs

TRIED = "tried.json"
VARIATIONAL = "variational_mlp"
"""The network of Mult-VAE where no other is set."""


def train_in(directory: Path, config: TrainConfig, options: RunOptions, stop: StopRequest) -> None:
    """Choose a recommender in a directory that is claimed, and write its run there.

    A run that was killed starts over.

    Raises:
        InputError: for whatever a user can correct.
        Interrupted: a signal has ended the choice early; the run has the best until then.
    """
    training = config.training
    final_metrics(training)
    select_by = training.selecting_metric
    runs.write_config(directory, config)
    split = load_split(config.data)
    part = split_to_select_on(split, config.data)
    for note in part.notes:
        say(note)
    say(describe_split(split))
    if part.validation is None:
        raise InputError("--held-out none: --model auto chooses on what is held out")
    metrics = validation_metrics(training, facts_of_split(split, config.data))
    if directories.begin(directory, fingerprint(split)):
        say(f"{directory}: a choice that was stopped starts over")
    minutes = recipe.MINUTES if options.minutes is None else options.minutes
    say(f"auto: trying recommenders for {minutes:g} minutes; a signal keeps the best so far")
    tried: list[Tried] = []

    def callback(one: Tried) -> None:
        tried.append(one)
        # A full disk does not end the training; it is said when the run is written.
        with contextlib.suppress(InputError):
            _write_tried(directory, tried, select_by)
        say(_line_of(one, select_by, stop))

    with stop.awaited(_announce):
        try:
            choice = choosing.choose(
                jax.random.key(training.seed),
                part,
                minutes=minutes,
                models=choosing.MODELS,
                whole=None if part is split else split,
                select_by=select_by,
                metrics=metrics,
                callback=callback,
                should_stop=lambda: stop.number is not None,
            )
        except InputError:
            if stop.number is None:
                raise
            raise Interrupted(stop.number) from None
    if choice.run is not choice.selected:
        write_log(directory / "selection.jsonl", choice.selected.log)
        say(f"{choice.name}: trained anew on all interactions")
    elif part is not split:
        say(f"{choice.name}: kept as it was trained, without the interactions that were held out")
    config = config_of(choice, config, split)
    others = baselines_beside(config.model.name, split, options.baselines, select_by, metrics)
    print_table(_table(tried, select_by, stop))
    report_tested(
        directory,
        config,
        split,
        choice.run,
        others,
        name=choice.name,
        selected=None,
        help="another --seed",
    )
    directories.finish(directory)
    if stop.number is not None and stop.number != signal.SIGINT:
        raise Interrupted(stop.number, f"stopped early; the best of {len(tried)} is kept")
    if stop.number is not None:
        say(f"stopped early; the best of {len(tried)} is kept")


def _announce(name: str) -> None:
    say(f"{name}: stopping with the best so far; a second signal ends at once")


def config_of(choice: Choice, config: TrainConfig, split: Split) -> TrainConfig:
    """The configuration of what was chosen, as if it had been asked for."""
    model = runs.described(choice.run)
    if MODEL.names.get(model.model) is mult_vae and model.network is None:
        # Unset, it would be the recipe's when the model is trained again.
        model = replace(model, network=VARIATIONAL)
    config = replace(config, model=model)
    if choice.candidate is None:
        # A baseline has no seed.
        return replace(config, training=replace(config.training, seed=TrainingOptions().seed))
    numbers = choice.candidate._asdict()
    numbers.pop("model")
    given = {name: number for name, number in numbers.items() if number is not None}
    with_own = replace(config, training=replace(config.training, **given))
    return with_recipe(with_own, shape_of(split))


def _write_tried(directory: Path, tried: Sequence[Tried], select_by: str) -> None:
    """Write what was tried until now, best first."""
    with atomic_write(directory / TRIED) as file:
        file.write(json.dumps([asdict(one) for one in ranked(tried, select_by)], indent=2) + "\n")


def _note_on(one: Tried, stop: StopRequest) -> str:
    """Why a recommender takes no part, or has not been trained to the end."""
    if one.problem is not None:
        return one.problem
    by = "the time" if stop.number is None else signal.Signals(stop.number).name
    return f"stopped by {by}" if one.stopped else ""


def _line_of(one: Tried, metric: str, stop: StopRequest) -> str:
    if one.problem is not None:
        return f"{one.name}: left out after {one.seconds:.0f} s ({one.problem})"
    value = f"{heading(metric)} {one.validation[metric]:.4f} on validation"
    note = _note_on(one, stop)
    return f"{one.name}: {value}, {one.seconds:.0f} s{note and ', '}{note}"


def _table(tried: Sequence[Tried], metric: str, stop: StopRequest) -> Table:
    """A table with one row per recommender that was tried: validation metric and seconds."""
    rows = Table(caption="on the validation users", caption_justify="left")
    for name in ("tried", heading(metric), "seconds", ""):
        rows.add_column(name, justify="right" if name not in ("tried", "") else "left")
    for one in ranked(tried, metric):
        value = f"{one.validation[metric]:.4f}" if one.validation else ""
        rows.add_row(one.name, value, f"{one.seconds:.0f}", escape(_note_on(one, stop)))
    return rows

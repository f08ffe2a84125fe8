"""The commands `train`, `evaluate`, `recommend` and `datasets`, given their options."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import jax
from rich.console import Console
from rich.table import Table

from multvae_jax import recommending
from multvae_jax.baselines.popularity import popularity
from multvae_jax.cli.progress import log_epochs
from multvae_jax.config.build import (
    AUTO,
    batch_size,
    build_beta,
    build_model,
    build_optimizer,
    n_epochs,
    refuse_unused_rise,
    updates_of_rise,
    validation_metrics,
)
from multvae_jax.config.load_data import data_name, describe_split, load_split
from multvae_jax.config.options import EvaluateConfig, RecommendConfig, TrainConfig, TrainingOptions
from multvae_jax.config.resolve import with_preset
from multvae_jax.data.interactions import read_histories
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.datasets import registry
from multvae_jax.errors import InputError
from multvae_jax.evaluation import evaluator
from multvae_jax.evaluation.evaluator import Evaluation, prepare_users
from multvae_jax.evaluation.metrics import Metric, at_cutoffs
from multvae_jax.fitting import fit, search_beta
from multvae_jax.host.console import say
from multvae_jax.host.files import atomic_write, new_directory
from multvae_jax.runs import report
from multvae_jax.runs import run as runs
from multvae_jax.schedules import linear_annealing
from multvae_jax.types import Scorer

FEW = 3
"""Users that are named one by one on standard error; of more, only their number is printed."""


def train(config: TrainConfig, out: str | None) -> None:
    """Train, test, and write the run.

    Raises:
        InputError: for whatever a user can correct; then no directory is left behind.
    """
    refuse_unused_rise(config.training)
    config = with_preset(config)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target = Path(out or f"runs/{data_name(config.data)}-{config.model.name}-{stamp}")
    with new_directory(target) as directory:
        if config.training.beta == AUTO and config.model.model in ("mult-dae", "mult_dae"):
            raise InputError("--beta auto: mult-dae has no KL term, and so no beta to search for")
        model = build_model(config.model)
        optimizer = build_optimizer(config.training)
        metrics = validation_metrics(config.training)
        split = load_split(config.data)
        for note in split.notes:
            say(note)
        say(describe_split(split))
        training, n_users = config.training, split.train.shape[0]
        key = jax.random.key(training.seed)
        options: dict[str, Any] = {
            "epochs": n_epochs(training),
            "batch_size": batch_size(training, n_users),
            "optimizer": optimizer,
            "validate_every": training.validate_every,
            "patience": training.patience,
            "select_by": training.select_by,
            "metrics": metrics,
        }
        log = partial(log_epochs, epochs=n_epochs(training), metric=training.select_by)
        began = time.perf_counter()
        if training.beta == AUTO:
            to_one = updates_of_rise(training, n_users, cap=1.0, share=1.0)
            with log(directory / "search.jsonl", title="beta") as callback:
                found = search_beta(
                    key, model, split, updates_to_one=to_one, callback=callback, **options
                )
            say(f"beta: {found.cap:.3g}, as at epoch {found.run.best_epoch} of a rise to 1")
            config = replace(config, training=replace(training, beta_cap=found.cap))
            beta = linear_annealing(found.cap, found.updates)
        else:
            beta = build_beta(training, n_users)
        with log(directory / "metrics.jsonl", title="training") as callback:
            run = fit(key, model, split, beta=beta, callback=callback, **options)
        seconds = time.perf_counter() - began
        say(f"kept epoch {run.best_epoch} of {len(run.log)}, trained in {seconds:.0f} s")
        tested = _evaluate(run.scorer, split.catalogue, split.test, _metrics(training))
        runs.write_run(directory, config, split, run, tested)
    _print(report.table(tested, list(metrics), config.model.name))
    print(f"run: {target}")


def evaluate(config: EvaluateConfig) -> None:
    """Evaluate a run on its held-out users.

    Raises:
        InputError: if the run or its data cannot be read, or the data has changed.
    """
    saved = runs.read_run(Path(config.run))
    run, options = saved.run, saved.config
    if options.data is None:
        held_out = runs.held_out_users(Path(config.run), config.part)
    else:
        split = load_split(options.data)
        if split.catalogue.ids.tolist() != run.catalogue.ids.tolist():
            raise InputError(f"{config.run}: its data has changed: the items are not the same")
        held_out = {"test": split.test, "validation": split.validation}[config.part]
    if held_out is None:
        raise InputError(f"{config.run}: it has no validation users")
    metrics = _metrics(replace(options.training or TrainingOptions(), cutoffs=config.cutoffs))
    tested = _evaluate(run.scorer, run.catalogue, held_out, metrics)
    _print(report.table(tested, list(metrics), options.model.name if options.model else "model"))
    if config.out is not None:
        with _writing(config.out) as file:
            file.write(json.dumps(runs.results(tested), indent=2) + "\n")


def recommend(config: RecommendConfig) -> None:
    """Write the items that a run recommends to every user of a file.

    Raises:
        InputError: if the run or the file cannot be read, or the output cannot be written.
    """
    run = runs.load_run(config.run)
    users, histories, notes = read_histories(
        config.history, user=config.user_column, item=config.item_column
    )
    for note in notes:
        say(note)
    found = recommending.recommend(run.scorer, run.catalogue, histories, config.k)
    unknown = sum(user.unknown for user in found)
    if unknown:
        ignored = (
            "item unknown to the model is" if unknown == 1 else "items unknown to the model are"
        )
        say(f"{config.history}: {unknown} {ignored} ignored")
    strangers = [user for user, mine in zip(users, found, strict=True) if mine.from_popularity]
    if strangers:
        named = ", ".join(strangers[:FEW])
        who = f"{'user' if len(strangers) == 1 else 'users'} {named}"
        if len(strangers) > FEW:
            who = f"{len(strangers)} of {len(users)} users ({named}, ...)"
        say(f"{who}: no item of the history is known; the most popular are shown")
    rows = (
        {
            "user": user,
            "rank": rank,
            "item": item,
            "title": run.catalogue.titles.get(item, ""),
            "score": score,
        }
        for user, recommendation in zip(users, found, strict=True)
        for rank, (item, score) in enumerate(
            zip(recommendation.items, recommendation.scores, strict=True), start=1
        )
    )
    with _writing(config.out) as file:
        if config.format == "csv":
            writer = csv.DictWriter(
                file, ("user", "rank", "item", "title", "score"), lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def list_datasets() -> None:
    """Print the table of named data sets."""
    rows = Table("name", "description", show_lines=True)
    for dataset in registry.DATASETS.values():
        rows.add_row(dataset.name, "\n".join(registry.describe_dataset(dataset)))
    _print(rows)


def _metrics(training: TrainingOptions) -> dict[str, Metric]:
    """Test metrics of a run: those of the validation, and all others at the cutoffs."""
    return {**validation_metrics(training), **at_cutoffs(training.cutoffs)}


def _evaluate(
    scorer: Scorer, catalogue: Catalogue, held_out: HeldOut, metrics: Mapping[str, Metric]
) -> dict[str, Evaluation]:
    """Evaluate the model, and the popularity ranking to compare it with."""
    users = prepare_users(held_out)
    scorers = {"model": scorer, "popularity": popularity(catalogue.counts)}
    return {name: evaluator.evaluate(each, users, metrics) for name, each in scorers.items()}


@contextlib.contextmanager
def _writing(path: str | None) -> Iterator[TextIO]:
    """The standard output, or a file that appears once it is complete."""
    if path is None:
        yield sys.stdout
        return
    with atomic_write(path) as file:
        yield file


def _print(rows: Table) -> None:
    Console(highlight=False).print(rows)

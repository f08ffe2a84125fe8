"""What each command does, once its options are read."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
    updates_of_rise,
)
from multvae_jax.config.load_data import data_name, describe_split, load_split
from multvae_jax.config.options import EvaluateConfig, RecommendConfig, TrainConfig, with_preset
from multvae_jax.data.interactions import read_histories
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.datasets import registry
from multvae_jax.errors import InputError
from multvae_jax.evaluation import evaluator
from multvae_jax.evaluation.evaluator import Evaluation, prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric, at_cutoffs
from multvae_jax.fitting import fit, search_beta
from multvae_jax.host.console import say
from multvae_jax.host.files import atomic_write, new_directory
from multvae_jax.runs import report, saved_run
from multvae_jax.schedules import linear_annealing
from multvae_jax.types import Scorer

FEW = 3
"""Users that are named one by one on the standard error; of more it is told how many."""


def train(config: TrainConfig, out: str | None) -> None:
    """Train, test, and write the run.

    Raises:
        InputError: whatever a user can set right; no directory is left behind then.
    """
    config = with_preset(config)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    target = Path(out or f"runs/{data_name(config.data)}-{config.model.name}-{stamp}")
    with new_directory(target) as directory:
        if config.training.beta == AUTO and config.model.model == "mult-dae":
            raise InputError("--beta auto: mult-dae has no KL term, and so no beta to search for")
        model = build_model(config.model)
        optimizer = build_optimizer(config.training)
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
        }
        began = time.perf_counter()
        if training.beta == AUTO:
            to_one = updates_of_rise(training, n_users, cap=1.0, share=1.0)
            with log_epochs(directory / "search.jsonl", n_epochs(training), "beta") as callback:
                found = search_beta(
                    key, model, split, updates_to_one=to_one, callback=callback, **options
                )
            say(f"beta: {found.cap:.3g}, as at epoch {found.run.best_epoch} of a rise to 1")
            config = replace(config, training=replace(training, beta_cap=found.cap))
            beta = linear_annealing(found.cap, found.updates)
        else:
            beta = build_beta(training, n_users)
        with log_epochs(directory / "metrics.jsonl", n_epochs(training), "training") as callback:
            run = fit(key, model, split, beta=beta, callback=callback, **options)
        seconds = time.perf_counter() - began
        say(f"kept epoch {run.best_epoch} of {len(run.log)}, trained in {seconds:.0f} s")
        tested = _evaluate(run.scorer, split.catalogue, split.test, config.training.cutoffs)
        saved_run.write_run(directory, config, split, run, tested)
    _print(report.table(tested, list(PAPER_METRICS), config.model.name))
    print(f"run: {target}")


def evaluate(config: EvaluateConfig) -> None:
    """Evaluate a run on the users that its configuration holds out.

    Raises:
        InputError: if the run or its data cannot be read, or the data is not the run's.
    """
    saved = saved_run.load_run(Path(config.run))
    split = load_split(saved.config.data)
    if split.catalogue.ids.tolist() != saved.catalogue.ids.tolist():
        raise InputError(f"{config.run}: its data has changed since: the items are not the same")
    held_out = {"test": split.test, "validation": split.validation}[config.part]
    if held_out is None:
        raise InputError(f"{config.run}: it has no validation users")
    tested = _evaluate(saved.scorer, saved.catalogue, held_out, config.cutoffs)
    _print(report.table(tested, list(_metrics(config.cutoffs)), saved.config.model.name))
    if config.out is not None:
        with _writing(config.out) as file:
            file.write(json.dumps(saved_run.results(tested), indent=2) + "\n")


def recommend(config: RecommendConfig) -> None:
    """Write the best items of every user of a file.

    Raises:
        InputError: if the run or the file cannot be read, or the output not be written.
    """
    saved = saved_run.load_run(Path(config.run))
    users, histories, notes = read_histories(
        config.history, user=config.user_column, item=config.item_column
    )
    for note in notes:
        say(note)
    found = recommending.recommend(saved.scorer, saved.catalogue, histories, config.k)
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
            "title": saved.catalogue.titles.get(item, ""),
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
    rows = Table("name", "what it is", show_lines=True)
    for dataset in registry.DATASETS.values():
        rows.add_row(dataset.name, "\n".join(registry.describe_dataset(dataset)))
    _print(rows)


def _metrics(cutoffs: Sequence[int]) -> dict[str, Metric]:
    return {**PAPER_METRICS, **at_cutoffs(cutoffs)}


def _evaluate(
    score: Scorer, catalogue: Catalogue, held_out: HeldOut, cutoffs: Sequence[int]
) -> dict[str, Evaluation]:
    prepared = prepare_users(held_out)
    scorers = {"model": score, "popularity": popularity(catalogue.counts)}
    return {
        name: evaluator.evaluate(scorer, prepared, _metrics(cutoffs))
        for name, scorer in scorers.items()
    }


@contextlib.contextmanager
def _writing(path: str | None) -> Iterator[TextIO]:
    """The standard output, or a file that appears once it is whole."""
    if path is None:
        yield sys.stdout
        return
    with atomic_write(path) as file:
        yield file


def _print(rows: Table) -> None:
    Console(highlight=False).print(rows)

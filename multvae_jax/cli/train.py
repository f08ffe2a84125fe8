"""The command `train`."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax

from multvae_jax.cli.evaluate import evaluate_with_popularity
from multvae_jax.cli.progress import log_epochs
from multvae_jax.config.build import (
    AUTO,
    batch_size,
    build_beta,
    build_model,
    build_optimizer,
    final_metrics,
    n_epochs,
    refuse_unused_rise,
    updates_of_rise,
    validation_metrics,
)
from multvae_jax.config.load_data import data_name, describe_split, load_split
from multvae_jax.config.options import TrainConfig
from multvae_jax.config.resolve import with_preset
from multvae_jax.errors import InputError
from multvae_jax.fitting import fit, search_beta
from multvae_jax.host.console import print_table, say
from multvae_jax.host.files import new_directory
from multvae_jax.runs import report
from multvae_jax.runs import run as runs
from multvae_jax.schedules import linear_annealing


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
        tested = evaluate_with_popularity(
            run.scorer, split.catalogue, split.test, final_metrics(training)
        )
        runs.write_run(directory, config, split, run, tested)
    print_table(report.table(tested, list(metrics), config.model.name))
    print(f"run: {target}")

"""The command `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from multvae_jax.baselines.popularity import popularity
from multvae_jax.cli.output import writing
from multvae_jax.config.build import final_metrics
from multvae_jax.config.load_data import load_split
from multvae_jax.config.options import EvaluateConfig, TrainingOptions
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation import evaluator
from multvae_jax.evaluation.evaluator import Evaluation, prepare_users
from multvae_jax.evaluation.metrics import Metric
from multvae_jax.host.console import print_table
from multvae_jax.runs import report
from multvae_jax.runs import run as runs
from multvae_jax.types import Scorer


def evaluate(config: EvaluateConfig) -> None:
    """Evaluate a run on its held-out users.

    Raises:
        InputError: if the run or its data cannot be read, or the data has changed.
    """
    saved = runs.read_run(Path(config.run), trust_code=config.trust_code)
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
    metrics = final_metrics(replace(options.training or TrainingOptions(), cutoffs=config.cutoffs))
    tested = evaluate_with_popularity(run.scorer, run.catalogue, held_out, metrics)
    print_table(
        report.table(tested, list(metrics), options.model.name if options.model else "model")
    )
    if config.out is not None:
        with writing(config.out) as file:
            file.write(json.dumps(runs.results(tested), indent=2) + "\n")


def evaluate_with_popularity(
    scorer: Scorer, catalogue: Catalogue, held_out: HeldOut, metrics: Mapping[str, Metric]
) -> dict[str, Evaluation]:
    """Evaluate the model, and the popularity ranking to compare it with."""
    users = prepare_users(held_out)
    scorers = {"model": scorer, "popularity": popularity(catalogue.counts)}
    return {name: evaluator.evaluate(each, users, metrics) for name, each in scorers.items()}

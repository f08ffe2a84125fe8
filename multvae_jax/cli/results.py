"""The test of a run beside other recommenders, and the writing of what was found."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from multvae_jax.config.baselines import AUTO
from multvae_jax.config.facts import facts_of_split
from multvae_jax.config.metrics import final_metrics, shown_metrics, validation_metrics
from multvae_jax.config.options import TrainConfig
from multvae_jax.data.types import HeldOut, Split
from multvae_jax.errors import InputError, reason_of
from multvae_jax.evaluation import evaluator
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.host.console import print_table, say
from multvae_jax.model_selection.blending import blend
from multvae_jax.models import Blend
from multvae_jax.parallel.partition import mesh_of
from multvae_jax.runs import report
from multvae_jax.runs import run as runs
from multvae_jax.types import Scorer


def evaluate_beside(
    scorer: Scorer, others: Mapping[str, Scorer], users: HeldOut, metrics: Mapping[str, AnyMetric]
) -> dict[str, Evaluation]:
    """Evaluate a run, as "model", and the recommenders to compare it with."""
    prepared = prepare_users(users, mesh=mesh_of(scorer))
    scorers = {"model": scorer, **others}
    return {name: evaluator.evaluate(each, prepared, metrics) for name, each in scorers.items()}


def blended(run: runs.Run, config: TrainConfig) -> tuple[runs.Run, TrainConfig]:
    """Blend a trained model as `--blend` says, and say how; returns also the options it amounts to.

    Raises:
        InputError: as in `multvae_jax.blend`.
    """
    model, training = config.model, config.training
    began = time.perf_counter()
    assert run.split is not None
    made = blend(
        run,
        None if model.blend == AUTO else model.blend,
        constants=model.blend_constants,
        select_by=training.selecting_metric,
        metrics=validation_metrics(training, facts_of_split(run.split, config.data)),
    )
    assert isinstance(made.model, Blend)
    name, constants = made.model.baseline.name, dict(made.constants)
    listed = ", ".join(f"{constant} {value:.3g}" for constant, value in constants.items())
    say(f"blended with {name} in {time.perf_counter() - began:.0f} s: {listed}")
    return made, replace(config, model=replace(model, blend=name, blend_constants=constants))


def report_tested(
    directory: Path,
    config: TrainConfig,
    split: Split,
    run: runs.Run,
    others: Mapping[str, Scorer],
    *,
    name: str,
    selected: Mapping[str, float] | None,
    help: str,
    mesh: Mesh | None = None,
    note: str = "",
) -> None:
    """Test and write a run, and print its tables.

    Args:
        directory: the directory of the run.
        config: its options.
        split: its data.
        run: the run.
        others: recommenders to test beside it.
        name: name of the model in the table.
        selected: validation metrics of what was selected, which are all there is to show if all
            users were trained on.
        help: what may help if scores are not finite.
        mesh: devices to test on; by default one.
        note: a line below the table.

    Raises:
        InputError: as in `write_tested`, or scores are not finite.
    """
    tested = write_tested(directory, config, split, run, others, mesh)
    shown = shown_metrics(config.training)
    if tested:
        table = report.table(tested, shown, name)
        table.caption = f"{table.caption}\n{note}" if note else table.caption
        print_table(table)
    else:
        say(f"no test: all {split.train.shape[0]:,} users were trained on")
        if selected:
            print_table(report.selection_table(selected, name))
    print(f"run: {directory}")
    if tested:
        refuse_undefined(tested["model"], directory, help)


def write_tested(
    directory: Path,
    config: TrainConfig,
    split: Split,
    run: runs.Run,
    others: Mapping[str, Scorer],
    mesh: Mesh | None = None,
) -> dict[str, Evaluation]:
    """Test and write a run; if its directory fails, to a temporary one.

    Nothing is tested if all users were trained on.

    Raises:
        InputError: if it could not be written to its directory.
    """
    tested: dict[str, Evaluation] = {}
    if len(split.test.user_ids) > 0:
        metrics = final_metrics(config.training, facts_of_split(split, config.data))
        tested = evaluate_beside(run.scorer_on(mesh), others, split.test, metrics)
    try:
        runs.write_run(directory, config, split, run, tested)
    # A full disk is an exception of many types, depending on who was writing.
    except (OSError, ValueError, RuntimeError) as error:
        problem = f"{directory}: {reason_of(error)}"
        # Several processes write together, and one cannot go elsewhere.
        if jax.process_count() > 1:
            raise InputError(f"{problem}; its checkpoints are kept") from error
        elsewhere = Path(tempfile.mkdtemp(prefix=f"{directory.name}-"))
        try:
            runs.write_run(elsewhere, config, split, run, tested)
        except (OSError, ValueError, RuntimeError) as again:
            shutil.rmtree(elsewhere, ignore_errors=True)
            raise InputError(f"{problem}; neither can {elsewhere} be written") from again
        raise InputError(f"{problem}; the run was written to {elsewhere}") from error
    return tested


def refuse_undefined(tested: Evaluation, directory: Path, help: str) -> None:
    """Refuse to call a run successful whose scores are not numbers.

    Raises:
        InputError: naming the number of test users, and what may help.
    """
    undefined = np.isnan(np.stack(list(tested.values.values()))).any(axis=0)
    if undefined.any():
        raise InputError(
            f"{directory}: the scores of {int(undefined.sum()):,} of {undefined.size:,} test users "
            f"are not finite; {help} may help"
        )

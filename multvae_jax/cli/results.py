"""The test of a run beside other recommenders, and the writing of what was found."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from multvae_jax.baselines import BASELINES, Baseline, popularity
from multvae_jax.baselines.cost import is_affordable
from multvae_jax.config.baselines import AUTO
from multvae_jax.config.facts import facts_of_split
from multvae_jax.config.metrics import final_metrics, shown_metrics, validation_metrics
from multvae_jax.config.options import TrainConfig
from multvae_jax.data.types import HeldOut, Split
from multvae_jax.errors import InputError, names_like, reason_of
from multvae_jax.evaluation import evaluator
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.host.console import print_table, say
from multvae_jax.host.stored_matrix import StoredMatrix
from multvae_jax.model_selection.blending import blend
from multvae_jax.model_selection.tuning import at_edges, fit_baseline
from multvae_jax.models import Blend
from multvae_jax.parallel.partition import mesh_of
from multvae_jax.runs import report
from multvae_jax.runs import run as runs
from multvae_jax.selection import Entry
from multvae_jax.types import Scorer

COMPARISON_GRID = {"regularization": (10.0, 30.0, 100.0, 300.0, 1000.0)}
"""Values that are tried for EASE where it is not asked for."""

SECONDS, GIGABYTES = 5.0, 2.0
"""Largest cost per setting at which EASE is fitted without being asked for."""

FEW_SECONDS, FEW_GIGABYTES = 1.0, 0.2
"""Largest cost per setting at which that is done while the model is trained."""


def evaluate_beside(
    scorer: Scorer, others: Mapping[str, Scorer], users: HeldOut, metrics: Mapping[str, AnyMetric]
) -> dict[str, Evaluation]:
    """Evaluate a run, as "model", and the recommenders to compare it with."""
    prepared = prepare_users(users, mesh=mesh_of(scorer))
    scorers = {"model": scorer, **others}
    return {name: evaluator.evaluate(each, prepared, metrics) for name, each in scorers.items()}


def check_baselines(names: Sequence[str] | None) -> None:
    """Refuse names of `--baselines` that are not those of baselines.

    Raises:
        InputError: naming the closest baseline.
    """
    for name in names or ():
        if name not in BASELINES and list(names or ()) != ["none"]:
            known = [*BASELINES, "none"]
            raise InputError(f"--baselines {name}: no such baseline{names_like(name, known)}")


def baselines_beside(
    name: str,
    split: Split,
    names: Sequence[str] | None,
    select_by: str,
    metrics: Mapping[str, AnyMetric],
    tell: Callable[[str], None] = say,
) -> dict[str, Scorer]:
    """Fit the baselines to compare a run with, and say how.

    Args:
        name: name of the model, which is not compared with itself.
        split: the data.
        names: the baselines; None for popularity, and for EASE if it takes seconds.
        select_by: metric that chooses their constants on the validation users.
        metrics: validation metrics.
        tell: called with each note on how.
    """
    if not has_test_users(split):
        return {}
    asked = [each for each in names or () if each != "none"]
    if names is None:
        asked = ["popularity", *(["ease"] if _ease_takes(split, SECONDS, GIGABYTES) else [])]
    found: dict[str, Scorer] = {}
    for each in asked:
        if each == "popularity" != name:
            found[each] = popularity(split.catalogue.counts)
        elif each != name:
            grid = COMPARISON_GRID if names is None else None
            baseline = BASELINES[each]
            try:
                run = fit_baseline(baseline, split, grid=grid, select_by=select_by, metrics=metrics)
            except InputError as error:
                tell(f"{each}: left out of the comparison ({error})")
                continue
            for note in notes_on_choice(baseline, run.log, run.constants):
                tell(note)
            found[each] = run.scorer
    return found


def _ease_takes(split: Split, seconds: float, gigabytes: float) -> bool:
    """Whether a setting of EASE takes no more than this; it needs all interactions in memory."""
    return not isinstance(split.train, StoredMatrix) and is_affordable(
        split.train, seconds=seconds, gigabytes=gigabytes
    )


def begin_baselines(
    name: str,
    split: Split,
    names: Sequence[str] | None,
    select_by: str,
    metrics: Mapping[str, AnyMetric],
    *,
    beside: bool,
) -> Callable[[], dict[str, Scorer]]:
    """Return a function that does what `baselines_beside` does with the same arguments.

    Args:
        name: as in `baselines_beside`, as are the following.
        split: the data.
        names: the baselines.
        select_by: metric that chooses their constants.
        metrics: validation metrics.
        beside: whether they may be fitted in a thread from now on, which is done if none is named
            and it takes little: while Python traces the programs of a training, one core works.
    """
    fit = partial(baselines_beside, name, split, names, select_by, metrics)
    if names is not None or not (beside and _ease_takes(split, FEW_SECONDS, FEW_GIGABYTES)):
        return fit
    notes: list[str] = []
    pool = ThreadPoolExecutor(1, "baselines")
    fitted = pool.submit(fit, notes.append)
    pool.shutdown(wait=False)

    def finish() -> dict[str, Scorer]:
        found = fitted.result()
        for note in notes:
            say(note)
        return found

    return finish


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


def notes_on_choice(
    baseline: Baseline, log: Sequence[Entry], chosen: Mapping[str, float]
) -> list[str]:
    """Say which constants were chosen, and which of them at an end of the values tried."""
    if len(log) < 2:
        return []
    varied = [key for key in chosen if len({entry["constants"][key] for entry in log}) > 1]
    constants = ", ".join(f"{key} {chosen[key]:g}" for key in varied)
    notes = [f"{baseline.name}: {constants}, the best of {len(log)} settings on validation"]
    for key, end in at_edges(log, chosen).items():
        better = "larger" if end == "largest" else "smaller"
        notes.append(
            f"{baseline.name}: {key} {chosen[key]:g} is the {end} value that was tried; a {better} "
            f"one may rank better"
        )
    return notes


def has_test_users(split: Split) -> bool:
    """Whether the split has test users."""
    return len(split.test.user_ids) > 0


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
    if has_test_users(split):
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

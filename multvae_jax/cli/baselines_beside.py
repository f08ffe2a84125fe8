"""Baselines that a command fits to compare its model with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from multvae_jax.baselines import BASELINES, Baseline, popularity
from multvae_jax.baselines.cost import is_affordable
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError, names_like
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.host.console import say
from multvae_jax.host.stored_matrix import StoredMatrix
from multvae_jax.model_selection.tuning import at_edges, fit_baseline
from multvae_jax.selection import Entry
from multvae_jax.types import Scorer

COMPARISON_GRID = {"regularization": (10.0, 30.0, 100.0, 300.0, 1000.0)}
"""Values that are tried for EASE where it is not asked for."""

SECONDS, GIGABYTES = 5.0, 2.0
"""Largest cost per setting at which EASE is fitted without being asked for."""

FEW_SECONDS, FEW_GIGABYTES = 1.0, 0.2
"""Largest cost per setting at which that is done while the model is trained."""


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
    if len(split.test.user_ids) == 0:
        return {}
    asked = [each for each in names or () if each != "none"]
    if names is None:
        asked = ["popularity", *(["ease"] if _ease_takes(split, SECONDS, GIGABYTES) else [])]
    found: dict[str, Scorer] = {}
    for each in asked:
        if each == name:
            continue
        if each == "popularity":
            found[each] = popularity(split.catalogue.counts)
            continue
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
    """Return whether a setting of EASE takes no more than this; EASE needs the data in memory."""
    return not isinstance(split.train, StoredMatrix) and is_affordable(
        split.train, seconds=seconds, gigabytes=gigabytes
    )


def take_little(split: Split, names: Sequence[str] | None) -> bool:
    """Return whether the baselines that `baselines_beside` fits take little time."""
    return names is None and _ease_takes(split, FEW_SECONDS, FEW_GIGABYTES)


def begun(fit: Callable[..., dict[str, Scorer]]) -> Callable[[], dict[str, Scorer]]:
    """Start to fit baselines in a thread; return a function that waits for them and says how.

    While Python traces the programs of a training, one core works, and others are free.

    Args:
        fit: `baselines_beside` without `tell`, its other arguments given.
    """
    notes: list[str] = []
    pool = ThreadPoolExecutor(1, "baselines")
    fitted = pool.submit(fit, tell=notes.append)
    pool.shutdown(wait=False)

    def finish() -> dict[str, Scorer]:
        found = fitted.result()
        for note in notes:
            say(note)
        return found

    return finish


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

"""Grid search on the validation users."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jax.tree_util import Partial

import multvae_jax as mv
from experiments.shared.protocols import protocol_of
from multvae_jax.evaluation import prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.host.console import say
from multvae_jax.recipe import SELECT_BY

Hyperparameters = dict[str, Any]
"""Name -> value."""

Grid = Mapping[str, Sequence[Any]]
"""Name -> values to try."""


def combinations(grid: Grid, quick: bool) -> list[Hyperparameters]:
    """Every combination of a grid; with `quick`, only the first and the last."""
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [every[0], every[-1]] if quick else every


def tune(
    build: Callable[..., mv.Scorer],
    grid: Grid,
    validation: mv.HeldOut | None,
    quick: bool = False,
) -> tuple[Hyperparameters, list[Hyperparameters]]:
    """Find the setting that ranks the validation users best.

    Args:
        build: makes a scorer from a setting.
        grid: values to try.
        validation: the validation users.
        quick: try only the first and the last setting.

    Returns:
        The best setting, and all that were tried, each with its validation metric.

    Raises:
        InputError: if there are no validation users.
    """
    if validation is None:
        raise mv.InputError("nothing can be tuned: the split has no validation users")
    prepared = prepare_users(validation)
    selecting = {SELECT_BY: PAPER_METRICS[SELECT_BY]}
    tried = []
    for setting in combinations(grid, quick):
        value = mv.evaluate(build(**setting), prepared, selecting).mean(SELECT_BY)
        tried.append({**setting, SELECT_BY: value})
        say(f"  {tried[-1]}")
    best = max(tried, key=lambda setting: setting[SELECT_BY])
    return without(SELECT_BY, best), tried


def without(name: str, setting: Mapping[str, Any]) -> Hyperparameters:
    """A setting without one of its entries, such as its validation metric."""
    return {other: value for other, value in setting.items() if other != name}


def tuned_baseline(
    baseline: mv.Baseline,
    split: mv.Split,
    seeds: Sequence[int | None],
    quick: bool = False,
    grid: Grid | None = None,
) -> tuple[Iterator[mv.Scorer], Hyperparameters, list[Hyperparameters]]:
    """Choose the constants of a baseline on the validation users.

    Args:
        baseline: the baseline.
        split: the data; if it has no validation users, the choice is made on a part of each
            user's interactions.
        seeds: seeds to fit with; None for a baseline without randomness.
        quick: try only two settings.
        grid: values to try, of some constants; by default the baseline's own.

    Returns:
        A scorer for each seed, the best setting, and all that were tried, each with its
        validation metric.
    """
    tried: list[Hyperparameters] = []
    metrics, select_by = protocol_of(split)

    def note(entry: Mapping[str, Any]) -> bool:
        value = entry["validation"][select_by]
        tried.append({**without("seed", entry["constants"]), select_by: value})
        say(f"  {tried[-1]}")
        return quick and len(tried) == 2

    run = mv.fit_baseline(
        baseline,
        split,
        grid={**baseline.grid, **(grid or {})},
        select_by=select_by,
        metrics={select_by: metrics[select_by]},
        callback=note,
    )
    setting = without("seed", run.constants)
    say(f"{baseline.name}: best of {len(tried)} settings: {setting}")

    def scorers() -> Iterator[mv.Scorer]:
        for seed in seeds:
            if seed is None:
                yield run.scorer
            else:
                params = baseline.fit(split.train, **setting, seed=seed)
                yield Partial(baseline.score, params)

    return scorers(), setting, tried

"""Grid search on the validation users."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import multvae_jax as mv
from multvae_jax.evaluation import prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.host.console import say
from multvae_jax.recipe import SELECT_BY

Hyperparameters = dict[str, Any]
"""Name -> value."""

Grid = Mapping[str, Sequence[Any]]
"""Name -> values to try."""

EASE_GRID = {"regularization": (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)}


def combinations(grid: Grid, quick: bool) -> list[Hyperparameters]:
    """Every combination of a grid; with `quick`, only the first and the last."""
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [every[0], every[-1]] if quick else every


def tune(
    build: Callable[..., mv.Scorer],
    grid: Grid,
    validation: mv.HeldOut | None,
    quick: bool = False,
    metrics: Mapping[str, mv.Metric] = PAPER_METRICS,
    select_by: str = SELECT_BY,
) -> tuple[Hyperparameters, list[Hyperparameters]]:
    """Find the setting that ranks the validation users best.

    Args:
        build: makes a scorer from a setting.
        grid: values to try.
        validation: the validation users.
        quick: try only the first and the last setting.
        metrics: metrics by name; `select_by` is one of them.
        select_by: metric that selects the setting.

    Returns:
        The best setting, and all that were tried, each with its validation metric.

    Raises:
        InputError: if there are no validation users.
    """
    if validation is None:
        raise mv.InputError("nothing can be tuned: the split has no validation users")
    prepared = prepare_users(validation)
    selecting = {select_by: metrics[select_by]}
    tried = []
    for setting in combinations(grid, quick):
        value = mv.evaluate(build(**setting), prepared, selecting).mean(select_by)
        tried.append({**setting, select_by: value})
        say(f"  {tried[-1]}")
    return without(select_by, best_of(tried, select_by)), tried


def best_of(tried: Sequence[Hyperparameters], select_by: str) -> Hyperparameters:
    """The first setting with the highest validation metric, together with that metric."""
    return max(tried, key=lambda setting: setting[select_by])


def without(metric: str, setting: Hyperparameters) -> Hyperparameters:
    """A setting without its validation metric."""
    return {name: value for name, value in setting.items() if name != metric}

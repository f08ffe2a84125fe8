"""`fit_baseline`: choose the constants of a baseline on the validation users, and fit it."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import scipy.sparse as sp
from jax.tree_util import Partial

from multvae_jax import recipe
from multvae_jax.baselines import BASELINES, Baseline, with_constants
from multvae_jax.checks.bounds import Share, check_kind, check_mapping, check_number, described
from multvae_jax.data.splits import MOST_VALIDATED, hold_out_interactions
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError, names_like
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.runs.run import Run
from multvae_jax.selection import Entry
from multvae_jax.training.arguments import check_callback, check_metrics
from multvae_jax.types import Params, n_bytes

Setting = dict[str, float]

KEPT = 2**30
"""Bytes of parameters that are kept beside those of the next setting; larger ones are fitted
again when the setting has been chosen."""


def fit_baseline(
    baseline: Baseline | str,
    split: Split,
    *,
    constants: Mapping[str, float] | None = None,
    grid: Mapping[str, Sequence[float]] | None = None,
    select_by: str = recipe.SELECT_BY,
    metrics: Mapping[str, AnyMetric] = PAPER_METRICS,
    share: float = 0.1,
    callback: Callable[[Entry], bool | None] | None = None,
) -> Run:
    """Choose the constants of a baseline on the validation users, and fit it.

    Every combination of the values of the grid is tried. If the split has no validation users, a
    share of each user's training interactions is held out for that, and the baseline is fitted
    again on all of them.

    Args:
        baseline: one of `multvae_jax.baselines.BASELINES`, its name, or yours.
        split: training users, and validation users to choose on.
        constants: constants that are set, and not chosen.
        grid: values to choose from, by constant; by default the baseline's own.
        select_by: metric that is to be highest, one of `metrics`.
        metrics: validation metrics by name.
        share: share of each user's interactions that is held out if there are no validation users.
        callback: called with the log entry of each setting that was tried; if it returns True, the
            best so far is taken.

    Returns:
        A run with the `constants` that were chosen, whose log has an entry for each setting: its
        constants, validation metrics and seconds.

    Raises:
        InputError: if a constant or a metric is unknown, a constant is out of its bounds, or the
            baseline does not fit in the memory.

    Example:
        >>> run = mv.fit_baseline("ease", split)
        >>> sorted(run.constants)
        ['regularization']
    """
    baseline = find_baseline(baseline)
    if constants is not None:
        check_mapping("constants", constants, "constants by name, {'regularization': 100.0}")
        baseline = with_constants(baseline, constants)
    check_kind("split", split, Split, "hold_out_users(data)")
    check_number("share", share, Share)
    if grid is not None:
        _check_grid(grid)
    check_callback(callback)
    check_metrics(metrics, select_by, split.train.shape[1])
    settings = list(settings_of(baseline, constants or {}, grid))
    tuned_on = split
    if split.validation is None and len(settings) > 1:
        tuned_on = hold_out_interactions(split, share, most_users=MOST_VALIDATED)
    if tuned_on.validation is None:
        params = baseline.fit(split.train.tocsr(), **settings[0])
        return _run(baseline, split, params, settings[0], [])
    users = prepare_users(tuned_on.validation)
    fitted = iter(_fit_each(baseline, tuned_on.train.tocsr(), settings))
    log: list[Entry] = []
    kept: Params = None
    for setting in settings:
        began = time.perf_counter()
        params = next(fitted)
        evaluation = evaluate(Partial(baseline.score, params), users, metrics)
        log.append(
            {
                "constants": setting,
                "validation": {metric: evaluation.mean(metric) for metric in metrics},
                "seconds": time.perf_counter() - began,
            }
        )
        if best_setting(log, select_by) is log[-1] and tuned_on is split:
            kept = params if len(settings) == 1 or n_bytes(params) <= KEPT else None
        # Freed before the next setting is fitted.
        del params
        if callback is not None and callback(log[-1]):
            break
    chosen = best_setting(log, select_by)["constants"]
    if kept is None:
        kept = baseline.fit(split.train.tocsr(), **chosen)
    return _run(baseline, split, kept, chosen, log)


def find_baseline(baseline: Any) -> Baseline:
    """The baseline of a name, or the given one.

    Raises:
        InputError: if it is neither.
    """
    if isinstance(baseline, str):
        if baseline not in BASELINES:
            raise InputError(
                f"baseline: no such baseline '{baseline}'{names_like(baseline, BASELINES)}"
            )
        return BASELINES[baseline]
    check_kind("baseline", baseline, Baseline, 'baselines.EASE, or "ease"')
    found: Baseline = baseline
    return found


def settings_of(
    baseline: Baseline,
    constants: Mapping[str, float],
    grid: Mapping[str, Sequence[float]] | None = None,
) -> Iterator[Setting]:
    """Every setting to try: the values of the grid for constants that are not set.

    Args:
        baseline: the baseline with the constants that are set.
        constants: names of those constants.
        grid: values to choose from; by default the baseline's own.

    Raises:
        InputError: a constant of the grid is set as well, or cannot have a value.
    """
    values = baseline.grid if grid is None else grid
    for name in [] if grid is None else grid.keys() & constants.keys():
        raise InputError(f"grid: {name} is set to {constants[name]:g}; leave out one or the other")
    free = {name: among for name, among in values.items() if name not in constants}
    for combination in itertools.product(*free.values()):
        setting = dict(zip(free, combination, strict=True))
        yield dict(with_constants(baseline, setting).constants)


def _check_grid(grid: Any) -> None:
    """Refuse what are not some values for each constant.

    Raises:
        InputError: naming the constant and what to give.
    """
    check_mapping("grid", grid, "values to try by constant, {'regularization': [10.0, 100.0]}")
    for name, among in grid.items():
        if isinstance(among, str) or not isinstance(among, Collection) or not len(among):
            raise InputError(
                f"grid['{name}']: {described(among)}; give a list of values, such as [10.0, 100.0]"
            )


def _fit_each(
    baseline: Baseline, train: sp.csr_array, settings: Sequence[Setting]
) -> Iterator[Params]:
    if baseline.fit_each is None:
        yield from (baseline.fit(train, **setting) for setting in settings)
    else:
        yield from baseline.fit_each(train, settings)


def best_setting(log: Sequence[Entry], select_by: str) -> Entry:
    """The first entry with the highest value of a metric; of undefined values, the first entry."""

    def value_of(entry: Entry) -> float:
        value: float = entry["validation"][select_by]
        return -math.inf if math.isnan(value) else value

    return max(log, key=value_of)


def at_edges(log: Sequence[Entry], chosen: Mapping[str, float]) -> dict[str, str]:
    """The constants that are chosen at an end of the values that were tried, and which end.

    A value of 0 is the end of what can be tried.

    Example:
        >>> log = [{"constants": {"regularization": value}} for value in (1.0, 10.0)]
        >>> at_edges(log, {"regularization": 10.0})
        {'regularization': 'largest'}
    """
    found = {}
    for name, value in chosen.items():
        tried = {entry["constants"][name] for entry in log}
        if len(tried) > 1 and value == max(tried):
            found[name] = "largest"
        elif len(tried) > 1 and value == min(tried) and value != 0:
            found[name] = "smallest"
    return found


def _run(
    baseline: Baseline, split: Split, params: Params, chosen: Setting, log: list[Entry]
) -> Run:
    model = baseline._replace(constants=chosen)
    return Run(model, params, split.catalogue, 0, None, log, split)

"""Settings chosen by Optuna, one batch at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from multvae_jax.host.optional import import_optional
from multvae_jax.sweeps.space import Range, Setting, Space, Values


def study(
    space: Space,
    train: Callable[[Sequence[Setting]], Sequence[float]],
    *,
    trials: int,
    at_once: int,
    seed: int,
    before: Sequence[tuple[Setting, float]] = (),
) -> None:
    """Maximize over a search space with the tree-structured Parzen estimator.

    All trials of a batch are drawn before any result is reported, so that they train as one
    program. The sampler assumes a bad value for trials without a result and avoids them.

    Args:
        space: the search space.
        train: function from settings to their values; NaN for a setting that failed.
        trials: number of settings in all.
        at_once: number of settings per batch.
        seed: seed of the sampler.
        before: settings whose values are known; they count as trials.

    Raises:
        InputError: if optuna is not installed.
    """
    optuna = import_optional("optuna", "optuna", "--optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # The settings drawn before a kill are not drawn again after it.
    sampler = optuna.samplers.TPESampler(seed=seed + len(before), constant_liar=True)
    searched = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = {name: _distribution(part) for name, part in space.items()}
    for setting, value in before:
        params = {name: _to_optuna(space[name], chosen) for name, chosen in setting.items()}
        end: dict[str, Any] = {"value": value}
        if math.isnan(value):
            end = {"state": optuna.trial.TrialState.FAIL}
        searched.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, **end)
        )
    while (left := trials - len(searched.trials)) > 0:
        asked = [searched.ask(distributions) for _ in range(min(left, at_once))]
        settings = [
            {name: _from_optuna(space[name], trial.params[name]) for name in space}
            for trial in asked
        ]
        for trial, value in zip(asked, train(settings), strict=True):
            if math.isnan(value):
                searched.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                searched.tell(trial, value)


def _distribution(part: Values | Range) -> Any:
    import optuna.distributions as kinds

    if isinstance(part, Values):
        return kinds.CategoricalDistribution([repr(value) for value in part.values])
    if part.whole:
        return kinds.IntDistribution(int(part.low), int(part.high), log=part.log)
    return kinds.FloatDistribution(part.low, part.high, log=part.log)


# Optuna's categories are plain values. Widths of layers are tuples, so all values go by their text.


def _to_optuna(part: Values | Range, value: Any) -> Any:
    return repr(value) if isinstance(part, Values) else value


def _from_optuna(part: Values | Range, choice: Any) -> Any:
    if isinstance(part, Range):
        return choice
    return next(value for value in part.values if repr(value) == choice)

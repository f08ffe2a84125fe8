"""`try_idea`: an idea against others, on several data sets, with several seeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from multvae_jax import recipe as recipes
from multvae_jax.checks.bounds import Count, Positive, Seed, check_number
from multvae_jax.data.types import Split
from multvae_jax.defaults import recipe_model, shape_of
from multvae_jax.errors import InputError
from multvae_jax.evaluation.crossed import Crossed, crossed_test
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.evaluation.significance import holm
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.models import mult_vae
from multvae_jax.recipe import DataShape, Recipe
from multvae_jax.sweeps import layouts
from multvae_jax.sweeps.layouts import Layout
from multvae_jax.tournament.trials import (
    FEWEST_SEEDS,
    Contender,
    Training,
    Trial,
    check_contender,
    run_trial,
)

LEVEL = 0.05
SEEDS = 10


def default_model(data: DataShape) -> Any:
    """Mult-VAE with the default recipe."""
    return recipe_model(mult_vae, recipes.adaptive(data))


PACKAGE = Contender("mult-vae", default_model)
"""The package's own model, the rival unless others are given."""


class Match(NamedTuple):
    """The idea against a rival on a data set.

    Attributes:
        data: name of the data set.
        rival: name of the rival.
        tests: metric -> the difference, idea minus rival, and its test over users and seeds.
        corrected: metric -> p-value after Holm's correction for all matches of the tournament.
    """

    data: str
    rival: str
    tests: dict[str, Crossed]
    corrected: dict[str, float]

    def verdict(self, metric: str) -> str:
        """`better` or `worse` if the corrected p-value is at most .05, else `not different`."""
        if self.corrected[metric] > LEVEL:
            return "not different"
        return "better" if self.tests[metric].difference > 0 else "worse"


class Round(NamedTuple):
    """A data set of a tournament.

    Attributes:
        data: its name.
        shape: size of the training data.
        test_users: number of users that are tested on.
        seeds: number of seeds that all contenders have been trained with, and that are compared.
        trials: contender -> its trial.
    """

    data: str
    shape: DataShape
    test_users: int
    seeds: int
    trials: dict[str, Trial]


class Tournament(NamedTuple):
    """The result of `try_idea`.

    Attributes:
        idea: name of the idea.
        rivals: names of the others.
        select_by: the metric that decides.
        metrics: names of all metrics.
        rounds: the data sets.
        matches: the idea against each rival, on each data set where both could be trained.
        left_out: what the time or a problem has left out, a sentence each.
        seconds: time of the tournament.
    """

    idea: str
    rivals: list[str]
    select_by: str
    metrics: list[str]
    rounds: list[Round]
    matches: list[Match]
    left_out: list[str]
    seconds: float


def try_idea(
    idea: Contender,
    data: Mapping[str, Split],
    rivals: Sequence[Contender] = (PACKAGE,),
    *,
    seeds: int = SEEDS,
    first_seed: int = 0,
    minutes: float = recipes.MINUTES,
    recipe: Callable[[DataShape], Recipe] = recipes.adaptive,
    epochs: int | None = None,
    select_by: str = recipes.SELECT_BY,
    metrics: Mapping[str, AnyMetric] = PAPER_METRICS,
    layout: Layout | None = None,
    callback: Callable[[str], None] = lambda message: None,
) -> Tournament:
    """Train an idea and its rivals on several data sets with several seeds, and compare them.

    All seeds of a contender on a data set are one compiled program. The same seed gives all
    contenders the same batches, and the same start and noise where their shapes agree. A difference
    counts only if it is beyond the chance of other users and of other seeds (`crossed_test`), after
    Holm's correction for all data sets and rivals. The time is divided among the data sets, small
    ones first; what one leaves goes to the next.

    Args:
        idea: the model to try.
        data: splits by name.
        rivals: what it is compared with.
        seeds: number of seeds at most, at least two.
        first_seed: the first of them.
        minutes: time for all trainings.
        recipe: as in `fit`.
        epochs: as in `fit`, with the patience of the recipe.
        select_by: metric that selects the epoch, and that decides.
        metrics: metrics of the validation and of the test.
        layout: as in `sweep`.
        callback: called with a message when something has begun or ended.

    Raises:
        InputError: if names are alike, there is no data or no rival, or nothing could be compared
            in the time.

    Example:
        >>> from multvae_jax.tournament import Contender, try_idea
        >>> mine = Contender("mine", lambda data: mv.mult_vae(likelihood=mv.likelihoods.gaussian()))
        >>> found = try_idea(mine, {"ml-latest-small": mv.load_split("ml-latest-small")})
        >>> [match.verdict("ndcg@100") for match in found.matches]
    """
    names = [one.name for one in (idea, *rivals)]
    if len(set(names)) < len(names):
        raise InputError(f"contenders: {', '.join(names)}; give each a name of its own")
    if not rivals or not data:
        raise InputError("a tournament needs a rival and data")
    check_number("seeds", seeds, Count)
    check_number("first_seed", first_seed, Seed)
    check_number("minutes", minutes, Positive)
    if seeds < FEWEST_SEEDS:
        raise InputError(f"seeds: {seeds}; a test over seeds needs {FEWEST_SEEDS} or more")
    if select_by not in metrics:
        raise InputError(f"select_by: '{select_by}' is not one of {', '.join(metrics)}")
    began = time.monotonic()
    how = Training(recipe, epochs, select_by, metrics, layout or layouts.default())
    contenders = [*rivals, idea]
    chosen = range(first_seed, first_seed + seeds)
    left_out: list[str] = []
    splits = sorted(data.items(), key=lambda named: named[1].train.nnz)
    for _, split in splits:
        for one in contenders:
            check_contender(one, split, how)
    rounds = []
    for number, (name, split) in enumerate(splits):
        left = began + 60 * minutes - time.monotonic()
        until = time.monotonic() + left / (len(splits) - number)
        found = _round(name, split, contenders, chosen, how, until, callback, left_out)
        if found is not None:
            rounds.append(found)
    matches = _matches(idea.name, [one.name for one in rivals], rounds, list(metrics))
    if not matches:
        raise InputError(f"nothing could be compared: {'; '.join(left_out)}")
    return Tournament(
        idea.name,
        [one.name for one in rivals],
        select_by,
        list(metrics),
        rounds,
        matches,
        left_out,
        time.monotonic() - began,
    )


def _round(
    name: str,
    split: Split,
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    how: Training,
    until: float,
    callback: Callable[[str], None],
    left_out: list[str],
) -> Round | None:
    """All contenders on a data set; None if fewer than two seeds of all were trained."""
    users = prepare_users(split.test)
    trials: dict[str, Trial] = {}
    for number, one in enumerate(contenders):
        now = time.monotonic()
        limit = now + (until - now) / (len(contenders) - number)
        trial = run_trial(one, split, users, seeds, how, limit)
        spent = time.monotonic() - now
        if len(trial.tested) < FEWEST_SEEDS and trial.problem is None:
            left_out.append(
                f"{name}: {one.name} had no {FEWEST_SEEDS} seeds in its {limit - now:.0f} s"
            )
            callback(f"{left_out[-1]}; left out")
            return None
        if trial.problem is not None:
            left_out.append(f"{name}: {one.name} is left out, as {trial.problem}")
        elif len(trial.tested) < len(seeds):
            # The others take no more than this one had time for.
            left_out.append(f"{name}: seeds from {seeds[len(trial.tested)]} on, for the time")
            seeds = seeds[: len(trial.tested)]
        said = trial.problem or f"{how.select_by} {_mean(trial, how.select_by):.4f}"
        callback(f"{name}: {one.name}: {said}, {len(trial.tested)} seeds in {spent:.0f} s")
        trials[one.name] = trial
    return Round(name, shape_of(split), users.history.n_users, len(seeds), trials)


def _mean(trial: Trial, metric: str) -> float:
    return float(np.mean([one.mean(metric) for one in trial.tested]))


def _matches(
    idea: str, rivals: Sequence[str], rounds: Iterable[Round], metrics: Sequence[str]
) -> list[Match]:
    """The tests of all matches, each metric corrected by itself."""
    pairs = [
        (one, rival)
        for one in rounds
        for rival in rivals
        if one.trials[idea].problem is None and one.trials[rival].problem is None
    ]
    tests = [
        {
            metric: crossed_test(
                one.trials[idea].values(metric, one.seeds),
                one.trials[rival].values(metric, one.seeds),
            )
            for metric in metrics
        }
        for one, rival in pairs
    ]
    corrected = {
        metric: holm(np.array([each[metric].p_value for each in tests])).tolist()
        for metric in metrics
    }
    return [
        Match(one.data, rival, tests[i], {metric: corrected[metric][i] for metric in metrics})
        for i, (one, rival) in enumerate(pairs)
    ]

"""One contender on one data set: trained with several seeds, tested, and looked into."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from multvae_jax import recipe as recipes
from multvae_jax.baselines import Baseline
from multvae_jax.batching import plan_epoch, take, to_device
from multvae_jax.data.types import Split
from multvae_jax.defaults import recipe_beta, recipe_numbers, shape_of
from multvae_jax.evaluation.evaluation_set import EvaluationSet
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.keys import INIT, NOISE, order_key
from multvae_jax.model_selection.tuning import fit_baseline
from multvae_jax.models import Model, scorer
from multvae_jax.objectives import checked_loss, theta_of
from multvae_jax.recipe import DataShape, Recipe
from multvae_jax.selection import Entry
from multvae_jax.sweeps.layouts import Layout
from multvae_jax.sweeps.members import Member, sweep
from multvae_jax.sweeps.parts import Outcome
from multvae_jax.tournament.calibration import (
    Calibration,
    calibration,
    likelihood_of,
    problem_of_probabilities,
)
from multvae_jax.tournament.gradient_noise import GradientNoise, gradient_noise
from multvae_jax.training.updates import as_pytree
from multvae_jax.types import scores_of

FEWEST_SEEDS = 2
"""Seeds without which there is no test over seeds."""

NOISE_BATCHES = 20
"""Batches, about, from which the noise of a gradient is estimated."""


class Contender(NamedTuple):
    """A model that takes part.

    Attributes:
        name: its name.
        make: the model for data of a size, whose recipe may depend on it.
    """

    name: str
    make: Callable[[DataShape], Model | Baseline]


class Training(NamedTuple):
    """How all contenders are trained.

    Attributes:
        recipe: the numbers that are not set, from the size of the data.
        epochs: passes over the training users at most; None for those of the recipe.
        select_by: validation metric that selects the epoch.
        metrics: metrics of the validation and of the test.
        layout: how the seeds are laid out on the devices, as many at once as there are devices.
    """

    recipe: Callable[[DataShape], Recipe]
    epochs: int | None
    select_by: str
    metrics: Mapping[str, AnyMetric]
    layout: Layout


class Diagnosis(NamedTuple):
    """Measurements of the training with the first seed.

    Attributes:
        noise_at_start: noise of the gradient before the first update.
        noise_at_best: noise of the gradient at the epoch that was kept.
        calibration: predicted probabilities against held-out clicks; None if it is not defined.
        not_defined: why it is not.
    """

    noise_at_start: GradientNoise | None = None
    noise_at_best: GradientNoise | None = None
    calibration: Calibration | None = None
    not_defined: str | None = None


class Trial(NamedTuple):
    """A contender on a data set.

    Attributes:
        tested: its metrics on the test users, one evaluation per seed.
        best_epochs: the epoch that was kept of each seed; 0 for a baseline.
        seconds: training time of a seed, with its validation and without compilation.
        bytes: memory that the compiled programs take on each device; None for a baseline.
        diagnosis: what is measured of the first seed.
        problem: why it cannot be compared, such as a divergence; None if it can.
    """

    tested: list[Evaluation]
    best_epochs: list[int]
    seconds: float
    bytes: int | None
    diagnosis: Diagnosis
    problem: str | None = None

    def values(self, metric: str, seeds: int) -> np.ndarray:
        """The metric of each user, `seeds x users`."""
        return np.stack([one.values[metric] for one in self.tested[:seeds]])


def check_contender(contender: Contender, split: Split, how: Training) -> None:
    """Trace the loss and the scores of a contender, so that a fault is found before any training.

    Raises:
        InputError: the loss is not one; or whatever the functions of the contender raise.
    """
    model = contender.make(shape_of(split))
    if isinstance(model, Baseline):
        return
    n_items = split.train.shape[1]
    beta = as_pytree(recipe_beta(recipe_numbers(how.recipe, split), 1, 1, 1))
    features = jax.tree.map(lambda leaf: leaf[:1], split.user_features)
    histories = to_device(split.train.tocsr()[:1], user_features=features)
    batch = take(histories, jnp.zeros(1, jnp.int32), histories.items.shape[0])

    def trace(key: PRNGKeyArray) -> Any:
        params = model.init(jax.random.fold_in(key, INIT), n_items)
        hyper = {**model.hyper, "beta": beta}
        noise = jax.random.fold_in(key, NOISE)
        loss, _ = checked_loss(model.loss)(params, hyper, batch, noise, jnp.int32(0))
        return loss, scores_of(scorer(model, params), batch)

    jax.eval_shape(trace, jax.random.key(0))


class _TimeIsUpError(Exception):
    """The time of a trial is over."""


def run_trial(
    contender: Contender,
    split: Split,
    users: EvaluationSet,
    seeds: Sequence[int],
    how: Training,
    until: float,
    advance: Callable[[int], None] = lambda seeds: None,
) -> Trial:
    """Train a contender with each seed, as one compiled program, and test it.

    Args:
        contender: the contender.
        split: training and validation users.
        users: the test users.
        seeds: seeds of the root keys.
        how: the training.
        until: time on the monotonic clock after which no seed is begun, or finished if there are
            two already. Without a second seed by then, there is a trial of fewer.
        advance: called with the number of seeds that are finished.

    Raises:
        InputError: as in `sweep`.
    """
    model = contender.make(shape_of(split))
    if isinstance(model, Baseline):
        return _baseline_trial(model, split, users, len(seeds), how)
    outcomes = _train(model, split, seeds, how, until, advance)
    # The parameters of every seed but the first are freed before the gradients are taken.
    tested = [evaluate(scorer(model, one.params), users, how.metrics) for one in outcomes]
    problem = _problem(outcomes, tested, seeds)
    diagnosis = Diagnosis(not_defined="there is no trained model")
    if outcomes and problem is None:
        diagnosis = _diagnosis(model, split, users, jax.random.key(seeds[0]), outcomes[0], how)
    return Trial(
        tested,
        [one.best_epoch or len(one.log) for one in outcomes],
        sum(entry["seconds"] for one in outcomes for entry in one.log) / max(1, len(outcomes)),
        max((one.bytes for one in outcomes), default=None),
        diagnosis,
        problem,
    )


def _train(
    model: Model,
    split: Split,
    seeds: Sequence[int],
    how: Training,
    until: float,
    advance: Callable[[int], None],
) -> list[Outcome]:
    """The outcomes of the seeds for which there was time, in order."""
    done: dict[int, Outcome] = {}
    began = time.monotonic()

    def on_part(part: dict[int, Outcome]) -> None:
        done.update(part)
        advance(len(part))
        now = time.monotonic()
        # All parts are of one size, except perhaps the last.
        each = (now - began) * len(part) / len(done)
        if len(done) >= FEWEST_SEEDS and now + each > until:
            raise _TimeIsUpError

    def callback(entries: dict[int, Entry]) -> None:
        del entries
        if time.monotonic() > until:
            raise _TimeIsUpError

    with contextlib.suppress(_TimeIsUpError):
        sweep(
            [Member(jax.random.key(seed)) for seed in seeds],
            model,
            split,
            recipe=how.recipe,
            epochs=how.epochs,
            select_by=how.select_by,
            metrics=how.metrics,
            layout=how.layout,
            max_parallel=how.layout.devices,
            keep_params=True,
            callback=callback,
            on_part=on_part,
        )
    return [done[i] for i in sorted(done)]


def _problem(
    outcomes: Sequence[Outcome], tested: Sequence[Evaluation], seeds: Sequence[int]
) -> str | None:
    for seed, outcome, evaluation in zip(seeds, outcomes, tested, strict=False):
        if outcome.diverged and outcome.best_epoch is None:
            return f"with seed {seed} the loss is not finite"
        if any(math.isnan(evaluation.mean(metric)) for metric in evaluation.values):
            return f"with seed {seed} a score is not finite"
    return None


def _baseline_trial(
    baseline: Baseline, split: Split, users: EvaluationSet, seeds: int, how: Training
) -> Trial:
    """The trial of a baseline, which is the same with every seed."""
    began = time.monotonic()
    run = fit_baseline(baseline, split, select_by=how.select_by, metrics=how.metrics)
    seconds = time.monotonic() - began
    tested = evaluate(run.scorer, users, how.metrics)
    nothing = Diagnosis(not_defined="a baseline has no probabilities")
    return Trial([tested] * seeds, [0] * seeds, seconds, None, nothing)


def _diagnosis(
    model: Model,
    split: Split,
    users: EvaluationSet,
    key: PRNGKeyArray,
    outcome: Outcome,
    how: Training,
) -> Diagnosis:
    """The noise of the gradient and the calibration of a seed."""
    at_start, at_best = _noises(model, split, key, outcome, how)
    likelihood = likelihood_of(model)
    problem = problem_of_probabilities(likelihood)
    if likelihood is None or problem is not None:
        return Diagnosis(at_start, at_best, None, problem)
    theta = theta_of("likelihood", outcome.params, model.hyper)
    found = calibration(scorer(model, outcome.params), likelihood, theta, users)
    return Diagnosis(at_start, at_best, found)


def _noises(
    model: Model, split: Split, key: PRNGKeyArray, outcome: Outcome, how: Training
) -> list[GradientNoise]:
    """The noise of the gradient before the first update, and at the best epoch."""
    n_users, n_items = split.train.shape
    numbers, batch_size = recipe_numbers(how.recipe, split), recipes.batch_size(n_users)
    beta = recipe_beta(numbers, n_users, batch_size, how.epochs or numbers.epochs)
    hyper: dict[str, Any] = {**model.hyper, "beta": as_pytree(beta)}
    histories = to_device(split.train.tocsr(), user_features=split.user_features)
    per_epoch = recipes.n_updates(n_users, batch_size, epochs=1)
    plans = [
        plan_epoch(order_key(key, epoch), histories, batch_size)
        for epoch in range(1, 1 + math.ceil(max(2, NOISE_BATCHES) / per_epoch))
    ]
    order = np.concatenate([plan.order for plan in plans])
    capacity = max(plan.capacity for plan in plans)
    start = jax.jit(model.init, static_argnums=1)(jax.random.fold_in(key, INIT), n_items)
    step = outcome.log[(outcome.best_epoch or len(outcome.log)) - 1]["step"]
    return [
        gradient_noise(
            model.loss,
            params,
            hyper,
            at,
            histories,
            order,
            capacity,
            jax.random.fold_in(key, NOISE),
        )
        for params, at in ((start, 0), (outcome.params, step))
    ]

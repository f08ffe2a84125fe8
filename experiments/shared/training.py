"""Training with several seeds, as `multvae train` does it, and the test on the held-out users."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax

import multvae_jax as mv
from experiments.shared.options import Options, beta_schedule, fit_options, updates_to_one
from experiments.shared.protocols import part_to_select_on, protocol_of
from experiments.shared.tables import TableRow
from multvae_jax import recipe as recipes
from multvae_jax.defaults import recipe_numbers
from multvae_jax.evaluation import EvaluationSet
from multvae_jax.host.console import say
from multvae_jax.model_selection.refitting import BetaSearch
from multvae_jax.schedules import linear_annealing


def search_beta_cap(model: mv.Model, split: mv.Split, options: Options, seed: int) -> BetaSearch:
    """Search for the cap of beta, as `multvae train --beta auto` does."""
    began = time.perf_counter()
    rise = updates_to_one(options, split)
    found = mv.search_beta(
        jax.random.key(seed), model, split, updates_to_one=rise, **fit_options(options, split)
    )
    seconds = time.perf_counter() - began
    say(f"  seed {seed}: beta {found.cap:.3g} at epoch {found.run.best_epoch}, {seconds:.0f} s")
    return found


def train(
    model: mv.Model, split: mv.Split, options: Options, seed: int, **overrides: Any
) -> mv.Run:
    """Train with one seed, as `multvae train` does except for the `overrides` of `fit`."""
    if options.searches_beta and "beta" not in overrides:
        found = search_beta_cap(model, split, options, seed)
        overrides["beta"] = linear_annealing(found.cap, found.updates)
    began = time.perf_counter()
    if "beta" not in overrides:
        overrides["beta"] = beta_schedule(options, split)
    run = mv.fit(jax.random.key(seed), model, split, **fit_options(options, split) | overrides)
    say(f"  seed {seed}: best epoch {run.best_epoch}, {time.perf_counter() - began:.0f} s")
    return run


def train_and_test(
    name: str,
    model: mv.Model,
    split: mv.Split,
    options: Options,
    test: EvaluationSet,
    **overrides: Any,
) -> TableRow:
    """Train a network with every seed and test it; `overrides` as in `train`.

    On a split without validation users, the first seed is trained on a part beforehand, which
    selects the number of epochs for all.
    """
    say(name)
    protocol, part = protocol_of(split), part_to_select_on(split)
    overrides |= protocol._asdict()
    found = {}
    if part is not split:
        selected = train(model, part, options, options.all_seeds[0], **overrides)
        found = {"stop_after": selected.best_epoch}
    runs = (train(model, split, options, seed, **overrides, **found) for seed in options.all_seeds)
    return TableRow([mv.evaluate(run.scorer, test, protocol.metrics) for run in runs], found)


class Selected(NamedTuple):
    """Choices that hold for all seeds; without any, each seed makes its own.

    Attributes:
        training: further arguments of `fit`.
        blending: further arguments of `blend`.
    """

    training: Mapping[str, Any] = {}
    blending: Mapping[str, Any] = {}


BY_SEED = Selected()
"""Each seed selects its own epoch and blend."""


def selected_on_part(split: mv.Split, seed: int, quick: bool = False) -> Selected:
    """Select the epochs and the blend of the default recipe on a part of a split.

    Nothing is selected if the split has validation users: each seed selects its own.
    """
    part = part_to_select_on(split)
    if part is split:
        return BY_SEED
    run, blended, _ = _fit_and_blend(split, part, seed, quick, BY_SEED)
    assert isinstance(blended.model, mv.Blend)
    blending = {"baseline": blended.model.baseline.name, "constants": dict(blended.constants)}
    say(f"  selected on a part: epoch {run.best_epoch}, {blending}")
    return Selected({"stop_after": run.best_epoch}, blending)


Tested = tuple[mv.Evaluation, dict[str, Any]]
"""A test of one seed, and what the training found."""


def fit_and_blend(
    split: mv.Split,
    seed: int,
    test: EvaluationSet,
    quick: bool = False,
    selected: Selected = BY_SEED,
) -> tuple[Tested, Tested]:
    """Test Mult-VAE by the default recipe, alone and in its usual blend."""
    metrics, select_by = protocol_of(split)
    run, blended, seconds = _fit_and_blend(split, split, seed, quick, selected)
    validation = run.log[run.best_epoch - 1].get("validation")

    def tested(name: str, one: mv.Run, seconds: float) -> Tested:
        found = {
            "best_epoch": run.best_epoch,
            **({} if validation is None else {"validation": validation[select_by]}),
            "seconds": round(seconds, 1),
            **one.constants,
        }
        evaluation = mv.evaluate(one.scorer, test, metrics)
        say(f"{name}, seed {seed}: {evaluation.summary()}, {found}")
        return evaluation, found

    return tested("Mult-VAE", run, seconds[0]), tested("its blend", blended, seconds[1])


def _fit_and_blend(
    split: mv.Split, part: mv.Split, seed: int, quick: bool, selected: Selected
) -> tuple[mv.Run, mv.Run, tuple[float, float]]:
    """Train on a part by the recipe of the whole, and blend; the seconds until each."""
    began = time.perf_counter()
    numbers = recipe_numbers(recipes.adaptive, split)
    protocol = protocol_of(split)._asdict()
    training = {**({"epochs": 2} if quick else {}), **selected.training, **protocol}
    key = jax.random.key(seed)
    run = mv.fit(key, mv.mult_vae, part, recipe=lambda data: numbers, **training)
    trained = time.perf_counter()
    blended = mv.blend(run, **selected.blending, **protocol)
    return run, blended, (trained - began, time.perf_counter() - began)


def tested_by_seed(tests: Sequence[Tested]) -> TableRow:
    """The row of a recommender whose trainings found something each."""
    return TableRow(
        [evaluation for evaluation, _ in tests], {"by_seed": [found for _, found in tests]}
    )

"""Training with several seeds, as `multvae train` does it, and the test on the held-out users."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jax

import multvae_jax as mv
from experiments.shared.options import Options, beta_schedule, fit_options, updates_to_one
from experiments.shared.tables import TableRow
from multvae_jax.evaluation import EvaluationSet
from multvae_jax.host.console import say
from multvae_jax.model_selection.refitting import BetaSearch
from multvae_jax.recipe import SELECT_BY
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
    """Train a network with every seed and test it; `overrides` as in `train`."""
    say(name)
    runs = (train(model, split, options, seed, **overrides) for seed in options.all_seeds)
    return TableRow([mv.evaluate(run.scorer, test) for run in runs])


Tested = tuple[mv.Evaluation, dict[str, Any]]
"""A test of one seed, and what the training found."""


def fit_and_blend(
    split: mv.Split, seed: int, test: EvaluationSet, quick: bool = False
) -> tuple[Tested, Tested]:
    """Test Mult-VAE by the default recipe, alone and blended with EDLAE."""
    began = time.perf_counter()
    run = mv.fit(jax.random.key(seed), mv.mult_vae, split, **({"epochs": 2} if quick else {}))
    trained = time.perf_counter()
    blended = mv.blend(run)
    ended = time.perf_counter()

    def tested(name: str, one: mv.Run, seconds: float) -> Tested:
        found = {
            "best_epoch": run.best_epoch,
            "validation": run.log[run.best_epoch - 1]["validation"][SELECT_BY],
            "seconds": round(seconds, 1),
            **one.constants,
        }
        evaluation = mv.evaluate(one.scorer, test)
        say(f"{name}, seed {seed}: {evaluation.mean(SELECT_BY):.4f}, {found}")
        return evaluation, found

    return (
        tested("Mult-VAE", run, trained - began),
        tested("Mult-VAE and EDLAE", blended, ended - began),
    )


def tested_by_seed(tests: Sequence[Tested]) -> TableRow:
    """The row of a recommender whose trainings found something each."""
    return TableRow(
        [evaluation for evaluation, _ in tests], {"by_seed": [found for _, found in tests]}
    )

"""LightGCN's Gowalla split, on which others publish: the same users in training and test.

    python -m experiments.lightgcn_split --dataset gowalla --hidden none --latent 200 --epochs 40 \
        --seeds 1

4,515 s on two shared cores of an AMD EPYC; Recall@20 and NDCG@20 of 29,858 users:

    Mult-VAE .1792 .1455   EASE .1752 .1455   popularity .0416 .0317

A tenth of each training user's interactions is held out for tuning: EASE's lambda, the cap of beta
and the number of epochs. The best of each is then trained again on all training interactions.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import numpy as np

import multvae_jax as mv
from experiments.shared.main import Report, main, report_rows
from experiments.shared.options import Options, fit_options, load_split
from experiments.shared.tables import TableRow
from experiments.shared.tuning import best_of, combinations, tune, without
from multvae_jax import recipe
from multvae_jax.baselines import ease, popularity
from multvae_jax.data.splits import MOST_VALIDATED
from multvae_jax.evaluation import prepare_users
from multvae_jax.evaluation.metrics import at_cutoffs
from multvae_jax.host.console import say
from multvae_jax.schedules import linear_annealing
from multvae_jax.training.fit_state import FitState

SELECT_BY = "ndcg@20"
METRICS = {name: at_cutoffs([20])[name] for name in ("uncapped_recall@20", SELECT_BY)}

LAMBDAS = {"regularization": (50.0, 100.0, 200.0)}
CAPS = {"cap": (0.1, 0.2)}


def tuned_vae(part: mv.Split, whole: mv.Split, options: Options) -> TableRow:
    """Mult-VAE with the cap and the number of epochs that validate best, trained on all."""
    model = mv.mult_vae(options.hidden, options.latent)
    training = fit_options(options, part)
    # A setting keeps its slope of beta when its training is cut at the best epoch.
    rise = recipe.ANNEALED_SHARE * recipe.n_updates(
        part.train.shape[0], training["batch_size"], training["epochs"]
    )

    def report_epoch(state: FitState) -> None:
        if entry := state.entry:
            value = entry.get("validation", {}).get(SELECT_BY)
            say(f"  epoch {entry['epoch']}: loss {entry['loss']:.1f}, {SELECT_BY} {value}")

    def fit(seed: int, split: mv.Split, cap: float, **overrides: Any) -> mv.Run:
        beta = linear_annealing(cap, rise)
        return mv.fit(jax.random.key(seed), model, split, beta=beta, **training | overrides)

    validation = {"validate_every": 2, "metrics": METRICS, "select_by": SELECT_BY}
    tried = []
    for setting in combinations(CAPS, options.quick):
        run = fit(0, part, **setting, callback=report_epoch, **validation)
        value = max(e["validation"][SELECT_BY] for e in run.log if "validation" in e)
        tried.append({**setting, "epochs": run.best_epoch, SELECT_BY: value})
        say(f"Mult-VAE: {tried[-1]}")
    best = without(SELECT_BY, best_of(tried, SELECT_BY))
    test, evaluations = prepare_users(whole.test), []
    for seed in options.all_seeds:
        run = fit(seed, whole, **best)
        evaluations.append(mv.evaluate(run.scorer, test, METRICS))
        say(f"  seed {seed}: {evaluations[-1].summary()}")
    return TableRow(evaluations, best, tried)


def tuned_ease(part: mv.Split, whole: mv.Split, options: Options) -> TableRow:
    """EASE with the lambda that validates best, solved on all."""

    def build(split: mv.Split, **setting: float) -> mv.Scorer:
        return ease(split.train, dtype=np.float32, **setting)

    setting, tried = tune(
        lambda **setting: build(part, **setting),
        LAMBDAS,
        part.validation,
        options.quick,
        METRICS,
        SELECT_BY,
    )
    say(f"EASE: {tried}")
    test = prepare_users(whole.test)
    return TableRow([mv.evaluate(build(whole, **setting), test, METRICS)], setting, tried)


def lightgcn_split(options: Options) -> Report:
    """A given split with the same users in training and test, tuned on a part of training."""
    whole = load_split(options)
    if whole.validation is not None:
        raise mv.InputError("this experiment takes a split without validation, such as gowalla's")
    part = mv.hold_out_interactions(whole, most_users=MOST_VALIDATED)
    most_popular = popularity(whole.catalogue.counts)
    rows = {
        "popularity": TableRow([mv.evaluate(most_popular, prepare_users(whole.test), METRICS)]),
        "EASE": tuned_ease(part, whole, options),
        "Mult-VAE": tuned_vae(part, whole, options),
    }
    return report_rows(whole, rows, options.data_name, SELECT_BY)


if __name__ == "__main__":
    sys.exit(main(lightgcn_split))

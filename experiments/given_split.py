"""A split that others publish on: LightGCN's Gowalla, its users the same in training and test.

    python -m experiments.given_split --dataset gowalla --hidden --latent 200 --epochs 40 --seeds 1

On two cores of an AMD EPYC that were shared with other work, 4,515 s; Recall@20 and NDCG@20 of
29,858 users:

    Mult-VAE .1792 .1455   EASE .1752 .1455   popularity .0416 .0317

A tenth of each training user's interactions is held out to tune on: EASE's lambda, the cap of beta
and the number of epochs. What is tuned is trained again on all training interactions.
"""

from __future__ import annotations

import dataclasses
import sys
import time

import jax
import numpy as np

from experiments.common import (
    Options,
    Row,
    circumstances,
    command,
    draw_means,
    how,
    markdown_table,
    say,
    settings,
    summarize,
    tune,
    write,
)
from multvae_jax.baselines.ease import ease
from multvae_jax.baselines.popularity import popularity
from multvae_jax.config.load_data import load_split
from multvae_jax.data.splits import hold_out_interactions
from multvae_jax.data.types import HeldOut, Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.evaluation.metrics import at_cutoffs
from multvae_jax.fitting import fit
from multvae_jax.models import mult_vae
from multvae_jax.schedules import linear_annealing
from multvae_jax.selection import Entry

SELECT_BY = "ndcg@20"
METRICS = {name: at_cutoffs([20])[name] for name in ("uncapped_recall@20", SELECT_BY)}
VALIDATED = 5000
"""Users that validation ranks for, a random sample: all of them would take longer than to train."""

EASE_GRID = {"regularization": (50.0, 100.0, 200.0)}
VAE_GRID = {"cap": (0.1, 0.2)}


def to_tune_on(whole: Split) -> Split:
    """The split without a tenth of the training interactions, and some users to validate on."""
    part = hold_out_interactions(whole)
    held_out = part.validation
    assert held_out is not None
    n_users = len(held_out.user_ids)
    some = np.random.default_rng(0).permutation(n_users)[:VALIDATED]
    few = HeldOut(held_out.history[some], held_out.targets[some], held_out.user_ids[some])
    return dataclasses.replace(part, validation=few)


def tuned_vae(part: Split, whole: Split, options: Options) -> Row:
    """Mult-VAE with the cap and the number of epochs that validate best, trained on all."""
    model = mult_vae(options.hidden, options.latent)
    usual = how(options, part)
    # The slope of a setting stays when its training is cut at the best epoch.
    rise = 0.5 * usual["epochs"] * np.ceil(part.train.shape[0] / usual["batch_size"])

    def told(entry: Entry) -> bool:
        found = entry.get("validation", {}).get(SELECT_BY)
        say(f"  epoch {entry['epoch']}: loss {entry['loss']:.1f}, {SELECT_BY} {found}")
        return False

    tried = []
    for setting in settings(VAE_GRID, options.quick):
        beta = linear_annealing(setting["cap"], rise)
        validation = {"validate_every": 2, "metrics": METRICS, "select_by": SELECT_BY}
        run = fit(jax.random.key(0), model, part, beta=beta, callback=told, **usual | validation)
        value = max(e["validation"][SELECT_BY] for e in run.log if "validation" in e)
        tried.append({**setting, "epochs": run.best_epoch, SELECT_BY: value})
        say(f"Mult-VAE: {tried[-1]}")
    best = max(tried, key=lambda setting: setting[SELECT_BY])
    test, evaluations = prepare_users(whole.test), []
    for seed in options.all_seeds:
        final = {**usual, "epochs": best["epochs"], "beta": linear_annealing(best["cap"], rise)}
        run = fit(jax.random.key(seed), model, whole, **final)
        evaluations.append(evaluate(run.scorer, test, METRICS))
        say(f"  seed {seed}: {evaluations[-1].summary()}")
    return Row(evaluations, {name: best[name] for name in ("cap", "epochs")}, tried)


def tuned_ease(part: Split, whole: Split, options: Options) -> Row:
    """EASE with the lambda that validates best, solved on all."""
    setting, tried = tune(
        lambda **setting: ease(part.train, dtype=np.float32, **setting),
        EASE_GRID,
        part.validation,
        options.quick,
        METRICS,
        SELECT_BY,
    )
    say(f"EASE: {tried}")
    found = evaluate(
        ease(whole.train, dtype=np.float32, **setting), prepare_users(whole.test), METRICS
    )
    return Row([found], setting, tried)


def given_split(options: Options) -> None:
    """Run the experiment and write its files."""
    began = time.perf_counter()
    whole = load_split(options.data)
    if whole.validation is not None:
        raise InputError("this experiment takes a split without validation, such as gowalla's")
    part = to_tune_on(whole)
    most_popular = popularity(whole.catalogue.counts)
    rows = {
        "popularity": Row([evaluate(most_popular, prepare_users(whole.test), METRICS)]),
        "EASE": tuned_ease(part, whole, options),
        "Mult-VAE": tuned_vae(part, whole, options),
    }
    summary = summarize(rows, SELECT_BY)
    record = {**circumstances(whole, options, time.perf_counter() - began), "rows": summary}
    figure = draw_means(summary, options.source)
    write(options.folder("given_split"), record, markdown_table(summary, SELECT_BY), figure)


if __name__ == "__main__":
    sys.exit(command(given_split, "A split of the same users, tuned on a part of training."))

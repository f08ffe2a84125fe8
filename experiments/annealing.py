"""Annealing (paper, figure 1): validation NDCG@100 by epoch for three ways of beta.

    python -m experiments.annealing --dataset ml-1m --fold-in 0.75 --hidden 200 --latent 70 \
        --batch-size 100 --epochs 130 --anneal-steps 19600

On one core of an AMD EPYC, 1,180 s; test NDCG@100 of five seeds (the standard error over the 600
test users is .007):

    beta = 1  .4093   annealed to 1  .4241   annealed to the best beta  .4237

The best beta is found by the search of `multvae train --beta auto`, once for each seed: .19 to .29.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments.common import (
    SELECT_BY,
    Options,
    Row,
    circumstances,
    command,
    half_width,
    heading,
    markdown_table,
    say,
    search,
    summarize,
    train,
    write,
)
from multvae_jax.config.load_data import load_split
from multvae_jax.data.types import Split
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.fitting import Run
from multvae_jax.models import mult_vae
from multvae_jax.schedules import constant, linear_annealing

Curves = Mapping[str, Sequence[Sequence[float]]]
"""Way of beta -> validation metric, seeds x epochs."""


def runs_of_each_way(split: Split, options: Options) -> dict[str, list[Run]]:
    """No annealing, annealing to 1, and annealing to the cap that the second shows."""
    model = mult_vae(options.hidden, options.latent)
    ways: dict[str, list[Run]] = {"β = 1": [], "annealed to 1": [], "annealed to the best β": []}
    never, to_one, to_best = ways.values()
    for seed in options.all_seeds:
        found = search(model, split, options, seed)
        cap = linear_annealing(found.cap, found.updates)
        to_one.append(found.run)
        to_best.append(train(model, split, options, seed, beta=cap))
        never.append(train(model, split, options, seed, beta=constant(1.0)))
    return ways


def curve(run: Run) -> list[float]:
    """The validation metric of each epoch."""
    return [entry["validation"][SELECT_BY] for entry in run.log]


def draw_curves(curves: Curves, title: str) -> Figure:
    """A line a way, the mean over seeds, in a band of its 95% interval."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, by_seed in curves.items():
        means = np.mean(by_seed, axis=0)
        spread = [half_width(values) or 0.0 for values in zip(*by_seed, strict=True)]
        epochs = np.arange(1, len(means) + 1)
        (line,) = axes.plot(epochs, means, label=name)
        axes.fill_between(epochs, means - spread, means + spread, alpha=0.2, color=line.get_color())
    axes.set(title=title, xlabel="epoch", ylabel=f"validation {heading(SELECT_BY)}")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


def annealing(options: Options) -> None:
    """Run the experiment and write its files."""
    began = time.perf_counter()
    split = load_split(options.data)
    test = prepare_users(split.test)
    ways = runs_of_each_way(split, options)
    caps = [float(run.state.hyper["beta"].args[0]) for run in ways["annealed to the best β"]]
    say(f"best β by seed: {', '.join(f'{cap:.3g}' for cap in caps)}")
    summary = summarize(
        {
            name: Row(
                [evaluate(run.scorer, test) for run in runs],
                {"best_epochs": [run.best_epoch for run in runs]},
            )
            for name, runs in ways.items()
        }
    )
    curves = {name: [curve(run) for run in runs] for name, runs in ways.items()}
    record = {
        **circumstances(split, options, time.perf_counter() - began),
        "best_beta_by_seed": caps,
        "rows": summary,
        "validation": curves,
    }
    figure = draw_curves(curves, options.source)
    write(options.folder("annealing"), record, markdown_table(summary), figure)


if __name__ == "__main__":
    sys.exit(command(annealing, "Validation against epochs for three ways of beta."))

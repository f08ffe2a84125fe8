"""Annealing (paper, figure 1): validation NDCG@100 by epoch for three schedules of beta.

    python -m experiments.annealing --dataset ml-1m --fold-in 0.75 --hidden 200 --latent 70 \
        --batch-size 100 --epochs 130 --anneal-steps 19600

1,180 s on one core of an AMD EPYC; test NDCG@100 of five seeds (the standard error over the 600
test users is .007):

    beta = 1  .4093   annealed to 1  .4241   annealed to the best beta  .4237

The best beta is found by the search of `multvae train --beta auto`, once per seed: .19 to .29.
Other data sets: results/annealing/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_split
from experiments.shared.tables import TableRow, markdown_table, summarize
from experiments.shared.training import search_beta_cap, train
from multvae_jax.evaluation import prepare_users
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.significance import confidence_half_width
from multvae_jax.host.console import say
from multvae_jax.recipe import SELECT_BY
from multvae_jax.schedules import constant, linear_annealing

Curves = Mapping[str, Sequence[Sequence[float]]]
"""Name of the schedule -> validation metric, seeds x epochs."""


def train_with_each_schedule(
    split: mv.Split, options: Options
) -> tuple[dict[str, list[mv.Run]], list[float]]:
    """Train without annealing, annealing to 1, and annealing to the best beta of that rise.

    Returns:
        The runs of each schedule, one per seed, and the best beta of each seed.
    """
    model = mv.mult_vae(options.hidden, options.latent)
    runs: dict[str, list[mv.Run]] = {"β = 1": [], "annealed to 1": [], "annealed to the best β": []}
    never, to_one, to_best = runs.values()
    caps = []
    for seed in options.all_seeds:
        found = search_beta_cap(model, split, options, seed)
        rise = linear_annealing(found.cap, found.updates)
        caps.append(found.cap)
        to_one.append(found.run)
        to_best.append(train(model, split, options, seed, beta=rise))
        never.append(train(model, split, options, seed, beta=constant(1.0)))
    return runs, caps


def validation_curve(run: mv.Run) -> list[float]:
    """The validation metric of each epoch."""
    return [entry["validation"][SELECT_BY] for entry in run.log]


def draw_curves(curves: Curves, title: str) -> Figure:
    """One line per schedule: the mean over seeds, in a band of its 95% interval."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, by_seed in curves.items():
        means = np.mean(by_seed, axis=0)
        spread = [confidence_half_width(values) or 0.0 for values in zip(*by_seed, strict=True)]
        epochs = np.arange(1, len(means) + 1)
        (line,) = axes.plot(epochs, means, label=name)
        axes.fill_between(epochs, means - spread, means + spread, alpha=0.2, color=line.get_color())
    axes.set(title=title, xlabel="epoch", ylabel=f"validation {heading(SELECT_BY)}")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


def annealing(options: Options) -> Report:
    """Validation metric by epoch for three schedules of beta."""
    split = load_split(options)
    test = prepare_users(split.test)
    runs, caps = train_with_each_schedule(split, options)
    say(f"best β by seed: {', '.join(f'{cap:.3g}' for cap in caps)}")
    summary = summarize(
        {
            name: TableRow(
                [mv.evaluate(run.scorer, test) for run in by_seed],
                {"best_epochs": [run.best_epoch for run in by_seed]},
            )
            for name, by_seed in runs.items()
        }
    )
    curves = {name: [validation_curve(run) for run in by_seed] for name, by_seed in runs.items()}
    record = {"best_beta_by_seed": caps, "rows": summary, "validation": curves}
    return Report(split, record, markdown_table(summary), draw_curves(curves, options.data_name))


if __name__ == "__main__":
    sys.exit(main(annealing))

"""Leave-one-out (paper, table 3): ranks among sampled candidates, and among all items.

    python -m experiments.leave_one_out --dataset ml-1m --hidden 200 --latent 64 --seeds 3

516 s on two shared cores of an AMD EPYC; the hit rate at 10 of 6,034 users, among 101 candidates
and among all items:

    Mult-VAE .6560 .0547   Mult-DAE .6575 .0559   EASE .6605 .0751   popularity .4679 .0146

Intervals and other data sets: results/leave_one_out/README.md.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_interactions
from experiments.shared.tables import TableRow, markdown_table, summarize
from experiments.shared.training import train
from experiments.shared.tuning import tune
from multvae_jax.baselines import EASE, ease, popularity
from multvae_jax.evaluation import prepare_users, sampled_items
from multvae_jax.evaluation.metrics import Metric, hit_rate, ndcg
from multvae_jax.host.console import say

CANDIDATES = 100
"""Items drawn for each user, in addition to the one to be found."""

OF_ALL = {"hr@10": Metric(hit_rate, 10), "ndcg@10": Metric(ndcg, 10), "ndcg@100": Metric(ndcg, 100)}
OF_SAMPLED = {"hr@10": Metric(hit_rate, 10), "ndcg@10": Metric(ndcg, 10)}
CURVE = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
SAMPLED_CURVE = tuple(k for k in CURVE if k < CANDIDATES)


def sampled_name(metric: str) -> str:
    """Name of a metric among the candidates, to distinguish it from the one among all items."""
    return f"{metric} of {CANDIDATES + 1}"


def table_rows(split: mv.Split, options: Options) -> dict[str, TableRow]:
    """Every recommender, tested on each user's last item in both ways."""
    test = prepare_users(split.test)
    # One draw of candidates for all recommenders and all seeds.
    candidates = sampled_items(jax.random.key(options.split_seed), CANDIDATES)
    curve, sampled_curve = (
        {f"hr@{k}": Metric(hit_rate, k) for k in ks} for ks in (CURVE, SAMPLED_CURVE)
    )

    def tested(scorer: mv.Scorer) -> mv.Evaluation:
        all_items = mv.evaluate(scorer, test, {**OF_ALL, **curve})
        sampled = mv.evaluate(scorer, test, {**OF_SAMPLED, **sampled_curve}, candidates)
        renamed = {sampled_name(metric): values for metric, values in sampled.values.items()}
        return mv.Evaluation({**renamed, **all_items.values}, test.users_without_target)

    def trained(name: str, model: mv.Model) -> TableRow:
        say(name)
        runs = (train(model, split, options, seed) for seed in options.all_seeds)
        return TableRow([tested(run.scorer) for run in runs])

    def build(**setting: Any) -> mv.Scorer:
        return ease(split.train, **setting)

    setting, tried = tune(build, EASE.grid, split.validation, options.quick)
    return {
        "Mult-VAE": trained("Mult-VAE", mv.mult_vae(options.hidden, options.latent)),
        "Mult-DAE": trained("Mult-DAE", mv.mult_dae((), options.latent)),
        "EASE": TableRow([tested(build(**setting))], setting, tried),
        "popularity": TableRow([tested(popularity(split.catalogue.counts))]),
    }


def with_metrics_of_table(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The summary without the metrics that only the figure shows."""
    names = [*map(sampled_name, OF_SAMPLED), *OF_ALL]
    return [{**row, "metrics": {name: row["metrics"][name] for name in names}} for row in summary]


def mean_negatives(split: mv.Split) -> float:
    """Items that a user does not have, without the one to be found: the mean over users."""
    has_target = split.test.targets.count_nonzero(axis=1) > 0
    known = split.test.history.count_nonzero(axis=1)[has_target]
    return float(np.mean(split.train.shape[1] - known - 1))


def draw(rows: list[dict[str, Any]], n_negatives: float, title: str) -> Figure:
    """Draw hit rates by cutoff among all items, and among the candidates at the same share."""
    figure = Figure(figsize=(6.5, 4.2), layout="constrained")
    axes = figure.subplots()
    for number, row in enumerate(rows):
        color = f"C{number}"
        axes.plot(
            CURVE,
            [row["metrics"][f"hr@{k}"]["mean"] for k in CURVE],
            color=color,
            label=row["name"],
        )
        axes.plot(
            [k * n_negatives / CANDIDATES for k in SAMPLED_CURVE],
            [row["metrics"][sampled_name(f"hr@{k}")]["mean"] for k in SAMPLED_CURVE],
            color=color,
            marker="o",
            markersize=4,
            linestyle="none",
        )
    axes.axvline(10 * n_negatives / CANDIDATES, color="gray", linestyle=":", linewidth=1)
    axes.axvline(10, color="gray", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set(xlabel="cutoff k among all items", ylabel="hit rate", ylim=(0, 1))
    axes.set_title(
        f"{title}\nlines: among all items (dashed: k = 10); points: k of {CANDIDATES + 1} "
        f"candidates,\nat k x {n_negatives:,.0f} / {CANDIDATES} (dotted: k = 10)",
        fontsize="medium",
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


def leave_one_out(options: Options) -> Report:
    """Each user's last item, ranked among sampled candidates and among all items."""
    data = load_interactions(options)
    split = mv.leave_one_out(data, seed=options.split_seed)
    summary = summarize(table_rows(split, options))
    n_negatives = mean_negatives(split)
    record = {
        "last": "by time" if data.times is not None else "drawn: the data has no times",
        "candidates": CANDIDATES,
        "others": n_negatives,
        "rows": summary,
    }
    figure = draw(summary, n_negatives, options.data_name)
    return Report(split, record, markdown_table(with_metrics_of_table(summary)), figure)


if __name__ == "__main__":
    sys.exit(main(leave_one_out))

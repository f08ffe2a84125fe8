"""Leave-one-out (paper, table 3): ranks among sampled candidates, and among all items.

    python -m experiments.leave_one_out --dataset ml-1m --hidden 200 --latent 64 --seeds 3

On two cores of an AMD EPYC that were shared with other work, 516 s; the hit rate at 10 of 6,034
users, among 101 candidates and among all items:

    Mult-VAE .6560 .0547   Mult-DAE .6575 .0559   EASE .6605 .0751   popularity .4679 .0146

The intervals and the other data sets stand in the README beside this file.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import jax
import numpy as np
from matplotlib.figure import Figure

from experiments.common import (
    Options,
    Row,
    circumstances,
    command,
    markdown_table,
    say,
    summarize,
    train,
    tune,
    write,
)
from experiments.main_table import EASE_GRID
from multvae_jax.baselines.ease import ease
from multvae_jax.baselines.popularity import popularity
from multvae_jax.config.load_data import load_interactions
from multvae_jax.data.splits import leave_one_out
from multvae_jax.data.types import Split
from multvae_jax.evaluation.evaluator import Evaluation, evaluate, prepare_users
from multvae_jax.evaluation.metrics import Metric, hit_rate, ndcg
from multvae_jax.evaluation.ranking import sampled_items
from multvae_jax.models import mult_dae, mult_vae
from multvae_jax.types import Scorer

CANDIDATES = 100
"""Items drawn for each user, beside the one to be found."""

OF_ALL = {"hr@10": Metric(hit_rate, 10), "ndcg@10": Metric(ndcg, 10), "ndcg@100": Metric(ndcg, 100)}
OF_SAMPLED = {"hr@10": Metric(hit_rate, 10), "ndcg@10": Metric(ndcg, 10)}
CURVE = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
SAMPLED_CURVE = tuple(k for k in CURVE if k < CANDIDATES)


def sampled_name(metric: str) -> str:
    """What a metric among the candidates is called, beside the one among all items."""
    return f"{metric} of {CANDIDATES + 1}"


def table_rows(split: Split, options: Options) -> dict[str, Row]:
    """Every recommender, tested on each user's last item, in both ways."""
    test = prepare_users(split.test)
    # One draw of candidates for all recommenders and all seeds.
    candidates = sampled_items(jax.random.key(options.data.split_seed), CANDIDATES)
    curve, sampled_curve = (
        {f"hr@{k}": Metric(hit_rate, k) for k in ks} for ks in (CURVE, SAMPLED_CURVE)
    )

    def tested(score: Scorer) -> Evaluation:
        among_all = evaluate(score, test, {**OF_ALL, **curve})
        among_few = evaluate(score, test, {**OF_SAMPLED, **sampled_curve}, candidates)
        few = {sampled_name(metric): values for metric, values in among_few.values.items()}
        return Evaluation({**few, **among_all.values}, test.users_without_target)

    def trained(name: str, model: Any) -> Row:
        say(name)
        return Row([tested(train(model, split, options, s).score) for s in options.all_seeds])

    def build(**setting: Any) -> Scorer:
        return ease(split.train, **setting)

    setting, tried = tune(build, EASE_GRID, split.validation, options.quick)
    return {
        "Mult-VAE": trained("Mult-VAE", mult_vae(options.hidden, options.latent)),
        "Mult-DAE": trained("Mult-DAE", mult_dae((), options.latent)),
        "EASE": Row([tested(build(**setting))], setting, tried),
        "popularity": Row([tested(popularity(split.catalogue.counts))]),
    }


def shown(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The summary with the metrics of the table alone."""
    names = [*map(sampled_name, OF_SAMPLED), *OF_ALL]
    return [{**row, "metrics": {name: row["metrics"][name] for name in names}} for row in summary]


def others(split: Split) -> float:
    """How many items a user does not have, but for the one to be found: the mean over users."""
    has_target = split.test.targets.count_nonzero(axis=1) > 0
    known = split.test.history.count_nonzero(axis=1)[has_target]
    return float(np.mean(split.train.shape[1] - known - 1))


def draw(rows: list[dict[str, Any]], n_others: float, title: str) -> Figure:
    """Hit rates by cut-off among all items; those among the candidates, at the same share."""
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
            [k * n_others / CANDIDATES for k in SAMPLED_CURVE],
            [row["metrics"][sampled_name(f"hr@{k}")]["mean"] for k in SAMPLED_CURVE],
            color=color,
            marker="o",
            markersize=4,
            linestyle="none",
        )
    axes.axvline(10 * n_others / CANDIDATES, color="gray", linestyle=":", linewidth=1)
    axes.axvline(10, color="gray", linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.set(xlabel="cut-off k among all items", ylabel="hit rate", ylim=(0, 1))
    axes.set_title(
        f"{title}\nlines: among all items (dashed: k = 10); points: k of {CANDIDATES + 1} "
        f"candidates,\nat k x {n_others:,.0f} / {CANDIDATES} (dotted: k = 10)",
        fontsize="medium",
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


def leaving_one_out(options: Options) -> None:
    """Run the experiment and write its files."""
    began = time.perf_counter()
    data = load_interactions(options.data)
    split = leave_one_out(data, seed=options.data.split_seed)
    summary = summarize(table_rows(split, options))
    n_others = others(split)
    seconds = time.perf_counter() - began
    record = {
        **circumstances(split, options, seconds),
        "last": "by time" if data.times is not None else "drawn: the data has no times",
        "candidates": CANDIDATES,
        "others": n_others,
        "rows": summary,
    }
    figure = draw(summary, n_others, options.source)
    write(options.folder("leave_one_out"), record, markdown_table(shown(summary)), figure)


if __name__ == "__main__":
    sys.exit(command(leaving_one_out, "Each user's last item among sampled candidates, and all."))

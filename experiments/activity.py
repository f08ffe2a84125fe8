"""User activity (paper, figure 3): where the VAE and the DAE differ, by number of fold-in items.

    python -m experiments.activity --dataset ml-1m --hidden 200 --latent 64 --seeds 3

192 s on two shared cores of an AMD EPYC; NDCG@100 of Mult-VAE minus that of Mult-DAE, by fifth of
the 600 test users, from the fewest fold-in items to the most:

    +.0094   +.0111   -.0052   -.0067   -.0086

Intervals and other data sets: results/activity/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_split
from experiments.shared.tables import TableRow, cell, format_markdown
from experiments.shared.training import train_and_test
from multvae_jax.evaluation import prepare_users
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.partitions import history_lengths, quantiles
from multvae_jax.evaluation.significance import confidence_half_width, mean_over_runs
from multvae_jax.recipe import SELECT_BY

CAPTION = f"""
{heading(SELECT_BY)}: mean ± half of its 95% interval over seeds (standard error over users).
Difference: Mult-VAE minus Mult-DAE, of each user's means over seeds, ± half of its 95% interval
over users.
"""


def by_activity(
    rows: Mapping[str, TableRow], counts: Int[np.ndarray, " users"]
) -> list[dict[str, Any]]:
    """Summarize each fifth of the users for the table and the figure.

    Args:
        rows: Mult-VAE and Mult-DAE, in this order.
        counts: fold-in items of each user.
    """
    group_of = quantiles(counts, 5)
    values = {
        name: np.stack([evaluation.values[SELECT_BY] for evaluation in row.evaluations])
        for name, row in rows.items()
    }
    means = {name: mean_over_runs(row.evaluations).values[SELECT_BY] for name, row in rows.items()}
    one, other = means.values()

    def of_group(group: int) -> dict[str, Any]:
        mine = group_of == group

        def of_model(name: str) -> dict[str, Any]:
            by_seed = values[name][:, mine].mean(axis=1).tolist()
            return {
                "mean": float(np.mean(by_seed)),
                "interval": confidence_half_width(by_seed),
                "standard_error": float(means[name][mine].std() / np.sqrt(mine.sum())),
                "by_seed": by_seed,
            }

        difference = (one - other)[mine]
        return {
            "fewest": int(counts[mine].min()),
            "most": int(counts[mine].max()),
            "users": int(mine.sum()),
            "models": {name: of_model(name) for name in rows},
            "difference": float(difference.mean()),
            "difference_interval": confidence_half_width(difference.tolist()),
        }

    return [of_group(group) for group in np.unique(group_of)]


def markdown(groups: Sequence[Mapping[str, Any]]) -> str:
    """One line per fifth of the users."""
    names = list(groups[0]["models"])
    lines = []
    for group in groups:
        cells = [cell(group["models"][name]) for name in names]
        half = group["difference_interval"]
        difference = f"{group['difference']:+.4f}" + ("" if half is None else f" ± {half:.4f}")
        span = f"{group['fewest']} to {group['most']}"
        lines.append([span, str(group["users"]), *cells, difference])
    header = ["fold-in items", "users", *names, "difference"]
    return format_markdown(header, lines) + CAPTION


def draw(groups: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """The means by fifth, and their paired differences."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    levels, differences = figure.subplots(1, 2)
    places = np.arange(len(groups))
    for shift, name in zip((-0.06, 0.06), groups[0]["models"], strict=True):
        numbers = [group["models"][name] for group in groups]
        levels.errorbar(
            places + shift,
            [number["mean"] for number in numbers],
            yerr=[number["standard_error"] for number in numbers],
            marker="o",
            capsize=3,
            label=name,
        )
    levels.set(ylabel=heading(SELECT_BY), title="mean, standard error over users")
    levels.legend()
    differences.axhline(0, color="gray", linewidth=1)
    differences.errorbar(
        places,
        [group["difference"] for group in groups],
        yerr=[group["difference_interval"] or 0.0 for group in groups],
        marker="o",
        color="black",
        capsize=3,
    )
    differences.set(title=" minus ".join(groups[0]["models"]) + ", 95% over users")
    spans = [f"{group['fewest']}\u2013{group['most']}" for group in groups]
    for axes in (levels, differences):
        axes.set_xticks(places, spans)
        axes.set_xlabel("fold-in items")
        axes.grid(visible=True, alpha=0.3)
    figure.suptitle(title)
    return figure


def activity(options: Options) -> Report:
    """Mult-VAE against Mult-DAE by the number of fold-in items of a user."""
    split = load_split(options)
    test = prepare_users(split.test)
    models = {
        "Mult-VAE": mv.mult_vae(options.hidden, options.latent),
        "Mult-DAE": mv.mult_dae((), options.latent),
    }
    rows = {
        name: train_and_test(name, model, split, options, test) for name, model in models.items()
    }
    groups = by_activity(rows, history_lengths(split.test))
    return Report(split, {"groups": groups}, markdown(groups), draw(groups, options.data_name))


if __name__ == "__main__":
    sys.exit(main(activity))

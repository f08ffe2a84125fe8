"""Figures that several experiments draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from multvae_jax.evaluation.metrics import heading


def draw_means(summary: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """One panel per metric, one line per recommender: wide bars over seeds, narrow over users."""
    metrics = list(summary[0]["metrics"])
    figure = Figure(
        figsize=(3.4 * len(metrics) + 1, 0.4 * len(summary) + 1.6), layout="constrained"
    )
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    lines = np.arange(len(summary))[::-1]
    for axes, metric in zip(panels, metrics, strict=True):
        numbers = [row["metrics"][metric] for row in summary]
        means = [number["mean"] for number in numbers]
        over_users = [number["standard_error"] for number in numbers]
        over_seeds = [number["interval"] or 0.0 for number in numbers]
        axes.errorbar(
            means, lines, xerr=over_seeds, fmt="none", ecolor="tab:blue", elinewidth=7, alpha=0.35
        )
        axes.errorbar(
            means,
            lines,
            xerr=over_users,
            fmt="o",
            color="black",
            markersize=4,
            elinewidth=1,
            capsize=3,
        )
        axes.set(title=heading(metric), ylim=(-0.6, len(summary) - 0.4))
        axes.grid(visible=True, axis="x", alpha=0.3)
    panels[0].set_yticks(lines, [row["name"] for row in summary])
    figure.suptitle(title)
    figure.supxlabel("wide: 95% over seeds; narrow: standard error over users", fontsize="small")
    return figure

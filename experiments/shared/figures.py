"""Figures that several experiments draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from multvae_jax.evaluation.metrics import heading
from multvae_jax.reports.interval_plot import Mark, draw_marks


def draw_means(summary: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """One panel per metric, one line per recommender: wide bars over seeds, narrow over users."""
    panels = {
        heading(metric): {
            row["name"]: Mark(number["mean"], number["interval"], number["standard_error"])
            for row in summary
            for number in [row["metrics"][metric]]
        }
        for metric in summary[0]["metrics"]
    }
    return draw_marks(panels, title, "wide: 95% over seeds; narrow: standard error over users")

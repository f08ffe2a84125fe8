"""Table and figure of a sweep: the settings in order, and the effect of each option."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from multvae_jax.config.none import words_of
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.significance import confidence_half_width


class SettingResult(NamedTuple):
    """The result of a setting.

    Attributes:
        setting: options and their values.
        by_seed: the metric at the best epoch of each seed; NaN for a seed that diverged. For a
            cross-validation, that of each fold, the mean over its seeds.
        epochs: the best epoch of each seed.
        over: what the mean is over, "seed" or "fold".
    """

    setting: Mapping[str, Any]
    by_seed: Sequence[float]
    epochs: Sequence[int | None]
    over: str = "seed"

    @property
    def mean(self) -> float:
        """Mean over the seeds or folds; NaN if one of them diverged."""
        return float(np.mean(self.by_seed))

    @property
    def interval(self) -> float | None:
        """Half of the 95% interval of the mean over seeds or folds; None for one."""
        return confidence_half_width(self.by_seed)


def best_first(rows: Sequence[SettingResult]) -> list[SettingResult]:
    """The results in order, best first; those that diverged come last."""
    return sorted(rows, key=lambda row: -row.mean if math.isfinite(row.mean) else math.inf)


def sweep_table(rows: Sequence[SettingResult], metric: str, longest: int = 30) -> Table:
    """One row per setting, in the order given; a long table is cut off."""
    seeds = len(rows[0].by_seed)
    over = rows[0].over
    shown = f"mean over {seeds} {over}s ± half of its 95% interval" if seeds > 1 else f"one {over}"
    left_out = len(rows) - longest
    table = Table(
        caption=f"validation, {shown}" + (f"; {left_out} more settings" if left_out > 0 else ""),
        caption_justify="left",
    )
    for name in rows[0].setting:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(heading(metric), justify="right", no_wrap=True)
    table.add_column("epoch", justify="right")
    for row in rows[:longest]:
        interval = "" if row.interval is None else f" ± {row.interval:.4f}"
        found = f"{row.mean:.4f}{interval}" if math.isfinite(row.mean) else "diverged"
        epochs = [epoch for epoch in row.epochs if epoch is not None]
        around = f"{np.mean(epochs):.0f}" if epochs else ""
        table.add_row(*map(as_text, row.setting.values()), found, around)
    return table


def as_text(value: Any) -> str:
    """A value as on the command line."""
    if isinstance(value, list | tuple):
        return ",".join(words_of(value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def draw_sweep(rows: Sequence[SettingResult], metric: str, path: Path) -> None:
    """Draw one panel per option: the metric of every setting over the value of the option.

    The line joins the best settings of all values.
    """
    rows = [row for row in rows if math.isfinite(row.mean)]
    names = list(rows[0].setting)
    across = min(3, len(names))
    down = math.ceil(len(names) / across)
    figure = Figure(figsize=(4 * across, 3.4 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False, sharey=True)
    for place, axes in enumerate(panels.flat):
        if place < len(names):
            _panel(axes, names[place], rows)
        else:
            axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel(f"validation {heading(metric)}")
    seeds = len(rows[0].by_seed)
    bars = f", mean of {seeds} {rows[0].over}s and its 95% interval" if seeds > 1 else ""
    words = f"one point per setting{bars}; the line joins the best of each value"
    figure.supxlabel(words, fontsize="small")
    figure.savefig(path, dpi=120)


def _panel(axes: Axes, name: str, rows: Sequence[SettingResult]) -> None:
    values = [row.setting[name] for row in rows]
    numbers = all(isinstance(value, int | float) for value in values)
    kinds = sorted(set(map(as_text, values))) if not numbers else []
    places = values if numbers else [kinds.index(as_text(value)) for value in values]
    means = [row.mean for row in rows]
    axes.errorbar(
        places,
        means,
        yerr=[row.interval or 0.0 for row in rows],
        fmt="o",
        markersize=4,
        alpha=0.6,
        elinewidth=1,
    )
    best = {
        place: max(m for p, m in zip(places, means, strict=True) if p == place) for place in places
    }
    if 1 < len(best) < len(rows):
        axes.plot(*zip(*sorted(best.items()), strict=True), color="0.3", linewidth=1)
    if numbers and min(places) > 0 and max(places) / min(places) >= 8:
        axes.set_xscale("log")
    if not numbers:
        axes.set_xticks(range(len(kinds)), kinds)
    axes.set_xlabel(name)
    axes.grid(visible=True, alpha=0.3)

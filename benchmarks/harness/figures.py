"""Figures of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator


def bars(groups: Mapping[str, Mapping[str, Sequence[float]]], unit: str) -> Figure:
    """One panel per group, one bar per name: the median of its samples, and their range.

    Args:
        groups: title of the panel -> name of the bar -> samples.
        unit: label of the axis.
    """
    heights = [len(samples) for samples in groups.values()]
    figure = Figure(figsize=(7, 0.36 * sum(heights) + 0.9 * len(groups)), layout="constrained")
    panels = figure.subplots(len(groups), 1, height_ratios=heights, squeeze=False)[:, 0]
    for axes, (title, samples) in zip(panels, groups.items(), strict=True):
        lines = np.arange(len(samples))[::-1]
        middle = np.array([np.median(taken) for taken in samples.values()])
        low = middle - [min(taken) for taken in samples.values()]
        high = [max(taken) for taken in samples.values()] - middle
        axes.barh(lines, middle, xerr=(low, high), height=0.6, color="tab:blue", alpha=0.8)
        for height, value, above in zip(lines, middle, high, strict=True):
            axes.annotate(
                f"{value:,.0f}" if value >= 100 else f"{value:.3g}",
                (value + above, height),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        axes.set_yticks(lines, list(samples))
        axes.set_title(title, fontsize="medium")
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, axis="x", alpha=0.3)
    panels[-1].set_xlabel(unit)
    return figure


def growth_panels(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """One column per size, both axes logarithmic: time above, memory below."""
    figure = Figure(figsize=(2.3 * len(curves) + 0.8, 5), layout="constrained")
    panels = figure.subplots(2, len(curves), sharex="col", sharey="row", squeeze=False)
    for (time, memory), (name, found) in zip(panels.T, curves.items(), strict=True):
        x, seconds = np.asarray(found["x"]), np.asarray(found["seconds"])
        time.plot(x, 1e3 * seconds, "o-", color="tab:blue", label="measured")
        proportional = 1e3 * seconds[-1] * x / x[-1]
        time.plot(x, proportional, ":", color="gray", label="in proportion")
        for part, style in (("arguments", "s-"), ("temporaries", "^-")):
            memory.plot(x, np.asarray(found[part]) / 1e6, style, label=part, markersize=4)
        time.set_title(name)
        for axes in (time, memory):
            axes.set(xscale="log", yscale="log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:,.0f}")
            axes.grid(visible=True, alpha=0.3)
        # After the scale, which sets ticks of its own.
        memory.set_xticks(x, [f"{value:,.0f}" for value in x], fontsize="x-small")
        memory.minorticks_off()
        time.minorticks_off()
    panels[0, 0].set_ylabel("ms per epoch")
    panels[1, 0].set_ylabel("MB")
    for axes in panels[:, 0]:
        axes.legend(fontsize="small", frameon=False)
    return figure


def quality_curves(
    seconds: Mapping[str, Sequence[float]], quality: Mapping[str, Sequence[float]], metric: str
) -> Figure:
    """One curve per contestant: a validation metric against its own time."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name in seconds:
        axes.plot(seconds[name], quality[name], marker=".", markersize=3, label=name)
    axes.set_xlabel("seconds, start-up included")
    axes.set_ylabel(f"validation {metric}")
    axes.set_xlim(left=0)
    axes.legend(loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    return figure


def series(x: Sequence[float], y: Sequence[float], what: str, unit: str) -> Figure:
    """One curve, on an axis from 0.

    Args:
        x: values of the horizontal axis.
        y: values of the curve.
        what: label of the horizontal axis.
        unit: label of the vertical axis.
    """
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(x, y)
    axes.set_xlabel(what)
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0, top=1.2 * max(y))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    return figure

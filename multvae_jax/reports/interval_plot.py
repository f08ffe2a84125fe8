"""A picture of values with two intervals each, one panel per metric."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

MOST_ACROSS = 3
"""Panels side by side."""


class Mark(NamedTuple):
    """A value with two intervals around it.

    Attributes:
        value: where the point is.
        wide: half the length of the thick bar; None for no bar.
        narrow: half the length of the thin bar.
        is_filled: whether the point is filled; None for a square, which stands for neither.
    """

    value: float
    wide: float | None
    narrow: float | None
    is_filled: bool | None = True


def literal(text: str) -> str:
    """Text that matplotlib draws as it is: a `$` in it begins no formula."""
    return text.replace("$", r"\$")


def label_of(name: str) -> str:
    """The name of a run or of a system as a label, in at most two lines of 36 characters."""
    return literal(textwrap.fill(name, 36, max_lines=2, placeholder="..."))


def draw_marks(
    panels: Mapping[str, Mapping[str, Mark]], title: str, note: str, zero: bool = False
) -> Figure:
    """Draw one panel per metric with one line per system.

    Args:
        panels: heading -> system -> its mark; all panels have the same systems.
        title: title of the figure.
        note: what the bars mean.
        zero: draw a line at 0.
    """
    names = list(next(iter(panels.values())))
    labels = [label_of(name) for name in names]
    across = min(len(panels), MOST_ACROSS)
    down = math.ceil(len(panels) / across)
    lines_high = sum(1 + 0.45 * label.count("\n") for label in labels)
    # About 0.07 inches per character, so that long names leave the panels their width.
    label_width = 0.07 * max(len(line) for label in labels for line in label.splitlines())
    figure = Figure(
        figsize=(3.4 * across + label_width, down * (0.4 * lines_high + 0.9) + 0.7),
        layout="constrained",
    )
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    lines = np.arange(len(names))[::-1]
    for axes, (metric, marks) in zip(grid.flat, panels.items(), strict=False):
        if zero:
            axes.axvline(0, color="0.4", linewidth=1, linestyle=":")
        for line, mark in zip(lines, marks.values(), strict=True):
            color = "0.5" if mark.is_filled is None else "black"
            axes.errorbar(
                mark.value, line, xerr=mark.wide, fmt="none", ecolor="tab:blue", elinewidth=7,
                alpha=0.35,
            )  # fmt: skip
            axes.errorbar(
                mark.value, line, xerr=mark.narrow, fmt="s" if mark.is_filled is None else "o",
                color=color, markersize=4, elinewidth=1, capsize=3,
                markerfacecolor="white" if mark.is_filled is False else color,
            )  # fmt: skip
        axes.set(title=metric, ylim=(-0.6, len(names) - 0.4))
        axes.grid(visible=True, axis="x", alpha=0.3)
        axes.locator_params(axis="x", nbins=5)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for row in grid:
        row[0].set_yticks(lines, labels)
    figure.suptitle(literal(title))
    figure.supxlabel(note, fontsize="small")
    return figure

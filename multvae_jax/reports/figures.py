"""The figures of a report, small enough for a phone, with one color per run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multvae_jax.evaluation.metrics import heading
from multvae_jax.reports.contents import SHOWN, Content
from multvae_jax.reports.interval_plot import label_of
from multvae_jax.runs.report import STYLES
from multvae_jax.selection import Entry

SIZE = (4.6, 3.2)


def _axes(title: str, x: str, y: str = "") -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _color(number: int) -> str:
    return f"C{number % 10}"


def _label(name: str) -> str:
    """The name of a run for a legend, which leaves out names that begin with `_`."""
    return f" {label_of(name)}" if name.startswith("_") else label_of(name)


def _legend(axes: Axes) -> None:
    _, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        axes.legend(fontsize="small", frameon=False)


def values_in(contents: Sequence[Content]) -> list[str]:
    """Names of the values per epoch in any log: the loss, the KL term, then validation metrics."""
    entries = [entry for one in contents for log in one.trainings.values() for entry in log]
    terms = [name for name in ("loss", "kl") if any(name in entry for entry in entries)]
    validated = {name: None for entry in entries for name in entry.get("validation", {})}
    return [*terms, *validated]


def value_of(entry: Entry, name: str) -> float | None:
    """A term of the loss or a validation metric of an epoch; None if it is not a number."""
    found = entry.get(name, entry.get("validation", {}).get(name))
    return float(found) if isinstance(found, int | float) else None


_TITLES = {"loss": "Loss per user", "kl": "KL term", "beta": "Beta"}


def title_of(name: str) -> str:
    """Title of the curve of a term of the loss or a validation metric."""
    return _TITLES.get(name, f"Validation {heading(name)}")


def curve(contents: Sequence[Content], name: str) -> Figure | None:
    """Draw a value by epoch, with a dotted line at the epoch whose parameters a run has.

    Trainings before that of the run, such as the one that selected the epoch, are dashed lines.
    """
    figure, axes = _axes(title_of(name), "epoch")
    is_drawn = False
    for number, one in enumerate(contents):
        if name in one.left_out:
            continue
        has_any = False
        for (phase, log), style in zip(reversed(list(one.trainings.items())), STYLES, strict=False):
            points = [
                (entry["epoch"], value)
                for entry in log
                if "epoch" in entry and (value := value_of(entry, name)) is not None
            ]
            if not points:
                continue
            label = _label(one.name if style == STYLES[0] else f"{one.name}, {phase}")
            marker = "o" if len(points) == 1 else None
            axes.plot(*zip(*points, strict=True), style, label=label, color=_color(number),
                      marker=marker)  # fmt: skip
            has_any = True
        if has_any and one.best_epoch:
            axes.axvline(one.best_epoch, color=_color(number), linestyle=":", linewidth=1)
        is_drawn |= has_any
    if not is_drawn:
        return None
    axes.locator_params(axis="x", integer=True)
    _legend(axes)
    return figure


def latent(contents: Sequence[Content]) -> Figure:
    """Draw the KL of each dimension of z, the largest first."""
    figure, axes = _axes("KL of each dimension, sorted", "dimension", "nats")
    for number, one in enumerate(contents):
        if one.latent is not None:
            falling = np.sort(one.latent.kl)[::-1]
            places = np.arange(1, len(falling) + 1)
            axes.step(places, falling, where="mid", label=_label(one.name), color=_color(number))
            axes.fill_between(places, falling, step="mid", alpha=0.15, color=_color(number))
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", integer=True)
    _legend(axes)
    return figure


def by_activity(contents: Sequence[Content], metric: str) -> Figure:
    """Draw a metric by the length of the history, with the 95% intervals of the means."""
    figure, axes = _axes(f"{heading(metric)} by activity", "items in the history")
    groups = [one.groups.groups for one in contents if one.groups is not None]
    labels = list(dict.fromkeys(label for each in groups for label in each))
    for number, one in enumerate(contents):
        if one.groups is None:
            continue
        found = [(labels.index(label), group) for label, group in one.groups.groups.items()]
        off = 0.12 * (number - (len(contents) - 1) / 2)
        axes.errorbar(
            [place + off for place, _ in found],
            [group.values[metric].mean for _, group in found],
            yerr=[group.values[metric].interval or 0.0 for _, group in found],
            fmt="o", markersize=4, capsize=3, color=_color(number), label=_label(one.name),
        )  # fmt: skip
    axes.set_xticks(range(len(labels)), [label.replace(" to ", "\u2013") for label in labels])
    axes.set_xlim(-0.5, len(labels) - 0.5)
    # A metric such as the popularity lift may be negative.
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    _legend(axes)
    return figure


def popularity_curve(contents: Sequence[Content]) -> Figure:
    """Draw the share of the most popular items in the lists and in the training data."""
    figure, axes = _axes(f"Share of the most popular items in lists of {SHOWN}",
                         "most popular items of the catalogue", "share")  # fmt: skip
    drawn: list[bytes] = []
    for number, one in enumerate(contents):
        counts = np.asarray(one.catalogue.counts)
        order = np.argsort(-counts, kind="stable")
        places = np.arange(1, len(order) + 1)
        if counts.tobytes() not in drawn and counts.sum():
            drawn.append(counts.tobytes())
            label = "training data" if len(drawn) == 1 else None
            axes.plot(places, _shares(counts[order]), color="0.5", linestyle="--", label=label)
        if one.shown is not None and one.shown.sum():
            axes.plot(
                places, _shares(one.shown[order]), color=_color(number), label=_label(one.name)
            )
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _legend(axes)
    return figure


def _shares(counts: np.ndarray) -> np.ndarray:
    return np.cumsum(counts) / counts.sum()

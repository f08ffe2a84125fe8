"""Training curves and metric tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table

from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.selection import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = ("-", "--", ":")
"""Lines of the training of a run, of the one before it, and of the one before that."""


def training_curves(logs: Mapping[str, Sequence[Entry]], best_epoch: int) -> Figure:
    """Draw the loss and the validation metrics of each epoch.

    Args:
        logs: the log of each training by name, in their order: that of the run comes last.
        best_epoch: epoch whose parameters the run has.
    """
    # Imported here: it takes a quarter of a second, and few commands draw.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, log), style in zip(reversed(list(logs.items())), STYLES, strict=False):
        _curve(left, log, lambda entry: entry["loss"], name, style, "C0")
        validated = [entry for entry in log if "validation" in entry]
        for number, metric in enumerate(validated[0]["validation"] if validated else ()):
            label = heading(metric) if len(logs) == 1 else f"{heading(metric)}, {name}"
            values = partial(_validated, metric=metric)
            _curve(right, validated, values, label, style, f"C{number}")
    if right.lines:
        right.axvline(best_epoch, color="0.4", linestyle="-.", label=f"best epoch ({best_epoch})")
        right.legend()
    if len(logs) > 1:
        left.legend()
    left.set(title="Training", xlabel="epoch", ylabel="loss per user")
    right.set(title="Validation", xlabel="epoch", ylabel="mean over users")
    right.set_ylim(bottom=0)
    return figure


def _validated(entry: Entry, metric: str) -> float:
    value: float = entry["validation"][metric]
    return value


def _curve(
    axes: Axes,
    log: Sequence[Entry],
    value: Callable[[Entry], float],
    label: str,
    style: str,
    color: str,
) -> None:
    x, y = [entry["epoch"] for entry in log], [value(entry) for entry in log]
    # A line of one epoch would be invisible.
    marker = "o" if len(log) == 1 else None
    axes.plot(x, y, label=label, linestyle=style, color=color, marker=marker)
    axes.grid(visible=True, alpha=0.3)


def table(evaluations: Mapping[str, Evaluation], metrics: Sequence[str], model: str) -> Table:
    """A table with one row per metric and one column per recommender: mean ± standard error.

    Args:
        evaluations: evaluation of each recommender; `model` stands for the model.
        metrics: metrics to show.
        model: name of the model.
    """
    first = next(iter(evaluations.values()))
    left_out = first.users_without_target
    rows = Table(
        caption=f"mean ± standard error over {first.users:,} users"
        + (f"; nothing is held out of {left_out:,} more" if left_out else ""),
        caption_justify="left",
    )
    rows.add_column("", no_wrap=True)
    for name in evaluations:
        rows.add_column(model if name == "model" else name, justify="right", no_wrap=True)
    for metric in metrics:
        cells = (_cell(evaluation, metric) for evaluation in evaluations.values())
        rows.add_row(heading(metric), *cells)
    return rows


def selection_table(validated: Mapping[str, float], model: str) -> Table:
    """A table of the validation metrics with which an epoch, or constants, were selected.

    Args:
        validated: the metrics by name.
        model: name of the model.
    """
    rows = Table(
        caption="on what was held out while the selection was made; the final model has been "
        "trained on it, and is not tested",
        caption_justify="left",
    )
    rows.add_column("", no_wrap=True)
    rows.add_column(f"{model}, validation", justify="right", no_wrap=True)
    for metric, value in validated.items():
        rows.add_row(heading(metric), f"{value:.4f}")
    return rows


def _cell(evaluation: Evaluation, metric: str) -> str:
    # Lists of another system lack the metrics of a whole ranking.
    if metric not in evaluation.values and metric not in evaluation.overall:
        return ""
    mean = f"{evaluation.mean(metric):.4f}"
    # A metric of all lists together has no spread over users.
    if metric in evaluation.overall:
        return mean
    return f"{mean} ± {evaluation.standard_error(metric):.4f}"

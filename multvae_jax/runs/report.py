"""Training curves and metric tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.selection import Entry


def draw_curves(log: Sequence[Entry], best_epoch: int, path: Path) -> None:
    """Draw the loss and the validation metrics of each epoch to an image file."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [entry["epoch"] for entry in log]
    _curve(left, epochs, [entry["loss"] for entry in log], "loss")
    left.set(title="Training", xlabel="epoch", ylabel="loss per user")
    validated = [entry for entry in log if "validation" in entry]
    for metric in validated[0]["validation"] if validated else ():
        values = [entry["validation"][metric] for entry in validated]
        _curve(right, [entry["epoch"] for entry in validated], values, heading(metric))
    if validated:
        right.axvline(best_epoch, color="0.4", linestyle=":", label=f"best epoch ({best_epoch})")
        right.legend()
    right.set(title="Validation", xlabel="epoch", ylabel="mean over users")
    right.set_ylim(bottom=0)
    figure.savefig(path, dpi=120)


def _curve(axes: Axes, x: Sequence[int], y: Sequence[float], label: str) -> None:
    # A line of one epoch would be invisible.
    axes.plot(x, y, label=label, marker="o" if len(x) == 1 else None)
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
        + (f"; {left_out:,} more have nothing held out" if left_out else ""),
        caption_justify="left",
    )
    rows.add_column("", no_wrap=True)
    for name in evaluations:
        rows.add_column(model if name == "model" else name, justify="right", no_wrap=True)
    for metric in metrics:
        cells = (_cell(evaluation, metric) for evaluation in evaluations.values())
        rows.add_row(heading(metric), *cells)
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

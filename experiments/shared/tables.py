"""Tables of recommenders: means, two kinds of spread and a paired test, in JSON and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import multvae_jax as mv
from multvae_jax.evaluation import comparison
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.significance import against_best, mean_over_runs
from multvae_jax.recipe import SELECT_BY
from multvae_jax.reports import comparison as report
from multvae_jax.reports.comparison import format_markdown

CAPTION = """
Mean ± half of its 95% interval over seeds (standard error over users). p: paired sign-flip test
of {tested} over users, after Holm's correction for all pairs of rows.
"""


@dataclass(frozen=True)
class TableRow:
    """A recommender and its test.

    Attributes:
        evaluations: on the test users, one per seed, or a single one if nothing is random.
        setting: its hyperparameters.
        tried: the settings that were tried, each with its validation metric.
        seconds: to tune, train and test it with all seeds; None if not measured.
    """

    evaluations: Sequence[mv.Evaluation]
    setting: Mapping[str, Any] = field(default_factory=dict)
    tried: Sequence[Mapping[str, Any]] = ()
    seconds: float | None = None


def summarize(rows: Mapping[str, TableRow], tested: str = SELECT_BY) -> list[dict[str, Any]]:
    """Summarize each recommender for the table, the figure and the JSON file.

    `mean` is over seeds and users. `interval` is half of the 95% interval of the mean over seeds:
    how far another seed would move it. `standard_error` is over users, of their means over seeds:
    how far other users would move it. Each row is tested against the best one on these means, by
    the metric `tested`.
    """
    means = {name: mean_over_runs(row.evaluations) for name, row in rows.items()}
    comparisons = against_best(means, tested)

    return [
        {
            "name": name,
            "setting": row.setting,
            "metrics": {
                metric: comparison.summarize(row.evaluations, metric)._asdict()
                for metric in row.evaluations[0].values
            },
            "difference": comparisons[name].difference,
            "p_value": _none_if_nan(comparisons[name].p_value),
            "corrected_p_value": _none_if_nan(comparisons[name].corrected),
            "tried": list(row.tried),
            **({} if row.seconds is None else {"seconds": row.seconds}),
        }
        for name, row in rows.items()
    ]


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else value


def markdown_table(summary: Sequence[Mapping[str, Any]], tested: str = SELECT_BY) -> str:
    """One line per recommender: `mean ± interval (standard error)`, and the test; a caption."""
    metrics = list(summary[0]["metrics"])
    best = next(row for row in summary if row["p_value"] is None)
    header = ["", *map(heading, metrics), f"{heading(tested)} below {best['name']}", "p"]
    lines = []
    for row in summary:
        cells = [cell(row["metrics"][metric]) for metric in metrics]
        test = ["", ""]
        if row["p_value"] is not None:
            test = [f"{-row['difference']:.4f}", f"{row['corrected_p_value']:.4f}"]
        lines.append([row["name"], *cells, *test])
    return format_markdown(header, lines) + CAPTION.format(tested=heading(tested))


def cell(numbers: Mapping[str, Any]) -> str:
    """`mean ± interval (standard error)`, without the interval if there is none."""
    return report.cell(numbers["mean"], numbers["interval"], numbers["standard_error"])


def mean_and_interval(numbers: Mapping[str, Any]) -> str:
    """`mean ± interval`, without the interval if there is none."""
    return report.cell(numbers["mean"], numbers["interval"])

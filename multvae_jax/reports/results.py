"""The facts about each run, its metrics, and the differences between runs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.significance import confidence_half_width
from multvae_jax.reports import comparison, pieces
from multvae_jax.reports.contents import Content
from multvae_jax.reports.web_page import table_of


def facts(contents: Sequence[Content]) -> str:
    """A table with the facts about each run."""
    names = dict.fromkeys(name for one in contents for name in one.facts)
    lines = [[name, *(one.facts.get(name, "") for one in contents)] for name in names]
    return table_of(["", *(one.name for one in contents)], lines)


def _cell(evaluation: Evaluation | None, metric: str) -> str:
    """`mean ± half of its 95% interval over users`; a metric of all lists has no interval."""
    if evaluation is None:
        return ""
    values = evaluation.values.get(metric)
    half = None if values is None else confidence_half_width(values)
    return comparison.cell(evaluation.mean(metric), half)


def evaluations(contents: Sequence[Content], metrics: Sequence[str]) -> str:
    """A table of metrics with a column per run, and one of popularity if all runs share it."""
    tested = [one for one in contents if one.evaluation is not None]
    if not tested:
        return ""
    columns = {one.name: one.evaluation for one in tested}
    same = {
        tuple(one.popular.mean(metric) for metric in metrics)
        for one in tested
        if one.popular is not None
    }
    if len(same) == 1:
        columns["popularity" if "popularity" not in columns else "most popular"] = tested[0].popular
    lines = [
        [heading(metric), *(_cell(each, metric) for each in columns.values())] for metric in metrics
    ]
    return table_of(["", *columns], lines)


def results(
    contents: Sequence[Content],
    metrics: Sequence[str],
    compared: comparison.Report | None,
    notes: Sequence[str],
) -> str:
    """The metrics of each run, and the differences between them."""
    tested = [one.evaluation for one in contents if one.evaluation is not None]
    text = evaluations(contents, metrics) + pieces.left_out(contents, "results", "results")
    said = list(notes)
    if tested:
        users = dict.fromkeys(f"{one.users:,}" for one in tested)
        said.insert(
            0, f"mean ± half of its 95% interval over users; {' or '.join(users)} held-out users."
        )
    text += pieces.notes(said) if said else ""
    if compared is None:
        return text
    found = compared.comparisons
    text += f"<h3>Differences from {escape(found.reference)}</h3>\n"
    text += pieces.charts(
        [
            (
                comparison.draw(_of_metric(compared, metric)),
                f"Differences, {heading(metric)}",
            )
            for metric in found.summaries
        ]
    )
    header, sections = comparison.columns(compared)
    for metric, lines in sections.items():
        text += table_of([heading(metric), *header[1:]], lines)
    return text + pieces.notes(comparison.notes(compared))


def _of_metric(report: comparison.Report, metric: str) -> comparison.Report:
    """The same report with a single metric."""
    found = report.comparisons
    summaries, differences = found.summaries[metric], found.differences[metric]
    return report._replace(
        comparisons=found._replace(summaries={metric: summaries}, differences={metric: differences})
    )

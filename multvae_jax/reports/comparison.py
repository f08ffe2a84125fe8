"""A comparison of systems as a table on the screen, as Markdown, as JSON and as a picture."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from multvae_jax.errors import escaped
from multvae_jax.evaluation.comparison import Comparisons, Difference, Summary
from multvae_jax.evaluation.metrics import heading
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.reports.interval_plot import MOST_ACROSS, Mark, draw_marks

LEVEL = 0.05


class Overlap(NamedTuple):
    """Overlap of the lists of a system with those of the reference.

    Attributes:
        rbo: rank-biased overlap with p = .9, a mean over users and pairs of seeds.
        jaccard: share of the first 20 items of two lists that are in both, averaged as `rbo`.
    """

    rbo: float
    jaccard: float


class Report(NamedTuple):
    """The content of a report on a comparison.

    Attributes:
        comparisons: the differences.
        overlaps: system -> overlap with the reference; of the reference, if it has several seeds,
            the overlap of one seed with another.
        evaluation: one of those that are compared, for the number of users.
        part: whose users they are, "test" or "validation".
    """

    comparisons: Comparisons
    overlaps: Mapping[str, Overlap]
    evaluation: Evaluation
    part: str


Cells = list[list[str]]


def cell(mean: float, interval: float | None, standard_error: float | None = None) -> str:
    """`mean ± interval (standard error)`, without what there is none of."""
    around = "" if interval is None else f" ± {interval:.4f}"
    error = "" if standard_error is None else f" ({standard_error:.4f})"
    return f"{mean:.4f}{around}{error}"


def format_markdown(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns except the first are aligned to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "".join("| " + " | ".join(line) + " |\n" for line in [header, rule, *lines])


def _half(width: float | None) -> str:
    return "" if width is None else f"± {width:.4f}"


def columns(report: Report) -> tuple[list[str], dict[str, Cells]]:
    """Headings, and for each metric the cells of each system."""
    found = report.comparisons
    rows = [row for by_system in found.differences.values() for row in by_system.values()]
    with_seeds = any(row.over_seeds is not None for row in rows)
    header = ["", "mean", "difference", "95%, users"]
    header += ["95%, seeds"] * with_seeds + ["p", "users needed"]

    def cells(name: str, summary: Summary, row: Difference | None) -> list[str]:
        mean = cell(summary.mean, summary.interval, summary.standard_error)
        if row is None:
            return [name, mean, "reference", *[""] * (len(header) - 3)]
        seeds = [_half(row.over_seeds)] if with_seeds else []
        needed = "none" if row.users_needed is None else f"{row.users_needed:,}"
        p_value = "" if row.corrected is None else f"{row.corrected:.4f}"
        return [
            name, mean, f"{row.difference:+.4f}", _half(row.over_users), *seeds,
            p_value, needed if p_value else "",
        ]  # fmt: skip

    return header, {
        metric: [
            cells(name, summary, found.differences[metric].get(name))
            for name, summary in summaries.items()
        ]
        for metric, summaries in found.summaries.items()
    }


def _overlap_cells(report: Report) -> tuple[list[str], Cells]:
    reference = report.comparisons.reference
    header = [f"lists, overlap with those of {reference}", "RBO", "Jaccard@20"]
    own = {reference: f"{reference}, one seed with another"}
    return header, [
        [own.get(name, name), f"{each.rbo:.4f}", f"{each.jaccard:.4f}"]
        for name, each in report.overlaps.items()
    ]


def notes(report: Report) -> list[str]:
    """Sentences that explain the columns."""
    found = report.comparisons
    first = next(iter(found.summaries))
    seeds = any(row.interval is not None for row in found.summaries[first].values())
    over_seeds = "± half of its 95% interval over training seeds " if seeds else ""
    best = f"the best by {heading(first)}" if found.is_best else "as given"
    tests = "all pairs of systems" if found.is_best else "all systems but the reference"
    users, left_out = report.evaluation.users, report.evaluation.users_without_target
    more = f"; nothing is held out of {left_out:,} more" if left_out else ""
    said = [
        f"mean {over_seeds}(standard error over users): of {users:,} {report.part} "
        f"{'user' if users == 1 else 'users'}{more}.",
        f"difference: from the reference, {found.reference} ({best}).",
        "95%, users: half of its 95% interval over users, how far other users would move it.",
    ]
    if seeds:
        said.append(
            "95%, seeds: half of its 95% interval over training seeds, how far other seeds would "
            "move it; a system with one run counts as fixed."
        )
    said += [
        "p: paired sign-flip test over users, after Holm's correction for "
        f"{tests}, each metric by itself.",
        "users needed: to see a difference of this size in 80% of such tests, at level .05 without "
        "a correction.",
    ]
    if users < 10 and 2 / 2**users > LEVEL:
        said.append("so few users: no test of them can give a p of .05 or less.")
    if report.overlaps:
        said.append(
            "RBO: rank-biased overlap with p = .9; Jaccard@20: share of the items of two lists "
            "that are in both. Means over users."
        )
    return said


def table(report: Report) -> RenderableType:
    """The comparison for a terminal: one section per metric, and the overlap of the lists."""
    header, sections = columns(report)
    rows = _table_with(header, [line for lines in sections.values() for line in lines])
    for metric, lines in sections.items():
        rows.add_row(Text(heading(metric), style="bold"))
        for line in lines:
            rows.add_row(*_safe(line))
        rows.add_row()
    parts: list[RenderableType] = [rows]
    if report.overlaps:
        overlap_header, lines = _overlap_cells(report)
        overlaps = _table_with(overlap_header, lines)
        for line in lines:
            overlaps.add_row(*_safe(line))
        parts.append(overlaps)
    return Group(*parts, *(Text(note) for note in notes(report)))


def _table_with(header: Sequence[str], lines: Cells) -> Table:
    """A table without lines, whose columns are as wide as their numbers where there is room."""
    rows = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    rows.add_column(Text(escaped(header[0])), overflow="fold", min_width=8)
    for name, *cells in zip(header[1:], *(line[1:] for line in lines), strict=True):
        # A narrow terminal breaks a mean before its standard error.
        parts = [*name.split(), *(words.partition(" (")[0] for words in cells)]
        heading_lines = "\n".join(name.split())
        rows.add_column(heading_lines, justify="right", min_width=max(map(len, parts)))
    return rows


def _safe(line: Sequence[str]) -> list[Text]:
    return [Text(escaped(words)) for words in line]


def markdown(report: Report) -> str:
    """The comparison as Markdown: one table per metric, and the overlap of the lists."""
    header, sections = columns(report)
    parts = [
        format_markdown([heading(metric), *header[1:]], list(map(_in_markdown, lines)))
        for metric, lines in sections.items()
    ]
    if report.overlaps:
        overlap_header, lines = _overlap_cells(report)
        parts.append(format_markdown(_in_markdown(overlap_header), list(map(_in_markdown, lines))))
    parts.append("".join(f"- {note}\n" for note in notes(report)))
    return "\n".join(parts)


def _in_markdown(line: Sequence[str]) -> list[str]:
    return [escaped(words).replace("|", "\\|") for words in line]


def as_json(report: Report, runs: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The comparison as plain values.

    Args:
        report: the comparison.
        runs: system -> its runs or files.
    """
    found = report.comparisons

    def metric_of(metric: str, name: str) -> dict[str, Any]:
        row = found.differences[metric].get(name)
        summary = found.summaries[metric][name]
        return {
            "mean": summary.mean,
            "half_of_95_over_seeds": summary.interval,
            "standard_error_over_users": summary.standard_error,
            "by_seed": summary.by_seed,
            "difference": None if row is None else _difference_json(row),
        }

    return {
        "part": report.part,
        "users": report.evaluation.users,
        "users_without_target": report.evaluation.users_without_target,
        "reference": found.reference,
        "reference_is_best_by": next(iter(found.summaries)) if found.is_best else None,
        "systems": [
            {
                "name": name,
                "runs": list(paths),
                "metrics": {metric: metric_of(metric, name) for metric in found.summaries},
                "overlap_with_reference": report.overlaps[name]._asdict()
                if name in report.overlaps
                else None,
            }
            for name, paths in runs.items()
        ],
        "notes": notes(report),
    }


def _difference_json(row: Difference) -> dict[str, Any]:
    def interval(half: float | None) -> list[float] | None:
        return None if half is None else [row.difference - half, row.difference + half]

    return {
        "difference": row.difference,
        "interval_95_over_users": interval(row.over_users),
        "interval_95_over_seeds": interval(row.over_seeds),
        "p": row.p_value,
        "p_holm": row.corrected,
        "users_needed": row.users_needed,
    }


def draw(report: Report) -> Figure:
    """Draw the differences from the reference: one panel per metric, one line per system."""
    found = report.comparisons
    panels = {
        heading(metric): {
            name: Mark(
                row.difference,
                row.over_seeds,
                row.over_users,
                None if row.corrected is None else row.corrected <= LEVEL,
            )
            for name, row in rows.items()
        }
        for metric, rows in found.differences.items()
    }
    rows = [row for by_system in found.differences.values() for row in by_system.values()]
    seeds = "wide: 95% over seeds; " if any(row.over_seeds is not None for row in rows) else ""
    title = textwrap.fill(
        f"Difference from {found.reference}, {report.evaluation.users:,} {report.part} users",
        20 + 34 * min(len(panels), MOST_ACROSS),
    )
    untested = "; square: no test" if any(row.corrected is None for row in rows) else ""
    note = f"{seeds}thin: 95% over users; filled: p ≤ .05 after Holm's correction{untested}"
    return draw_marks(panels, title, note, zero=True)

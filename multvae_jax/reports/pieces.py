"""Pieces of HTML that the parts of the page share."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from multvae_jax.reports.contents import Content
from multvae_jax.reports.web_page import picture

MOST_COLUMNS = 5
"""Columns of a table beside a chart."""


def left_out(contents: Sequence[Content], part: str, what: str) -> str:
    """A sentence for each run that lacks a part of the page, with the reason.

    Args:
        contents: the runs.
        part: the part, a key of `Content.left_out`.
        what: what the run lacks, in words.
    """
    return "".join(
        f'<p class="left-out">{escape(f"{one.name} has no {what}: {one.left_out[part]}.")}</p>\n'
        for one in contents
        if part in one.left_out
    )


def charts(drawn: Sequence[tuple[Figure | None, str]]) -> str:
    """Figures, each with a description, side by side where there is room; None is left out."""
    pictures = "".join(picture(figure, about) for figure, about in drawn if figure is not None)
    return f'<div class="charts">\n{pictures}</div>\n' if pictures else ""


def beside(chart: str, table: str) -> str:
    """A chart and its table, side by side where the columns of the table have room."""
    if table.count("<th ") > MOST_COLUMNS:
        return chart + table
    cells = "".join(f"<div>\n{part}</div>\n" for part in (chart, table))
    return f'<div class="beside">\n{cells}</div>\n'


def notes(said: Sequence[str]) -> str:
    """Remarks in small print."""
    lines = "".join(f"<li>{escape(note)}</li>\n" for note in said)
    return f'<ul class="notes">\n{lines}</ul>\n'

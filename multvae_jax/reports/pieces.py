"""Pieces of the parts of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from multvae_jax.reports.contents import Content
from multvae_jax.runs.web_page import picture

MOST_COLUMNS = 5
"""Columns of a table beside a chart."""


def left_out(contents: Sequence[Content], part: str, what: str) -> str:
    """A sentence for each run without a part of the page."""
    return "".join(
        f'<p class="left-out">{escape(f"{one.name} has no {what}: {one.left_out[part]}.")}</p>\n'
        for one in contents
        if part in one.left_out
    )


def charts(drawn: Sequence[tuple[Figure | None, str]]) -> str:
    """Pictures side by side where there is room, each with what it shows."""
    pictures = "".join(picture(figure, about) for figure, about in drawn if figure is not None)
    return f'<div class="charts">\n{pictures}</div>\n' if pictures else ""


def beside(chart: str, table: str) -> str:
    """A chart and its table, side by side where there is room for all columns."""
    if table.count("<th ") > MOST_COLUMNS:
        return chart + table
    cells = "".join(f"<div>\n{part}</div>\n" for part in (chart, table))
    return f'<div class="beside">\n{cells}</div>\n'


def notes(said: Sequence[str]) -> str:
    """Remarks in small letters."""
    lines = "".join(f"<li>{escape(note)}</li>\n" for note in said)
    return f'<ul class="notes">\n{lines}</ul>\n'

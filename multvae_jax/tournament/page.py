"""A tournament as one HTML file, without anything from elsewhere."""

from __future__ import annotations

import base64
import io
from html import escape

from matplotlib import rc_context
from matplotlib.figure import Figure

from multvae_jax.tournament import report
from multvae_jax.tournament.report import Cells
from multvae_jax.tournament.rounds import Tournament

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.verdict { font-size: 1.05rem; margin: .2rem 0; }
.better { color: #06632b; } .worse { color: #a11212; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th { border-bottom: 2px solid #999; vertical-align: bottom; }
td, th { padding: .2rem .6rem; text-align: right; white-space: nowrap; }
td:nth-child(-n+2), th:nth-child(-n+2) { text-align: left; }
tr:nth-child(even) td { background: #f5f5f5; }
img { max-width: 100%; height: auto; } .notes { color: #555; font-size: .85rem; }
code { background: #f2f2f2; padding: .1rem .3rem; overflow-wrap: anywhere; }
"""


def page(found: Tournament, command: str) -> str:
    """Return the page: what was found, the pictures, the tables, and what they mean.

    Args:
        found: the tournament.
        command: the command that can repeat it.
    """
    title = escape(f"{found.idea} against {', '.join(found.rivals)}")
    verdicts = "".join(
        f'<p class="verdict {match.verdict(found.select_by).replace(" ", "-")}">'
        f"{escape(report.verdict_of(found, match))}</p>\n"
        for match in found.matches
    )
    pictures = _image(report.draw_differences(found), "Differences with their intervals")
    if (calibrations := report.draw_calibrations(found)) is not None:
        pictures += _image(calibrations, "Observed over predicted clicks")
    tables = "".join(map(_table, report.tables_of(found)))
    sizes = "".join(
        f"<li>{escape(one.data)}: {one.shape.n_users:,} training users, {one.shape.n_items:,} "
        f"items, {one.shape.n_interactions:,} interactions; {one.test_users:,} test users, "
        f"{one.seeds} seeds</li>\n"
        for one in found.rounds
    )
    notes = "".join(f"<li>{escape(note)}</li>\n" for note in report.notes(found))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"{verdicts}{pictures}{tables}<h2>Data</h2>\n<ul>\n{sizes}</ul>\n"
        f'<h2>Notes</h2>\n<ul class="notes">\n{notes}</ul>\n'
        f"<p><code>{escape(command)}</code></p>\n</body>\n</html>\n"
    )


def _image(figure: Figure, about: str) -> str:
    """A figure as an image whose data is in the page."""
    written = io.BytesIO()
    # The ids are the same in each run.
    with rc_context({"svg.hashsalt": "multvae"}):
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(written.getvalue()).decode()
    return f'<p><img alt="{escape(about)}" src="data:image/svg+xml;base64,{data}"></p>\n'


def _table(cells: Cells) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in cells.header)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(words)}</td>" for words in line) + "</tr>\n"
        for line in cells.lines
    )
    return (
        f'<h2>{escape(cells.title)}</h2>\n<div class="scroll"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table></div>\n"
    )

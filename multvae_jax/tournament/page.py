"""A tournament as one HTML file, without anything from elsewhere."""

from __future__ import annotations

from html import escape

from multvae_jax.reports.web_page import page_of, picture, table_of
from multvae_jax.tournament import report
from multvae_jax.tournament.rounds import Tournament

STYLE = """
.verdict { font-size: 1.05rem; margin: .2rem 0; }
.better { color: #06632b; } .worse { color: #a11212; }
td:nth-child(2), th:nth-child(2) { text-align: left; }
"""


def page(found: Tournament, command: str) -> str:
    """Return the page: what was found, the pictures, the tables, and what they mean.

    Args:
        found: the tournament.
        command: the command that can repeat it.
    """
    verdicts = "".join(
        f'<p class="verdict {match.verdict(found.select_by).replace(" ", "-")}">'
        f"{escape(report.verdict_of(found, match))}</p>\n"
        for match in found.matches
    )
    pictures = picture(report.draw_differences(found), "Differences with their intervals")
    if (calibrations := report.draw_calibrations(found)) is not None:
        pictures += picture(calibrations, "Observed over predicted clicks")
    tables = "".join(
        f"<h2>{escape(cells.title)}</h2>\n{table_of(cells.header, cells.lines)}"
        for cells in report.tables_of(found)
    )
    sizes = "".join(
        f"<li>{escape(one.data)}: {one.shape.n_users:,} training users, {one.shape.n_items:,} "
        f"items, {one.shape.n_interactions:,} interactions; {one.test_users:,} test users, "
        f"{one.seeds} seeds</li>\n"
        for one in found.rounds
    )
    notes = "".join(f"<li>{escape(note)}</li>\n" for note in report.notes(found))
    body = (
        f"{verdicts}{pictures}{tables}<h2>Data</h2>\n<ul>\n{sizes}</ul>\n"
        f'<h2>Notes</h2>\n<ul class="notes">\n{notes}</ul>\n'
        f"<p><code>{escape(command)}</code></p>\n"
    )
    return page_of(f"{found.idea} against {', '.join(found.rivals)}", body, STYLE)

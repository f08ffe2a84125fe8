"""Pieces of an HTML page that is one file: tables, pictures, and the page around them."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from warnings import catch_warnings, filterwarnings

from matplotlib import rc_context
from matplotlib.figure import Figure

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th { border-bottom: 2px solid #999; vertical-align: bottom; }
td, th { padding: .2rem .6rem; text-align: right; white-space: nowrap; }
td:first-child, th:first-child { text-align: left; }
tr:nth-child(even) td { background: #f5f5f5; }
img { max-width: 100%; height: auto; } .notes { color: #555; font-size: .85rem; }
code { background: #f2f2f2; padding: .1rem .3rem; overflow-wrap: anywhere; }
"""

NOTHING_FROM_ELSEWHERE = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
)
"""The content security policy of a page, which loads nothing from elsewhere."""


def page_of(title: str, body: str, style: str = "", script: str = "") -> str:
    """Return a page, which loads nothing.

    Args:
        title: its title, as text.
        body: what is below its heading, as HTML.
        style: rules added to those of all pages.
        script: a program that runs once the page is there.
    """
    shown = escape(title)
    program = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{NOTHING_FROM_ELSEWHERE}">\n'
        f"<title>{shown}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
        f"<h1>{shown}</h1>\n{body}{program}</body>\n</html>\n"
    )


def picture(figure: Figure, about: str) -> str:
    """Return a figure as an image whose data is in the page.

    Args:
        figure: the figure.
        about: what it shows, for those who cannot see it.
    """
    written = io.BytesIO()
    # The ids are the same in each run, and the letters are those of the browser: the font of
    # matplotlib lacks most scripts, of which it would warn.
    with rc_context({"svg.hashsalt": "multvae", "svg.fonttype": "none"}), catch_warnings():
        filterwarnings("ignore", "Glyph")
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(written.getvalue()).decode()
    return f'<p><img alt="{escape(about)}" src="data:image/svg+xml;base64,{data}"></p>\n'


def table_of(header: Sequence[str], lines: Sequence[Sequence[str]], name: str = "") -> str:
    """Return a table of words, which scrolls where the window is narrower.

    Args:
        header: names of the columns.
        lines: the rows, of text.
        name: what the table holds, if no heading above it says so.
    """
    label = f' aria-label="{escape(name)}"' if name else ""
    head = "".join(f'<th scope="col">{escape(words)}</th>' for words in header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(words)}</td>" for words in line) + "</tr>\n"
        for line in lines
    )
    return (
        f'<div class="scroll" tabindex="0"><table{label}>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )

"""Tables of values in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


def html_table(caption: str, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as HTML, whatever its cells hold.

    Example:
        >>> html_table("Run", ["metric"], [["a & b"]])
        '<table><caption>Run</caption><tr><th>metric</th></tr><tr><td>a &amp; b</td></tr></table>'
    """
    lines = [("th", heading), *(("td", row) for row in rows)]
    body = "".join(
        f"<tr>{''.join(f'<{tag}>{escape(str(cell))}</{tag}>' for cell in cells)}</tr>"
        for tag, cells in lines
    )
    return f"<table><caption>{escape(caption)}</caption>{body}</table>"

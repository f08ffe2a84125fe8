"""Values as text in a session, and as tables in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest
from typing import Any

FEW = 5
"""Items of a list that are shown in a line."""


def items_in_line(
    what: str, ids: Sequence[str], titles: Sequence[str | None], numbers: Sequence[float]
) -> str:
    """Return a list of items with their titles and numbers as one line, cut after a few.

    Example:
        >>> items_in_line("2 items", ["a", "b"], ["Alien", None], [1.25, 0.5])
        '<2 items: a Alien 1.25, b 0.5>'
    """
    shown = [
        " ".join(filter(None, (item, title, f"{number:.4g}")))
        for item, title, number in zip_longest(ids[:FEW], titles[:FEW], numbers[:FEW])
    ]
    more = ["..."] if len(ids) > FEW else []
    return f"<{what}: {', '.join([*shown, *more])}>"


def html_items(
    caption: str,
    number: str,
    ids: Sequence[str],
    titles: Sequence[str | None],
    numbers: Sequence[float],
) -> str:
    """Return a list of items with their ranks, titles and numbers as HTML.

    Args:
        caption: caption of the table.
        number: heading of the numbers.
        ids: ids of the items.
        titles: their titles; may be empty.
        numbers: their scores or effects.
    """
    rows = [
        (rank, item, title or "", f"{value:.4f}")
        for rank, (item, title, value) in enumerate(
            zip_longest(ids, titles[: len(ids)], numbers), start=1
        )
    ]
    return html_table(caption, ("", "item", "title", number), rows)


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

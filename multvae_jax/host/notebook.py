"""Text representations for a session; tables and progress bars for a notebook."""

from __future__ import annotations

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from importlib import import_module
from itertools import zip_longest
from typing import Any

MIDDLE = 'style="vertical-align: middle"'
EVERY = 0.2
"""Seconds between two pictures of a bar at least: each is a message to the browser."""


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


@contextlib.contextmanager
def notebook_bar(
    title: str, total: int | None, completed: int = 0, description: str = "", unit: str = ""
) -> Iterator[Callable[..., None]]:
    """Show one progress bar in the output of a cell, without widgets.

    Args:
        title: text before the bar.
        total: the count at which it is full; None if that is not known.
        completed: the count it starts at.
        description: text after the count.
        unit: "MB" for counts of bytes.
    """
    display: Any = import_module("IPython.display")
    done, began, last = completed, time.monotonic(), 0.0

    def picture() -> Any:
        scale = 1e6 if unit else 1
        shown = [f"{number / scale:,.{1 if unit else 0}f}" for number in (done, total or 0)]
        count = "/".join(shown[: 1 if total is None else 2])
        # Without a value, the bar shows that something goes on.
        bar = "" if total is None else f' value="{done}" max="{max(total, 1)}"'
        seconds = datetime.timedelta(seconds=int(time.monotonic() - began))
        text = " ".join(filter(None, (count, unit, description, str(seconds))))
        return display.HTML(f"{escape(title)} <progress{bar} {MIDDLE}></progress> {escape(text)}")

    handle = display.display(picture(), display_id=True)

    def advance(count: int = 1, text: str | None = None) -> None:
        nonlocal done, description, last
        done += count
        description = description if text is None else text
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            handle.update(picture())

    try:
        yield advance
    finally:
        # What had no end ends here.
        total = done if total is None else total
        handle.update(picture())


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

"""Tables on standard output; messages and progress bars on standard error."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from multvae_jax.errors import one_line
from multvae_jax.host.notebook import in_notebook, notebook_bar
from multvae_jax.host.streams import output_errors

if TYPE_CHECKING:
    from rich.console import RenderableType


def say(message: str) -> None:
    """Print a message on standard error, in one line.

    If that is full or closed, the message is dropped.
    """
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            print(one_line(message), file=sys.stderr, flush=True)


_WIDEST = 10_000
"""Columns of the widest table."""


def print_table(table: RenderableType) -> None:
    """Print a table, or a group of them, wider than the terminal if columns must not wrap.

    Raises:
        InputError: it cannot be written.
    """
    from rich.console import Console, Group
    from rich.table import Table

    class Output(Console):
        def on_broken_pipe(self) -> None:
            # rich itself would end the program here, with a status of its own.
            raise

    console = Output(highlight=False)
    unbounded = console.options.update(max_width=_WIDEST)
    for each in table.renderables if isinstance(table, Group) else [table]:
        for column in each.columns if isinstance(each, Table) else ():
            if column.no_wrap:
                cells = (column.header, *column.cells)
                widths = (console.measure(cell, options=unbounded).maximum for cell in cells)
                column.min_width = max(widths)
    console.width = max(console.width, console.measure(table, options=unbounded).minimum)
    with output_errors():
        console.print(table)


class _Dropping:
    """A stream without the errors of writing to it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream or io.StringIO()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


class Advance(Protocol):
    """Advance a progress bar by a count, and change its description if one is given."""

    def __call__(self, count: int = 1, description: str | None = None) -> None: ...  # noqa: D102


@contextlib.contextmanager
def progress_bar(
    title: str,
    total: int | None,
    *,
    completed: int = 0,
    description: str = "",
    in_bytes: bool = False,
) -> Iterator[Advance]:
    """Show a progress bar on standard error while the block runs, or in the cell of a notebook.

    Args:
        title: text before the bar.
        total: the count at which it is full; None if that is not known.
        completed: the count it starts at.
        description: text after the count.
        in_bytes: show the count as a size in bytes, with the speed.
    """
    if in_notebook():
        unit = "MB" if in_bytes else ""
        with notebook_bar(title, total, completed, description, unit) as advance_cell:
            yield advance_cell
        return
    # Imported here because `--help` shows no bar.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    counts: list[ProgressColumn] = [MofNCompleteColumn()]
    if in_bytes:
        counts = [DownloadColumn(), TransferSpeedColumn()]
    bar = Progress(
        TextColumn("{task.fields[title]}", markup=False),
        BarColumn(),
        *counts,
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
        # A full or closed standard error does not end a training.
        console=Console(file=cast(IO[str], _Dropping(sys.stderr))),
    )
    task = bar.add_task(description, total=total, completed=completed, title=title)

    def advance(count: int = 1, description: str | None = None) -> None:
        bar.update(task, advance=count, description=description)

    with bar:
        yield advance


@contextlib.contextmanager
def native_errors_muted() -> Iterator[None]:
    """Mute what native code writes to the standard error of the process.

    A panic of Rust is written there before it becomes an exception. Messages of other threads are
    lost, too, so the block should be short.
    """
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

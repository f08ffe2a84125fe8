"""Results of the commands: tables on standard output, and files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.table import Table

from multvae_jax.host.files import atomic_write


@contextlib.contextmanager
def writing(path: str | None) -> Iterator[TextIO]:
    """The standard output, or a file that appears once it is complete."""
    if path is None:
        yield sys.stdout
        return
    with atomic_write(path) as file:
        yield file


def print_table(rows: Table) -> None:
    """Print a table on standard output."""
    Console(highlight=False).print(rows)

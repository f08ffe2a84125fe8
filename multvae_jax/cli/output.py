"""Results of the commands, on standard output or in files."""

from __future__ import annotations

import contextlib
import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TextIO

from multvae_jax.errors import escaped
from multvae_jax.host.files import atomic_write
from multvae_jax.host.streams import output_errors, use_utf8

FEW = 3
"""Users that are named one by one on standard error; of more, only their number is printed."""


def listed(ids: Sequence[str]) -> str:
    """The first few ids of a list."""
    return ", ".join(ids[:FEW]) + (", ..." if len(ids) > FEW else "")


@contextlib.contextmanager
def writing(path: str | None) -> Iterator[TextIO]:
    """The standard output, or a file that appears once it is complete."""
    if path is None:
        use_utf8(sys.stdout)
        with output_errors():
            yield sys.stdout
        return
    with atomic_write(path) as file:
        yield file


def write_rows(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows as CSV to the standard output, with nothing that a terminal would obey."""
    shown = escaped if sys.stdout.isatty() else str
    with writing(None) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heading)
        for row in rows:
            writer.writerow("" if value is None else shown(str(value)) for value in row)

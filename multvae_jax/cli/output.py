"""Results of the commands, on standard output or in files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

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

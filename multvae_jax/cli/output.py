"""Results of the commands, on standard output or in files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TextIO

from multvae_jax.host.files import atomic_write
from multvae_jax.host.streams import output_errors, use_utf8


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

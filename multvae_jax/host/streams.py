"""Standard streams that are closed, on a full disk, or not in UTF-8."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any

from multvae_jax.errors import InputError

PLAIN = "multvae-plain"
"""Error handler of an encoding: characters that it lacks are written in ASCII."""

_IN_ASCII = {"±": "+/-", "…": "..."}


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    parts = (_IN_ASCII.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text)
    return "".join(parts), error.end


codecs.register_error(PLAIN, _in_ascii)


def prepare_streams() -> None:
    """Make standard output and error usable, whatever they were started with.

    A stream that is closed is opened again, so that no file that is opened later takes its place:
    the output fails as it is written, and errors are dropped. Characters that the encoding of a
    stream does not have are written in ASCII.
    """
    # From the lowest: the system gives a new file the lowest number that is free.
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        _reconfigure(getattr(sys, name), errors=PLAIN)


def use_utf8(stream: object) -> None:
    """Write a stream in UTF-8 with the line ends as they are given, as all files are written."""
    _reconfigure(stream, encoding="utf-8", errors="strict", newline="")


def _reconfigure(stream: object, **settings: Any) -> None:
    # A caller of `main` may have replaced the stream by another kind.
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(**settings)


@contextlib.contextmanager
def output_errors() -> Iterator[None]:
    """Raise an error of writing to standard output as an `InputError`.

    A reader that has closed it, as `head` does, is not an error, and ends the command quietly.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"standard output: {error.strerror}") from None


def flush_output() -> OSError | None:
    """Write out what the standard streams still hold, and drop what cannot be written.

    Returns:
        The error of standard output, if it cannot be written.
    """
    error = _flush(sys.stdout)
    _flush(sys.stderr)
    return error


def _flush(stream: Any) -> OSError | None:
    try:
        stream.flush()
    except OSError as error:
        # The interpreter would try once more as it ends, and fail.
        with contextlib.suppress(OSError):
            empty = os.open(os.devnull, os.O_WRONLY)
            os.dup2(empty, stream.fileno())
            os.close(empty)
        return error
    return None

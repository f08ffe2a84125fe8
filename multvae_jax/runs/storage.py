"""Errors of orbax's storage: as errors of the system, and without what its tasks report besides.

orbax reads and writes in threads and tasks of its own. When one of them fails, its error is raised;
the others report theirs on the standard error, at any later time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from multvae_jax.errors import InputError, first_line
from multvae_jax.host.console import native_errors_muted

Result = TypeVar("Result")

PATTERNS = frozenset("*?[\\") - {os.sep}
"""Characters that orbax takes for a pattern, or for a separator, wherever they are in a path."""


def storage_path(path: str | Path) -> Path:
    """The absolute path, as orbax needs it.

    Raises:
        InputError: orbax would write or read elsewhere.
    """
    absolute = Path(path).absolute()
    found = [name for name in absolute.parts if PATTERNS & set(name)]
    if found:
        (character, *_) = sorted(PATTERNS & set(found[0]))
        raise InputError(
            f"{path}: arrays cannot be stored below a name with {character!r}, as in {found[0]!r}; "
            "rename it"
        )
    try:
        str(absolute).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{path}: arrays cannot be stored below a name that is not UTF-8 text; rename it"
        ) from None
    return absolute


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Raise an error of orbax's storage as the `OSError` that the system has reported to it."""
    try:
        yield
    # The storage raises errors of several types, with the number of the system's in their text.
    except Exception as error:
        found = re.search(r"os_error_code='(\d+)'", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1]))) from error


@contextlib.contextmanager
def reports_muted() -> Iterator[None]:
    """Keep what orbax's threads report off the standard error: their errors are raised as well.

    A thread may report after the error was raised; a command mutes them until it ends.
    """
    _drop_late_reports()
    before = threading.excepthook
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    disabled = [logger.disabled for logger in loggers]

    def report(failed: threading.ExceptHookArgs) -> None:
        frames = traceback.extract_tb(failed.exc_traceback)
        if not any("orbax" in frame.filename for frame in frames):
            before(failed)

    threading.excepthook = report
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        threading.excepthook = before
        for logger, was in zip(loggers, disabled, strict=True):
            logger.disabled = was


def quietly(read: Callable[[], Result]) -> Result:
    """Return what a function reads, or raise its error without tracebacks of background tasks.

    Raises:
        ValueError: the function has failed; the message is the first line of its error.
    """
    _drop_late_reports()
    with native_errors_muted():
        try:
            return read()
        except Exception as error:
            problem = first_line(error)
    # Raised anew, without the tasks that the error refers to.
    raise ValueError(problem)


def _drop_late_reports() -> None:
    """Drop what tasks of orbax report when another of them has failed; once for the process.

    Those that are still running find the event loop closed, or are collected as garbage, at any
    later time. The first failure is raised as an exception anyway.
    """
    if getattr(sys.unraisablehook, "__name__", "") == _report_unraisable.__name__:
        return
    sys.unraisablehook = partial(_report_unraisable, sys.unraisablehook)
    sys.unraisablehook.__name__ = _report_unraisable.__name__  # type: ignore[attr-defined]
    logging.getLogger("asyncio").addFilter(_is_not_of_storage)


def _report_unraisable(
    before: Callable[[sys.UnraisableHookArgs], Any], failed: sys.UnraisableHookArgs
) -> None:
    text = str(failed.exc_value)
    if text != "Event loop is closed" and not _OF_STORAGE.search(text):
        before(failed)


def _is_not_of_storage(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not _OF_STORAGE.search(f"{record.getMessage()} {error}")


_OF_STORAGE = re.compile("OCDBT|zarr|TensorStore|orbax")
"""Names in the errors of orbax's storage."""

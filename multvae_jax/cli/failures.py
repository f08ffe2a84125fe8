"""Exceptions that end a command, as one line and an exit status."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import NamedTuple

from multvae_jax.errors import InputError, PartlyDoneError, first_line, is_out_of_memory, reason_of
from multvae_jax.host.signals import Interrupted

DEBUG = "MULTVAE_DEBUG"
"""Environment variable that shows the traceback of a bug."""

_PACKAGE = Path(__file__).parents[1]


class Failure(NamedTuple):
    """How a command ends.

    Attributes:
        status: the exit status.
        message: one line; empty if nothing is said.
    """

    status: int
    message: str = ""


def failure_of(error: BaseException | None, output: OSError | None) -> Failure:
    """Return how a command ends that an exception has ended.

    Args:
        error: the exception; None if the command has ended as it should.
        output: the error of standard output, if that cannot be written.
    """
    if isinstance(error, PartlyDoneError):
        return Failure(3, str(error))
    if isinstance(error, InputError):
        return Failure(2, str(error))
    if isinstance(error, Interrupted):
        return Failure(error.exit_status, error.message or "interrupted")
    if isinstance(error, KeyboardInterrupt):
        return Failure(130, "interrupted")
    if isinstance(output or error, BrokenPipeError):
        # The reader of the output has closed it, as `head` does.
        return Failure(0)
    if output is not None:
        return Failure(2, f"standard output: {reason_of(output)}")
    assert error is not None
    return Failure(2, told) if (told := _explanation(error)) else _bug(error)


def _explanation(error: BaseException) -> str | None:
    """One line for an error of the machine or of the user's own code; None for a bug."""
    from multvae_jax.config.user_functions import error_in_user_file

    line = first_line(error)
    if is_out_of_memory(error):
        what = line.rpartition("RESOURCE_EXHAUSTED: ")[2]
        return (
            f"out of memory ({what}); a lower --batch-size, --hidden or --latent, --item-block, "
            "or fewer members of a sweep at once (--max-parallel) need less"
        )
    if message := error_in_user_file(error):
        return message
    if isinstance(error, OSError):
        return f"{error.filename or 'reading or writing failed'}: {reason_of(error)}"
    return None


def _bug(error: BaseException) -> Failure:
    own = [
        f" ({Path(frame.filename).relative_to(_PACKAGE)}:{frame.lineno})"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    return Failure(
        1,
        f"this is a bug: {first_line(error, with_type=True)}{own[-1] if own else ''}; please "
        f"report it with the traceback, which {DEBUG}=1 shows",
    )

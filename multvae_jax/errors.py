"""`InputError`, the exception for input that cannot be used, and errors in one line."""

from __future__ import annotations

import contextlib
import difflib
import sysconfig
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used; its message is one line that names the place.

    The command line prints the message and exits with status 2. Whatever a file, a path or another
    library puts into a message, it is written as `one_line` writes it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


_LONGEST = 2000
_LONGEST_VALUE = 40
_MOST_NAMES = 12


class PartlyDoneError(InputError):
    """Parts of the input were wrong and left out; the rest is done and written."""


def one_line(text: str) -> str:
    """Return text in one line: control characters escaped, and its middle cut if it is long.

    Args:
        text: the text, perhaps from a file, with line breaks or codes that a terminal obeys.
    """
    # Twice, as escaping makes text longer, and cutting first keeps it fast.
    return _cut(escaped(_cut(text)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 500]} ... {text[-480:]}"


def escaped(text: str) -> str:
    r"""Return text with the characters escaped that a terminal would obey rather than show.

    Example:
        >>> escaped("a\x1b[2Jb\nc")
        'a\\x1b[2Jb\\nc'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(value: str) -> str:
    """Return a value of a file as a message shows it: in one line, cut to 40 characters."""
    return one_line(value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}...")


def listed(names: Sequence[str]) -> str:
    """Return names as a message lists them: each shortened, at most a dozen of them."""
    shown = ", ".join(shortened(name.strip()) for name in names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown


def first_line(error: BaseException, *, with_type: bool = False) -> str:
    """Return the first line of an error's message, or its type if the message is empty.

    Args:
        error: the error.
        with_type: put the type in front, as in "KeyError: 'a'".
    """
    kind, line = type(error).__name__, str(error).strip().partition("\n")[0].strip()
    if with_type and line:
        return f"{kind}: {line}"
    return line or kind


def reason_of(error: BaseException) -> str:
    """Return why something failed: the system's reason, or the first line of the message."""
    return (isinstance(error, OSError) and error.strerror) or first_line(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of the machine or a device is exhausted."""
    # By text: jax raises the errors of its compiler as one type, which may not be imported here.
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in first_line(error)


@contextlib.contextmanager
def file_errors(place: str | Path, note: str = "", *, own_name: bool = False) -> Iterator[None]:
    """Raise an `OSError` of the block as an `InputError`: "place: No such file or directory".

    Args:
        place: the file or folder to name.
        note: appended to the message.
        own_name: name the file that the error itself names, if any, instead of `place`.
    """
    try:
        yield
    except OSError as error:
        named = (own_name and error.filename) or place
        raise InputError(f"{named}: {reason_of(error)}{note}") from None


@contextlib.contextmanager
def noted(notes: Iterable[str]) -> Iterator[None]:
    """Add notes to an `InputError` of the block: how the input that is refused was read."""
    try:
        yield
    except InputError as error:
        for note in notes:
            error.add_note(one_line(note))
        raise


MOST_LISTED = 12
"""Names that an error message lists at most."""


def names_like(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the names that there are, closest first."""
    names = list(known)
    if not names:
        return ""
    close = difflib.get_close_matches(name, names, n=MOST_LISTED, cutoff=0.6)
    listed = [*close, *(other for other in names if other not in close)]
    more = ", ..." if len(listed) > MOST_LISTED else ""
    meant = f"; did you mean {close[0]}?" if close else "."
    return f"{meant} There are: {', '.join(listed[:MOST_LISTED])}{more}"


def failure_of(part: str, error: BaseException) -> str:
    """Describe an error of a user's function: the line that raised it, or else the part, and why.

    Args:
        part: name of the argument that the function is, or is in.
        error: what it raised.
    """
    where = _own_line(error) or f"{part}: "
    return f"{where}{first_line(error, with_type=True)}"


def _own_line(error: BaseException) -> str:
    """The last line of the user's own code that an error came through, as "file.py:3: "."""
    libraries = (sysconfig.get_path("stdlib"), str(Path(__file__).parent), "<frozen")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        name = frame.filename
        if not name.startswith(libraries) and "site-packages" not in name:
            return f"{name}:{frame.lineno}: "
    return ""

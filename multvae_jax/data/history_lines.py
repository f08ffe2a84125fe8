"""Histories in a stream of lines, a few at a time, so that memory does not depend on their number.

A line is a JSON object of a user and its items, {"user": "ann", "items": ["50", "181"]}; a JSON
list of the items alone, whose user is the number of the line; or the user and the items as text,
separated by blanks.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from multvae_jax.data.known_items import KnownItems, KnownLists
from multvae_jax.data.readers.compression import BROKEN, PACKED, ZIP_MAGIC
from multvae_jax.data.readers.json_lists import matched_keys, text_of
from multvae_jax.data.readers.paths import STDIN
from multvae_jax.errors import InputError, file_errors, first_line, shortened

LONGEST_LINE = 2**26
"""Bytes of a line above which it is not one history."""

ALL_BAD = 100
"""Lines after which a file without any history is refused."""

_SEPARATORS = (",", ";", "|", "::")


class Lines(NamedTuple):
    """An open stream of lines.

    Attributes:
        name: its name in messages.
        file: the decompressed lines.
        size: bytes of the file as it is stored; None if that is not known, as of a pipe.
        done: returns how many of these bytes are read.
    """

    name: str
    file: Any
    size: int | None
    done: Callable[[], int]


class HistoryBlock(NamedTuple):
    """Histories of a few lines, in their order.

    Attributes:
        user_ids: id of the user of each line.
        known: their histories.
    """

    user_ids: list[str]
    known: KnownLists


@contextlib.contextmanager
def open_lines(path: str | Path) -> Iterator[Lines]:
    """Open a file of lines, compressed or not, or the standard input for "-".

    Raises:
        InputError: it cannot be read, or is not text.
    """
    if str(path) == STDIN:
        if sys.stdin is None or sys.stdin.closed:
            raise InputError("standard input: closed")
        yield _lines("standard input", getattr(sys.stdin, "buffer", sys.stdin), None, lambda: 0)
        return
    with contextlib.ExitStack() as stack:
        with file_errors(path):
            raw = stack.enter_context(Path(path).open("rb", buffering=0))
            about = os.fstat(raw.fileno())
        is_file = stat.S_ISREG(about.st_mode)
        yield _lines(
            str(path),
            io.BufferedReader(raw, 2**20),
            about.st_size if is_file else None,
            raw.tell if is_file else lambda: 0,
        )


def _lines(name: str, file: Any, size: int | None, done: Callable[[], int]) -> Lines:
    with file_errors(name):
        start = file.peek(8)[:8] if hasattr(file, "peek") else b""
    if start.startswith(ZIP_MAGIC) or start[:4] in (b"PAR1", b"ARRO"):
        raise InputError(f"{name}: not lines of text; unpack it, or give it as --history")
    packed = next((packed for packed in PACKED if start.startswith(packed.magic)), None)
    if packed is not None:
        file = io.BufferedReader(packed.open(file), 2**20)
    return Lines(name, file, size, done)


def history_blocks(
    lines: Lines, items: KnownItems, on_bad: Callable[[str], None], size: int = 2048
) -> Iterator[HistoryBlock]:
    """Read histories a few at a time, in their order.

    Args:
        lines: the open stream.
        items: the items of the catalogue.
        on_bad: is called for each line that is not a history with a message that names the line.
        size: histories at a time.

    Raises:
        InputError: the stream cannot be read, or begins with `ALL_BAD` lines of another kind.
    """
    users: list[str] = []
    histories: list[list[str]] = []
    keys: dict[tuple[str, ...], tuple[str, str] | None] = {}
    n_bad, any_good = 0, False
    for number, line in _numbered(lines):
        place = f"{lines.name}:{number}"
        try:
            user, mine = _parsed(place, number, line, keys)
        except InputError as error:
            n_bad += 1
            if n_bad == ALL_BAD and not any_good:
                raise InputError(
                    f"{error}; none of the first {ALL_BAD} lines is a history, such as "
                    '{"user": "ann", "items": ["50", "181"]}; --history reads tables'
                ) from None
            on_bad(str(error))
            continue
        any_good = True
        users.append(user)
        histories.append(mine)
        if len(users) == size:
            yield HistoryBlock(users, items.of_ids(histories))
            users, histories = [], []
    if users:
        yield HistoryBlock(users, items.of_ids(histories))


def _numbered(lines: Lines) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers; a line that is too long is cut."""
    file: BinaryIO = lines.file
    number = 0
    try:
        while line := file.readline(LONGEST_LINE):
            number += 1
            is_cut = len(line) == LONGEST_LINE
            while is_cut and line[-1:] != b"\n" and (rest := file.readline(LONGEST_LINE)):
                line = line[:-1] + rest[-1:]
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, line
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{lines.name}: after line {number:,}: {first_line(error)}") from None


def _parsed(
    place: str, number: int, line: bytes, keys: dict[tuple[str, ...], tuple[str, str] | None]
) -> tuple[str, list[str]]:
    """The user and the items of a line.

    Raises:
        InputError: it is not a history.
    """
    if len(line) >= LONGEST_LINE:
        raise InputError(f"{place}: longer than {LONGEST_LINE:,} bytes")
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise InputError(f"{place}: not UTF-8 text") from None
    if text[:1] not in ("{", "["):
        user, *items = text.split()
        if not items and any(mark in user for mark in _SEPARATORS):
            raise InputError(f"{place}: '{shortened(text)}' is a row of a table")
        return user, items
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON in one line: {first_line(error)}") from None
    if isinstance(found, list):
        return str(number), _ids(place, "items", found)
    names = tuple(found)
    if names not in keys:
        roles = matched_keys(found, {})
        keys[names] = (roles["user"], roles["item"]) if {"user", "item"} <= roles.keys() else None
    pair = keys[names]
    if pair is None:
        raise InputError(f'{place}: an object without "user" and "items"')
    items = found[pair[1]]
    if not isinstance(items, list):
        raise InputError(f"{place}: '{shortened(pair[1])}' is not a list")
    return text_of(place, pair[0], found[pair[0]]), _ids(place, pair[1], items)


def _ids(place: str, key: str, items: list[Any]) -> list[str]:
    if all(type(item) is str for item in items):
        return items
    return [text_of(place, key, item) for item in items]

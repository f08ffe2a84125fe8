"""The finished members of a sweep on disk, one line of JSON each, so that a killed sweep resumes.

The first line identifies the sweep. A last line without an end was being written when the program
was killed; it is cut off.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from multvae_jax.errors import InputError, file_errors

Record = dict[str, Any]


def open_journal(
    path: Path,
    identity: Mapping[str, Any],
    upgrade: Callable[[Record], Record] = lambda identity: identity,
) -> list[Record]:
    """Begin a journal, or read the one that is there.

    Args:
        path: the file; its folder is made if it is missing.
        identity: everything that decides a result, as JSON.
        upgrade: called with the identity in the file, to compare one of an older version.

    Returns:
        The members that are finished.

    Raises:
        InputError: if the file belongs to another sweep, is damaged, or cannot be written to.
    """
    with file_errors(path):
        text = path.read_bytes() if path.exists() else b""
        whole = text[: text.rfind(b"\n") + 1]
        if not whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
            append(path, [dict(identity)])
            return []
        if whole != text:
            os.truncate(path, len(whole))
    lines = whole.decode("utf-8", errors="replace").splitlines()
    first, *records = (_read(path, number, line) for number, line in enumerate(lines, start=1))
    try:
        first = json.loads(_line(upgrade(first)))
    except InputError as error:
        raise InputError(f"{path}:1: {error}") from None
    if first != json.loads(_line(identity)):
        raise InputError(
            f"{path}: of another sweep, {_difference(first, identity)}; name another with --out"
        )
    return records


def append(path: Path, records: Iterable[Record]) -> None:
    """Add members, and return once they are on disk.

    Raises:
        InputError: they cannot be written.
    """
    with file_errors(path), path.open("a", encoding="utf-8") as file:
        file.writelines(map(_line, records))
        file.flush()
        os.fsync(file.fileno())


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(json_ready(record), allow_nan=False) + "\n"


def json_ready(value: Any) -> Any:
    """The same value with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: json_ready(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(path: Path, number: int, line: str) -> Record:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{number}: not JSON ({error.msg})") from None
    if not isinstance(record, dict):
        raise InputError(f"{path}:{number}: not a member of a sweep")
    return record


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first difference of two identities."""
    for name in {**found, **wanted}:
        one, other = found.get(name), json.loads(json.dumps(wanted.get(name)))
        # The member of a union is shown whole.
        if isinstance(one, dict) and isinstance(other, dict) and "type" not in one and one != other:
            return _difference(one, other)
        if one != other:
            return f"with {name.replace('_', '-')} {json.dumps(one)} and not {json.dumps(other)}"
    return "with other contents"

"""A directory that one process at a time may write to.

The operating system releases the lock when the process ends, however it ends, so that the
directory of a killed program can be claimed again at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multvae_jax.errors import InputError, file_errors

if TYPE_CHECKING:
    from filelock import FileLock

LOCK = ".lock"
OWNER = ".owner.json"


@contextlib.contextmanager
def claim(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory, or refuse at once if another process holds it.

    While the block runs, the directory contains a lock and a file with the process, the host, the
    time and the command of the owner.

    Args:
        directory: a directory that exists.

    Raises:
        InputError: another process has claimed it, and the message names that process; or it
            cannot be written to.
    """
    with file_errors(directory, own_name=True):
        lock = _acquire(directory)
        if lock is None:
            raise InputError(f"{directory}: {_description(directory)}; choose another directory")
        try:
            (directory / OWNER).write_text(json.dumps(_this_process()) + "\n", "utf-8")
        except OSError:
            _release(lock, directory)
            raise
    try:
        yield
    finally:
        _release(lock, directory)


def owner(directory: Path) -> str | None:
    """Return a description of the process that holds a directory; None if there is none.

    Args:
        directory: a directory that exists.

    Raises:
        InputError: it cannot be written to.
    """
    if not (directory / LOCK).exists():
        return None
    with file_errors(directory, own_name=True):
        lock = _acquire(directory)
        if lock is None:
            return _description(directory)
        lock.release()
    return None


def _acquire(directory: Path) -> FileLock | None:
    """Take the lock; return None if another process, or another part of this one, holds it."""
    from filelock import FileLock, Timeout

    path = directory / LOCK
    while True:
        path.touch()
        lock = FileLock(path)
        try:
            before = path.stat()
            lock.acquire(timeout=0)
            if os.path.samestat(before, path.stat()):
                return lock
        except Timeout:
            return None
        except FileNotFoundError:
            pass
        # Its owner removed the file in the meantime, and another process may have a new one.
        lock.release()


def _release(lock: FileLock, directory: Path) -> None:
    """Remove the files and release the lock, also in a directory that has vanished."""
    with contextlib.suppress(OSError):
        for name in (OWNER, LOCK):
            (directory / name).unlink(missing_ok=True)
    lock.release()


def _this_process() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def _description(directory: Path) -> str:
    """The owner's description of itself, which may be incomplete at this moment."""
    try:
        found = json.loads((directory / OWNER).read_text("utf-8"))
        return (
            f"in use by process {found['pid']} on {found['host']} since {found['started']} "
            f"({found['command']})"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "in use by another process"

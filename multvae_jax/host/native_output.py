"""Output of native code, such as that of a coordination service before it ends the process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

_OF_PEERS = re.compile(
    r"\[Gloo\]|[IWEF]\d{4} \S+ +\d+ (coordination_service|preemption_sync|client\.h)"
)
_FIRST_LINE = re.compile(r"\[Gloo\]|[IWEF]\d{4} ")


def without_reports_of_peers(text: str) -> str:
    """Output of native code without the messages about other processes of a training."""
    kept, drops = [], False
    for line in text.splitlines(keepends=True):
        if _FIRST_LINE.match(line):
            drops = bool(_OF_PEERS.match(line))
        # A message of Gloo has one line, those of the service have several.
        if not drops:
            kept.append(line)
        drops = drops and not line.startswith("[Gloo]")
    return "".join(kept)


class NativeOutput:
    """Filters what native code prints while a block runs, and explains an abort in one line.

    What Python prints goes where it went before. What native code prints goes to a file, and from
    there to standard error, without reports of other processes. Enter it in the main thread.
    """

    def __init__(self, explain: Callable[[str], str | None], status: int = 2) -> None:
        """Prepare.

        Args:
            explain: a function from the last output of native code to one line that explains an
                abort; if it returns None, the output itself is shown.
            status: exit status of the process after an abort that is explained.
        """
        self._explain, self._status = explain, status
        self._read, self._ended = 0, threading.Event()
        self._lock, self._is_said = threading.Lock(), False

    def __enter__(self) -> NativeOutput:
        self._streams = sys.stdout, sys.stderr
        for stream in self._streams:
            stream.flush()
        self._file = tempfile.TemporaryFile()
        self._kept = os.dup(1), os.dup(2)
        for number in (1, 2):
            os.dup2(self._file.fileno(), number)
        sys.stdout, sys.stderr = (
            open(kept, "w", encoding=old.encoding, errors=old.errors)  # noqa: PTH123, SIM115
            for kept, old in zip(self._kept, self._streams, strict=True)
        )
        self._catch_aborts()
        self._thread = threading.Thread(target=self._forward_now_and_then, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        ours = sys.stdout, sys.stderr
        for stream in ours:
            with contextlib.suppress(OSError):
                stream.flush()
        sys.stdout, sys.stderr = self._streams
        for number, kept in enumerate(self._kept, 1):
            os.dup2(kept, number)
        self._forward(self._unread())
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        for file in (*ours, self._file):
            with contextlib.suppress(OSError):
                file.close()

    def ends_silently(self, status: int) -> None:
        """Print nothing about a later abort: the reason for the end has been printed.

        Args:
            status: exit status of the process after an abort.
        """
        self._status, self._is_said = status, True

    def end(self, line: str) -> None:
        """Print a line, unless one has been printed, and end the process."""
        # Another thread may be about to print one.
        if self._lock.acquire(timeout=5) and not self._is_said:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            with contextlib.suppress(OSError):
                os.write(self._kept[1], f"{line}\n".encode())
        os._exit(self._status)

    def _catch_aborts(self) -> None:
        # Python runs a handler of `signal` when native code returns, and `abort` does not return.
        handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(self._aborted)
        self._handler = handler  # alive as long as it may be called
        library: Any = ctypes.CDLL(None)
        library.signal.argtypes, library.signal.restype = (ctypes.c_int, type(handler)), None
        library.signal(signal.SIGABRT, handler)

    def _aborted(self, number: int) -> None:
        try:
            text = self._unread()
            line = self._explain(text)
            if line is not None:
                self.end(line)
            os.write(self._kept[1], text.encode(errors="surrogateescape"))
        # An exception here, such as one of a signal, could not be handled anywhere else.
        except BaseException:
            os._exit(self._status)

    def _unread(self) -> str:
        number = self._file.fileno()
        text = os.pread(number, os.fstat(number).st_size - self._read, self._read)
        return text.decode(errors="surrogateescape")

    def _forward_now_and_then(self) -> None:
        while not self._ended.wait(1):
            text = self._unread()
            # Whole lines only, and not those of an abort, which are explained together.
            text = text[: text.rfind("\n") + 1]
            if "Check failure" not in text and "\nF" not in f"\n{text}":
                self._forward(text)

    def _forward(self, text: str) -> None:
        self._read += len(text.encode(errors="surrogateescape"))
        with contextlib.suppress(OSError):
            os.write(self._kept[1], without_reports_of_peers(text).encode(errors="surrogateescape"))

"""Signals that end a command: Ctrl-C, and those that `kill`, schedulers and terminals send."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Interrupted(KeyboardInterrupt):
    """A signal ends the command.

    Attributes:
        number: the signal.
        message: what has been kept, in one line; None if there is nothing to say.
    """

    def __init__(self, number: int, message: str | None = None) -> None:
        super().__init__(message)
        self.number, self.message = number, message

    @property
    def exit_status(self) -> int:
        """128 and the number of the signal, as shells have it."""
        return 128 + self.number


def _interrupt(number: int) -> None:
    raise Interrupted(number)


class StopRequest:
    """Whether a signal has asked for the end of the work that is going on.

    Attributes:
        number: the signal; None if there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._announce: Callable[[str], None] | None = None
        self._again: Callable[[int], None] = _interrupt

    @contextlib.contextmanager
    def awaited(
        self, announce: Callable[[str], None], again: Callable[[int], None] | None = None
    ) -> Iterator[None]:
        """Let the first signal only set `number` while the block runs; a second one interrupts.

        Args:
            announce: called with the name of the signal when the first one comes.
            again: called with the number of each later one, instead of an interruption.
        """
        self._announce, self._again = announce, again or _interrupt
        try:
            yield
        finally:
            self._announce, self._again = None, _interrupt

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._announce is None or self.number is not None:
            self._again(number)
            return
        self.number = number
        self._announce(signal.Signals(number).name)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Receive the signals that end a command while the block runs.

    Outside of `StopRequest.awaited` a signal raises `Interrupted`. A signal that the program was
    started to ignore, as `nohup` does with SIGHUP, stays ignored.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        heard = []  # the handlers belong to the main thread
    for number in heard:
        signal.signal(number, request._receive)
    try:
        yield request
    finally:
        for number in heard:
            signal.signal(number, before[number])

"""When to write a checkpoint: every so many epochs, every so much time, or as time allows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from multvae_jax.errors import InputError
from multvae_jax.training.fit_state import FitState

SHARE = 0.01
"""Share of the training time that checkpoints may take if nothing else is set."""

FIRST_GUESS = 0.05
"""Seconds that a checkpoint is taken to need before one was written, besides its bytes."""

BYTES_PER_SECOND = 3e8
"""Speed at which the first checkpoint is taken to be written."""

_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds_to_first(n_bytes: int) -> float:
    """Seconds of training before the first checkpoint of a size, if nothing is set."""
    return (FIRST_GUESS + n_bytes / BYTES_PER_SECOND) / SHARE


class Pace:
    """Decides after each part of an epoch whether a checkpoint is due."""

    def __init__(
        self,
        every: str | None,
        n_bytes: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start counting.

        Args:
            every: a number of epochs such as "10", or a time such as "90s", "5m" or "2h"; None for
                as often as a hundredth of the training time allows.
            n_bytes: size of a checkpoint.
            clock: the time in seconds.

        Raises:
            InputError: if `every` is neither.
        """
        self._clock = clock
        self._last = clock()
        self._first = seconds_to_first(n_bytes)
        self._epochs, self._seconds = _parsed(every)

    def is_due(self, state: FitState, seconds: float) -> bool:
        """Return whether to write a checkpoint of a state now.

        Args:
            state: the state of the training.
            seconds: time that the last checkpoint took; 0 if there was none.
        """
        if self._epochs is not None:
            return state.entry is not None and len(state.log) % self._epochs == 0
        wait = self._seconds
        if wait is None:
            wait = seconds / SHARE if seconds else self._first
        if self._clock() - self._last < wait:
            return False
        self._last = self._clock()
        return True


def _parsed(every: str | None) -> tuple[int | None, float | None]:
    """The number of epochs, or the seconds."""
    if every is None:
        return None, None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", every)
    if found is None or float(found[1]) <= 0 or (not found[2] and not found[1].isdecimal()):
        raise InputError(
            f"--checkpoint-every {every}: neither a number of epochs, such as 10, nor a time, such "
            "as 90s, 5m or 2h"
        )
    if not found[2]:
        return int(found[1]), None
    return None, float(found[1]) * _UNITS[found[2]]

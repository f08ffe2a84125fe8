"""The progress of `fit`: what it hands to a callback, and continues from."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from multvae_jax.selection import Entry
from multvae_jax.training.updates import TrainState
from multvae_jax.types import Params


class Part(NamedTuple):
    """Consecutive updates of an epoch that has not ended.

    Attributes:
        updates: number of updates.
        users: number of users in their batches.
        seconds: time that they took.
        terms: means of the terms of the loss, arrays as nested lists.
    """

    updates: int
    users: int
    seconds: float
    terms: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class FitState:
    """The progress of `fit`: all that it needs to continue as if it had not stopped.

    Attributes:
        train: the training state. Its arrays are donated to the next update; copy what you keep.
        best: parameters of the best epoch so far; None if nothing has been validated.
        log: one entry per finished epoch.
        capacity: number of chunks in a batch that the epoch is compiled for.
        parts: the updates so far of an epoch that has not ended.
    """

    train: TrainState
    best: Params | None = None
    log: tuple[Entry, ...] = ()
    capacity: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def entry(self) -> Entry | None:
        """The log entry of the epoch that has just ended; None in the middle of an epoch."""
        return self.log[-1] if self.log and not self.parts else None

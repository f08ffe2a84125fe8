"""Rules for the epoch to keep and for the end of training, shared by `fit` and `sweep`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Entry = dict[str, Any]
"""Log entry of an epoch: its number, the terms of the loss, the validation metrics."""

SKIPPED = "skipped"
"""Entry that counts the updates of an epoch that were left out."""

STARTED = "start"
"""Entry of the first epoch that counts the items, if the training started from another run."""

OWN_ENTRIES = ("epoch", "step", "validation", "seconds", SKIPPED, STARTED)
"""Entries of a log that are not terms of the loss."""


def is_validated(epoch: int, epochs: int, validate_every: int) -> bool:
    """Whether an epoch ends with a validation; the last epoch always does."""
    return epoch % validate_every == 0 or epoch == epochs


def diverged(entry: Entry) -> bool:
    """Whether the loss of an epoch is not finite."""
    return not math.isfinite(entry["loss"])


def best_of(log: Sequence[Entry], select_by: str) -> int | None:
    """The first epoch with the highest value of a metric; None if no epoch has a value."""
    values = {
        entry["epoch"]: entry["validation"][select_by] for entry in log if "validation" in entry
    }
    numbers = {epoch: value for epoch, value in values.items() if not math.isnan(value)}
    return max(numbers, key=lambda epoch: numbers[epoch], default=None)


def out_of_patience(log: Sequence[Entry], select_by: str, patience: int | None) -> bool:
    """Whether the last `patience` validations have brought no new best."""
    validated = [entry for entry in log if "validation" in entry]
    best = best_of(validated, select_by)
    if patience is None or best is None:
        return False
    return sum(entry["epoch"] > best for entry in validated) >= patience

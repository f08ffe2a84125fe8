"""Rules for the epoch to keep and for the end of training, shared by `fit` and `sweep`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from multvae_jax.errors import InputError, names_like

Entry = dict[str, Any]
"""Entry of a log: the number of an epoch, the terms of the loss, the validation metrics."""

SKIPPED = "skipped"
"""Entry that counts the updates of an epoch that were left out."""

STARTED = "start"
"""Entry of the first epoch that counts the items, if the training started from another run."""

OWN_ENTRIES = ("epoch", "step", "validation", "seconds", SKIPPED, STARTED)
"""Entries of a log that are not terms of the loss."""


def scalars(entry: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an entry by flat names, as experiment trackers take them.

    Args:
        entry: an entry of `run.log`, or `state.entry` in a callback.

    Raises:
        InputError: it is not an entry, such as None within an epoch.

    Example:
        >>> scalars({"epoch": 1, "validation": {"ndcg@100": 0.3}, "norms": [0.5, 0.7]})
        {'epoch': 1, 'validation/ndcg@100': 0.3, 'norms/0': 0.5, 'norms/1': 0.7}
    """
    if not isinstance(entry, Mapping):
        raise InputError(
            f"entry: of type {type(entry).__name__}; give an entry of a log, run.log[-1]"
        )
    found: dict[str, float] = {}
    for name, value in entry.items():
        if isinstance(value, list | tuple):
            value = {str(number): part for number, part in enumerate(value)}
        if isinstance(value, Mapping):
            found |= {f"{name}/{own}": part for own, part in scalars(value).items()}
        else:
            found[name] = value
    return found


def is_validated(epoch: int, epochs: int, validate_every: int) -> bool:
    """Return whether an epoch ends with a validation; the last epoch always does.

    Example:
        >>> [epoch for epoch in range(1, 8) if is_validated(epoch, epochs=7, validate_every=3)]
        [3, 6, 7]
    """
    return epoch % validate_every == 0 or epoch == epochs


def diverged(entry: Entry) -> bool:
    """Return whether the loss of an epoch is not finite.

    Example:
        >>> diverged({"epoch": 3, "loss": float("nan")})
        True
    """
    return not math.isfinite(entry["loss"])


def best_of(log: Sequence[Entry], select_by: str) -> int | None:
    """The first epoch with the highest value of a metric; None if no epoch has a value.

    Args:
        log: entries of epochs, `run.log`.
        select_by: name of the metric.

    Raises:
        InputError: the log is not a list of entries, or a validation lacks the metric.

    Example:
        >>> best_of(run.log, "ndcg@100") == run.best_epoch
        True
    """
    if not isinstance(log, Sequence) or not all(
        isinstance(entry, Mapping) and "epoch" in entry for entry in log
    ):
        raise InputError("log: give a list of the entries of epochs, run.log")
    values = {}
    for entry in log:
        if "validation" not in entry:
            continue
        validation = entry["validation"]
        if select_by not in validation:
            raise InputError(
                f"select_by: '{select_by}' is not a metric of this log"
                f"{names_like(str(select_by), validation)}"
            )
        values[entry["epoch"]] = validation[select_by]
    numbers = {epoch: value for epoch, value in values.items() if not math.isnan(value)}
    return max(numbers, key=lambda epoch: numbers[epoch], default=None)


def out_of_patience(log: Sequence[Entry], select_by: str, patience: int | None) -> bool:
    """Return whether the last `patience` validations have brought no new best value.

    Args:
        log: entries of epochs, `run.log`.
        select_by: name of the metric.
        patience: number of validations; None for no limit.

    Raises:
        InputError: as in `best_of`.

    Example:
        >>> out_of_patience(run.log, "ndcg@100", patience=10)
        False
    """
    validated = [entry for entry in log if "validation" in entry]
    best = best_of(validated, select_by)
    if patience is None or best is None:
        return False
    return sum(entry["epoch"] > best for entry in validated) >= patience

"""Trainings that find a number for the next one: the cap of beta, or the number of epochs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from multvae_jax.config.options import ModelOptions
from multvae_jax.host.files import atomic_write
from multvae_jax.host.signals import Interrupted, StopRequest
from multvae_jax.model_selection.refitting import BetaSearch
from multvae_jax.parallel.processes import is_first, largest
from multvae_jax.runs.directory import read_json, resuming
from multvae_jax.runs.manifest import CHECKPOINTS
from multvae_jax.runs.run import Run


class Search(NamedTuple):
    """A training whose result is a few numbers.

    Attributes:
        phase: name of the training, of its checkpoints and of its log.
        file: file of its numbers among the checkpoints.
        about: what is searched for, in messages.
        numbers: the numbers of its result, by name.
        names: their names.
    """

    phase: str
    file: str
    about: str
    numbers: Callable[[Any], Mapping[str, Any]]
    names: tuple[str, ...]


def _of_beta(result: BetaSearch) -> Mapping[str, float]:
    return {"cap": result.cap, "updates": result.updates, "epoch": result.run.best_epoch}


def _of_epoch(run: Run) -> Mapping[str, Any]:
    best = run.log[run.best_epoch - 1] if run.log else {}
    return {
        "epoch": run.best_epoch,
        "trained": len(run.log),
        "validation": best.get("validation", {}),
    }


# A search of an earlier version has kept no validation metrics.
BETA = Search("search", "found.json", "search for beta", _of_beta, ("cap", "updates", "epoch"))
EPOCH = Search(
    "selection", "selected.json", "selection of the epoch", _of_epoch, ("epoch", "trained")
)


def with_blend(blended: Callable[[Run], ModelOptions]) -> Search:
    """The selection of the epoch, and of the constants of a blend of the model then.

    Args:
        blended: the options of the blend of a run.
    """

    def numbers(run: Run) -> Mapping[str, Any]:
        model = blended(run)
        blend = {"blend": model.blend, "blend_constants": model.blend_constants}
        return {**_of_epoch(run), "blend": blend}

    return EPOCH._replace(numbers=numbers, names=(*EPOCH.names, "blend"))


def found_by(
    search: Search, directory: Path, train: Callable[..., Any], stop: StopRequest
) -> Mapping[str, Any]:
    """The numbers of a search: found before, or searched for now.

    Args:
        search: the search.
        directory: the directory of the run.
        train: the training, a function of the `phase` and the `log` of `supervised`.
        stop: the signals.

    Raises:
        Interrupted: a signal has ended the search.
    """
    path = directory / CHECKPOINTS / search.file
    if all(largest(path.is_file())):
        return read_json(path, search.names)
    result = train(phase=search.phase, log=f"{search.phase}.jsonl")
    if stop.number is not None:
        raise Interrupted(
            stop.number,
            f"stopped in the {search.about}; {resuming(directory)} continues it",
        )
    found = search.numbers(result)
    if is_first():
        with atomic_write(path) as file:
            file.write(json.dumps(found) + "\n")
    return found

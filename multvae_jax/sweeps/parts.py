"""Parts of a sweep: members that train together, as many as fit the memory."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from multvae_jax.averages import Evaluated
from multvae_jax.batching import EpochPlan, Histories, plan_epoch
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluation_set import EvaluationSet
from multvae_jax.evaluation.evaluator import evaluation_of
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.keys import order_key
from multvae_jax.selection import Entry, best_of, diverged, is_validated, out_of_patience
from multvae_jax.sweeps.programs import MemberNumbers, Programs
from multvae_jax.types import Params


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of one member.

    Attributes:
        log: one entry per epoch, as in `fit`, with the member's share of the seconds; it ends
            when the member diverges or runs out of patience.
        best_epoch: epoch with the best validation metric, counted from 1; None if there is none.
        params: parameters of the best epoch, or of the last if there is none; None unless
            `keep_params` is set.
        bytes: memory that each device takes for the part of the members that the member was in.
    """

    log: list[Entry]
    best_epoch: int | None
    params: Params = None
    bytes: int = 0

    @property
    def diverged(self) -> bool:
        """Whether the loss is not finite."""
        return diverged(self.log[-1])

    @property
    def validation(self) -> dict[str, float]:
        """The validation metrics of the best epoch; empty if there is none."""
        return {} if self.best_epoch is None else self.log[self.best_epoch - 1]["validation"]


class Task(NamedTuple):
    """Everything that the parts of a sweep share; see `sweep`.

    Histories and validation users are there twice: as they are, and on the devices with room, so
    that the programs serve similar splits as well.
    """

    programs: Programs
    histories: Histories
    on_device: Histories
    validation: EvaluationSet | None
    validated: EvaluationSet | None
    metrics: Mapping[str, AnyMetric]
    epochs: int
    batch_size: int
    validate_every: int
    patience: int | None
    select_by: str
    devices: int
    keep_params: bool
    evaluated: Evaluated

    def plan(self, members: Sequence[MemberNumbers], epoch: int, capacity: int = 0) -> EpochPlan:
        """The batches of all members."""
        keys = jnp.stack([order_key(member.key, epoch) for member in members])
        return plan_epoch(keys, self.histories, self.batch_size, capacity)


def members_at_once(bytes_of: Callable[[int], int], most: int, devices: int, limit: float) -> int:
    """Number of members that train together, so that the parts fit the memory and are even.

    Args:
        bytes_of: function from a number of members, a multiple of the devices, to the memory that
            each device needs.
        most: the most members that may train together.
        devices: number of devices that members are spread over.
        limit: bytes that a device may need.

    Raises:
        InputError: if not even one member per device fits.
    """
    parts = 1
    while True:
        # No device stays without a member if there are enough of them.
        size = math.ceil(most / parts / devices) * devices
        needed = bytes_of(size)
        if needed <= limit:
            return min(size, most)
        if size <= devices:
            raise InputError(
                f"a member takes {needed / 1e9:.3g} GB of memory, more than the limit of "
                f"{limit / 1e9:.3g} GB"
            )
        # At least as many parts as if all of the memory grew with the members.
        least = math.ceil(most / max(1, int(size * limit / needed)))
        parts = min(max(parts + 1, least), math.ceil(most / devices))


def train_part(
    task: Task,
    part: dict[int, MemberNumbers],
    capacity: int,
    callback: Callable[[dict[int, Entry]], bool | None] | None,
) -> tuple[dict[int, Outcome], int, bool]:
    """Train some members together.

    Returns:
        Their outcomes, the capacity of the last program, and whether the callback stops the sweep.
    """
    members = list(part.values())
    # Every device gets as many members; the outcomes of the copies are ignored.
    members += members[-1:] * (-len(members) % task.devices)
    n, programs = len(members), task.programs
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    _, states = programs.start(n).run((), (), stacked)
    kept = None
    logs: dict[int, list[Entry]] = {place: [] for place in part}
    part_places = list(part)
    going, is_stopped = set(range(len(part))), False
    for epoch in range(1, task.epochs + 1):
        began = time.perf_counter()
        orders, capacity = task.plan(members, epoch, capacity)
        states, terms = programs.epoch(n, capacity).run(task.on_device, states, orders)
        terms = {name: np.asarray(term) for name, term in terms.items()}
        step = int(states.step[0])
        shown = jax.vmap(task.evaluated)(states)
        entries: dict[int, Entry] = {
            i: {"epoch": epoch, "step": step, **{name: t[i].tolist() for name, t in terms.items()}}
            for i in sorted(going)
        }
        if task.validated is not None and is_validated(epoch, task.epochs, task.validate_every):
            _, values = programs.validate(n).run(task.validation, (), shown)
            values = jax.tree.map(np.asarray, values)
            for i in (i for i, entry in entries.items() if not diverged(entry)):
                own = jax.tree.map(lambda leaf, i=i: leaf[i], values)
                result = evaluation_of(own, task.validated, task.metrics)
                entries[i]["validation"] = {name: result.mean(name) for name in task.metrics}
        better = np.zeros(n, bool)
        seconds = (time.perf_counter() - began) / len(going)
        for i, entry in entries.items():
            entry["seconds"] = seconds
            log = logs[part_places[i]]
            log.append(entry)
            better[i] = best_of(log, task.select_by) in (None, epoch)
            if diverged(entry) or out_of_patience(log, task.select_by, task.patience):
                going.remove(i)
        if task.keep_params and kept is None:
            # All of the first epoch: a member keeps at least its parameters.
            kept = jax.tree.map(jnp.copy, shown)
        elif kept is not None and better.any():
            kept, _ = programs.keep(n).run((), kept, (better, shown))
        del shown
        if callback is not None:
            is_stopped = bool(callback({part_places[i]: entry for i, entry in entries.items()}))
        if is_stopped or not going:
            break

    bytes_ = programs.bytes(n, capacity, task.keep_params)

    def outcome(i: int, log: list[Entry]) -> Outcome:
        params = None if kept is None else jax.tree.map(lambda leaf: leaf[i], kept)
        return Outcome(log, best_of(log, task.select_by), params, bytes_)

    outcomes = {place: outcome(i, logs[place]) for i, place in enumerate(part)}
    return outcomes, capacity, is_stopped

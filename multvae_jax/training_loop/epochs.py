"""The loop of `fit`: the updates of an epoch, its validation, and its entry in the log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from multvae_jax.averages import Evaluated
from multvae_jax.batching import parts_of_epoch, plan_of_chunks
from multvae_jax.data.types import Split
from multvae_jax.evaluation.evaluation_set import EvaluationSet
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.keys import order_key
from multvae_jax.models import Model, divided_scorer
from multvae_jax.parallel.meshes import parts_of_users
from multvae_jax.parallel.partition import Partition
from multvae_jax.runs.run import Run
from multvae_jax.selection import SKIPPED, Entry, best_of, is_validated, out_of_patience
from multvae_jax.training.finite import Check
from multvae_jax.training.fit_state import FitState, Part
from multvae_jax.training.updates import TrainState
from multvae_jax.training_loop.divergence import (
    DivergenceError,
    problem_of_scores,
    problem_of_updates,
)
from multvae_jax.training_loop.streaming import IN_FLIGHT, Source
from multvae_jax.types import Params


@jax.jit
def _copied(params: Params) -> Params:
    """Copies by one program, where outside of it each shape has one of its own."""
    return jax.tree.map(jnp.copy, params)


class _Made(NamedTuple):
    """Updates that were started: the users of their batches, and what `run_part` returns."""

    order: np.ndarray
    terms: dict[str, Array]
    check: Check


@dataclass(frozen=True)
class Training:
    """The constants of a training, and the steps of its epochs.

    Attributes:
        key: root key.
        model: the model.
        split: the users to train and to validate on.
        epochs: epoch after which the training ends.
        batch_size: users in an update.
        source: where the batches come from.
        run_part: the program that makes some updates, see `compiled_epoch`.
        partition: the placement of the training state on the devices.
        of_params: the placement of the parameters alone.
        evaluated: from the training state to the parameters that are validated.
        validation: the validation users, on the device; None if there are none.
        validate_every: epochs between validations.
        patience: validations without a new best after which the training ends; None for no limit.
        metrics: validation metrics by name.
        select_by: the one that selects the epoch.
        callback: called with the state, and ends the training if it returns True; None for none.
        callback_every: updates after which it is called within an epoch; None for ten or so.
        started: what the log entry of the first epoch has besides.
    """

    key: PRNGKeyArray
    model: Model
    split: Split
    epochs: int
    batch_size: int
    source: Source
    run_part: Callable[..., Any]
    partition: Partition
    of_params: Partition
    evaluated: Evaluated
    validation: EvaluationSet | None
    validate_every: int
    patience: int | None
    metrics: Mapping[str, AnyMetric]
    select_by: str
    callback: Callable[[FitState], bool | None] | None
    callback_every: int | None
    started: Entry

    def run(self, state: FitState) -> Run:
        """Train from a state to the end."""
        while len(state.log) < self.epochs:
            if not state.parts and out_of_patience(state.log, self.select_by, self.patience):
                break
            state, is_stopped = self.make_updates(state)
            if is_stopped:
                break
            state = self.end_epoch(state)
            if self.callback is not None and self.callback(state):
                break
        return self.run_of(state, state.train)

    def make_updates(self, state: FitState) -> tuple[FitState, bool]:
        """Make the updates that are left of an epoch, and say whether the callback stopped them."""
        began = time.perf_counter()
        order, capacity = plan_of_chunks(
            order_key(self.key, len(state.log) + 1),
            self.source.chunks,
            self.batch_size,
            state.capacity,
            parts_of_users(self.partition.mesh),
            self.source.shares,
        )
        state = replace(state, capacity=capacity)
        made: list[_Made] = []
        before = sum(part.updates for part in state.parts)
        parts = parts_left(before, len(order), self.callback_every)
        with closing(self.source.batches(order, parts, capacity)) as loaded:
            for part, histories, rows in loaded:
                train, *result = self.run_part(state.train, histories, rows, capacity=capacity)
                made.append(_Made(order[part], *result))
                state = replace(state, train=train)
                if self.callback is not None and part.stop < len(order):
                    state, made = self.with_updates(state, made, began), []
                    if self.callback(state):
                        return state, True
                    began = time.perf_counter()
                # Histories that are brought to the device stay there until they have been used.
                elif len(made) > IN_FLIGHT:
                    jax.block_until_ready(made[-1 - IN_FLIGHT].check)
        return self.with_updates(state, made, began), False

    def with_updates(self, state: FitState, made: Sequence[_Made], began: float) -> FitState:
        """The state with updates that were started at a time, when they have ended."""
        for order, terms, check in made:
            problem = problem_of_updates(
                check,
                order,
                self.split.user_ids,
                epoch=len(state.log) + 1,
                before=_updates(state),
            )
            self.refuse(problem, state)
            # These wait for the device, whose time belongs to the updates.
            numbers = {name: np.asarray(term).tolist() for name, term in terms.items()}
            seconds, began = time.perf_counter() - began, time.perf_counter()
            part = Part(len(order), int((order >= 0).sum()), seconds, numbers)
            state = replace(state, parts=(*state.parts, part))
        return state

    def end_epoch(self, state: FitState) -> FitState:
        """Log an epoch whose updates have all been made; keep its parameters if it is the best."""
        began = time.perf_counter()
        entry, seconds = _entry(state), sum(part.seconds for part in state.parts)
        epoch = entry["epoch"]
        if epoch == 1:
            entry |= self.started
        if entry.get(SKIPPED) == sum(part.updates for part in state.parts):
            self.refuse(f"every update of epoch {epoch} was skipped", state)
        validates = is_validated(epoch, self.epochs, self.validate_every)
        if self.validation is not None and validates:
            shown = self.evaluated(state.train)
            scorer = divided_scorer(self.model.score, self.of_params, shown)
            evaluation = evaluate(scorer, self.validation, self.metrics)
            self.refuse(problem_of_scores(evaluation, epoch), state)
            entry["validation"] = {metric: evaluation.mean(metric) for metric in self.metrics}
            if best_of([*state.log, entry], self.select_by) == epoch:
                state = replace(state, best=_copied(shown))
        entry["seconds"] = seconds + time.perf_counter() - began
        return replace(state, log=(*state.log, entry), parts=())

    def refuse(self, problem: str | None, state: FitState) -> None:
        """Raise the problem of a training, if there is one, with the run up to its best epoch."""
        if problem is not None:
            raise DivergenceError(problem, None if state.best is None else self.run_of(state, None))

    def run_of(self, state: FitState, train: TrainState | None) -> Run:
        """The run of a training that stands at a state, with a training state or without."""
        log, best = list(state.log), state.best
        best_epoch = best_of(state.log, self.select_by)
        if best_epoch is None:
            best, best_epoch = self.evaluated(state.train), len(log)
        best = self.of_params.gathered(best)
        train = None if train is None else self.partition.gathered(train)
        return Run(self.model, best, self.split.catalogue, best_epoch, train, log, self.split)


def _updates(state: FitState) -> int:
    """Number of updates that a state has counted."""
    before = state.log[-1]["step"] if state.log else 0
    return before + sum(part.updates for part in state.parts)


def parts_left(made: int, n_updates: int, size: int | None) -> list[slice]:
    """The parts of an epoch after a number of updates that have been made."""
    parts = parts_of_epoch(n_updates, size)
    return [slice(max(part.start, made), part.stop) for part in parts if part.stop > made]


def _entry(state: FitState) -> Entry:
    """The log entry of an epoch whose updates have all been made, before its validation."""
    skipped: list[float] = [part.terms.get(SKIPPED, 0.0) for part in state.parts]
    # Skipped updates have no terms; all updates but the last have as many users.
    weights = [
        part.users * (1 - without / part.updates)
        for part, without in zip(state.parts, skipped, strict=True)
    ]
    means = {
        name: np.average([part.terms[name] for part in state.parts], 0, weights).tolist()
        for name in state.parts[0].terms
        if name != SKIPPED and any(weights)
    }
    counted = {SKIPPED: int(sum(skipped))} if SKIPPED in state.parts[0].terms else {}
    return {"epoch": len(state.log) + 1, "step": _updates(state), **means, **counted}

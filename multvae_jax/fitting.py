"""The loop around the epochs: validation, the best epoch, early stopping."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

from multvae_jax.batching import capacity_of, shuffled_order, to_device
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric
from multvae_jax.keys import order_key
from multvae_jax.models import Model, scorer
from multvae_jax.schedules import linear_annealing
from multvae_jax.selection import Entry, best_of, diverged, is_validated, out_of_patience
from multvae_jax.training import TrainState, init_state, make_epoch, make_train_step
from multvae_jax.types import Params, Scorer

ANNEALED_SHARE = 0.5
"""Share of the updates over which beta rises, where the caller gives no schedule."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained model.

    Attributes:
        model: what was trained.
        params: parameters of the best epoch, or of the last where nothing was validated.
        catalogue: the items, by column of the scores.
        best_epoch: the epoch that the parameters are of, counted from 1.
        state: the state after the last update.
        log: one entry an epoch.
    """

    model: Model
    params: Params
    catalogue: Catalogue
    best_epoch: int
    state: TrainState
    log: list[Entry]

    @property
    def scorer(self) -> Scorer:
        """What `evaluate` and `recommend` rank by."""
        return scorer(self.model, self.params)


def default_beta(n_users: int, batch_size: int, epochs: int) -> optax.Schedule:
    """Beta where the caller gives none: it rises to 0.2 over the first half of the updates."""
    return linear_annealing(0.2, ANNEALED_SHARE * epochs * math.ceil(n_users / batch_size))


def grow_capacity(capacity: int, needed: int) -> int:
    """Chunks of a batch to compile an epoch for, where there is a program for `capacity`.

    A larger batch than any before compiles the epoch anew: leave room for the next.
    """
    return math.ceil(1.1 * needed) if needed > capacity else capacity


def fit(
    key: PRNGKeyArray,
    model: Model,
    split: Split,
    *,
    epochs: int = 100,
    batch_size: int = 500,
    optimizer: optax.GradientTransformation | None = None,
    beta: optax.Schedule | None = None,
    validate_every: int = 1,
    patience: int | None = None,
    select_by: str = "ndcg@100",
    metrics: Mapping[str, Metric] = PAPER_METRICS,
    callback: Callable[[Entry], bool | None] | None = None,
) -> Run:
    """Train a model and keep the epoch that ranks the validation users best.

    Args:
        key: root key; it is not consumed, and the same key gives the same run.
        model: what to train.
        split: training users, and validation users to select on.
        epochs: passes over the training users.
        batch_size: users in an update.
        optimizer: any optax transformation; the paper's Adam with rate 1e-3 unless given.
        beta: weight of the KL term by update; a rise to 0.2 over the first half of the
            updates unless given.
        validate_every: epochs from one validation to the next; the last is always validated.
        patience: validations without a new best after which training stops; None: never.
        select_by: the metric that decides.
        metrics: what validation measures; `select_by` is one of them.
        callback: called with the log entry after every epoch; training stops if it returns True.

    Raises:
        InputError: if the loss stops being a number, or no user can be validated on.
    """
    optimizer = optimizer or optax.adam(1e-3)
    n_users, n_items = split.train.shape
    batch_size = min(batch_size, n_users)
    beta = beta or default_beta(n_users, batch_size, epochs)
    state = init_state(key, model, optimizer, n_items, beta)
    run_epoch = jax.jit(
        make_epoch(make_train_step(model, optimizer)),
        static_argnames="capacity",
        donate_argnames="state",
    )
    histories = to_device(split.train)
    validation = None if split.validation is None else prepare_users(split.validation, batch_size)

    best: Params = None
    log: list[Entry] = []
    capacity = 0
    for epoch in range(1, epochs + 1):
        began = time.perf_counter()
        order = shuffled_order(order_key(key, epoch), n_users, batch_size)
        capacity = grow_capacity(capacity, capacity_of(histories, order))
        state, terms = run_epoch(state, histories, order, capacity=capacity)
        entry: Entry = {"epoch": epoch, "step": int(state.step)}
        entry |= {name: float(term) for name, term in terms.items()}
        log.append(entry)
        if diverged(entry):
            raise InputError(
                f"training diverged: the loss of epoch {epoch} is {entry['loss']}; "
                "a lower learning rate may help"
            )
        if validation is not None and is_validated(epoch, epochs, validate_every):
            result = evaluate(scorer(model, state.params), validation, metrics)
            entry["validation"] = {metric: result.mean(metric) for metric in metrics}
            if best_of(log, select_by) == epoch:
                best = jax.tree.map(jnp.copy, state.params)
        entry["seconds"] = time.perf_counter() - began
        stop = callback is not None and callback(entry)
        if stop or out_of_patience(log, select_by, patience):
            break

    best_epoch = best_of(log, select_by)
    if best_epoch is None:
        return Run(model, state.params, split.catalogue, log[-1]["epoch"], state, log)
    return Run(model, best, split.catalogue, best_epoch, state, log)


class BetaSearch(NamedTuple):
    """What a training with beta on the rise to 1 has shown.

    Attributes:
        cap: beta at the epoch that ranked the validation users best.
        updates: updates that the rise to it takes, at the slope of the search.
        run: the training it was found in.
    """

    cap: float
    updates: float
    run: Run


def search_beta(
    key: PRNGKeyArray, model: Model, split: Split, *, updates_to_one: float, **training: Any
) -> BetaSearch:
    """Let beta rise to 1, and see where the validation metric has its peak.

    What remains is to train again, from the same key or another, with
    `linear_annealing(found.cap, found.updates)`: the same slope, stopped there.

    Args:
        key: root key of the search.
        model: what to train.
        split: training users, and validation users to see the peak on.
        updates_to_one: updates that the rise from 0 to 1 takes.
        **training: the other arguments of `fit`.

    Raises:
        InputError: if there are no validation users, or as `fit` says.
    """
    if split.validation is None:
        raise InputError("beta cannot be searched for: the split has no validation users")
    rise = linear_annealing(1.0, updates_to_one)
    run = fit(key, model, split, beta=rise, **training)
    (best,) = (entry for entry in run.log if entry["epoch"] == run.best_epoch)
    updates = min(best["step"], math.ceil(updates_to_one))
    return BetaSearch(min(1.0, updates / updates_to_one), updates, run)

"""`fit`: train a model and keep the epoch that ranks the validation users best."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

from multvae_jax import recipe
from multvae_jax.batching import plan_epoch, to_device
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric
from multvae_jax.keys import order_key
from multvae_jax.models import Model, scorer
from multvae_jax.runs.run import Run
from multvae_jax.schedules import linear_annealing
from multvae_jax.selection import Entry, best_of, diverged, is_validated, out_of_patience
from multvae_jax.training import init_state, make_epoch, make_train_step
from multvae_jax.types import Params


def recipe_beta(n_users: int, batch_size: int, epochs: int) -> optax.Schedule:
    """Beta of the recipe: it rises to 0.2 over the first half of the updates."""
    updates = recipe.n_updates(n_users, batch_size, epochs)
    return linear_annealing(recipe.BETA_CAP, recipe.ANNEALED_SHARE * updates)


def fit(
    key: PRNGKeyArray,
    model: Model,
    split: Split,
    *,
    epochs: int = recipe.EPOCHS,
    batch_size: int | None = None,
    optimizer: optax.GradientTransformation | None = None,
    beta: optax.Schedule | None = None,
    validate_every: int = 1,
    patience: int | None = None,
    select_by: str = recipe.SELECT_BY,
    metrics: Mapping[str, Metric] = PAPER_METRICS,
    callback: Callable[[Entry], bool | None] | None = None,
) -> Run:
    """Train a model and keep the epoch that ranks the validation users best.

    With nothing set this is the training of `multvae train`, see `multvae_jax.recipe`.

    Args:
        key: root key. It is not consumed, and the same key gives the same run.
        model: the model to train.
        split: training users, and validation users to select the epoch on.
        epochs: passes over the training users.
        batch_size: users in an update; by default `recipe.batch_size`.
        optimizer: any optax transformation; by default Adam with the learning rate 1e-3.
        beta: weight of the KL term by update; by default it rises to 0.2 over the first half of
            the updates.
        validate_every: epochs between validations; the last epoch is always validated.
        patience: number of validations without a new best after which training stops; by default
            it never stops early.
        select_by: metric that selects the epoch, one of `metrics`.
        metrics: validation metrics by name.
        callback: called with the log entry after every epoch; training stops if it returns True.

    Raises:
        InputError: if the loss is not finite, no user can be validated on, or `select_by` is not
            one of the metrics.

    Example:
        >>> run = mv.fit(jax.random.key(0), mv.mult_vae(), split)
        >>> mv.evaluate(run.scorer, split.test).summary()
    """
    if select_by not in metrics:
        raise InputError(f"select_by: '{select_by}' is not one of {', '.join(metrics)}")
    optimizer = optimizer or optax.adam(recipe.LEARNING_RATE)
    n_users, n_items = split.train.shape
    batch_size = min(batch_size or recipe.batch_size(n_users), n_users)
    beta = beta or recipe_beta(n_users, batch_size, epochs)
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
        order, capacity = plan_epoch(order_key(key, epoch), histories, batch_size, capacity)
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
        best, best_epoch = state.params, log[-1]["epoch"]
    return Run(model, best, split.catalogue, best_epoch, state, log, split)


class BetaSearch(NamedTuple):
    """Result of `search_beta`.

    Attributes:
        cap: beta at the epoch that ranked the validation users best.
        updates: number of updates in which beta rises to the cap, at the slope of the search.
        run: the training with beta rising to 1.
    """

    cap: float
    updates: float
    run: Run


def search_beta(
    key: PRNGKeyArray, model: Model, split: Split, *, updates_to_one: float, **training: Any
) -> BetaSearch:
    """Train with beta rising to 1, and find where the validation metric peaks (section 2.2.2).

    Then train again, from the same key or another, with
    `linear_annealing(found.cap, found.updates)`: beta rises with the same slope and stops there.

    Args:
        key: root key of the search.
        model: the model to train.
        split: training users, and validation users to find the peak on.
        updates_to_one: number of updates in which beta rises from 0 to 1.
        **training: the other arguments of `fit`.

    Raises:
        InputError: if there are no validation users, or as in `fit`.
    """
    if split.validation is None:
        raise InputError("beta cannot be searched for: the split has no validation users")
    rise = linear_annealing(1.0, updates_to_one)
    run = fit(key, model, split, beta=rise, **training)
    (best,) = (entry for entry in run.log if entry["epoch"] == run.best_epoch)
    updates = min(best["step"], math.ceil(updates_to_one))
    return BetaSearch(min(1.0, updates / updates_to_one), updates, run)

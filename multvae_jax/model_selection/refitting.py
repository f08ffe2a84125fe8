"""Trainings whose result a second training needs: the best epoch, and the best beta."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from jaxtyping import PRNGKeyArray

from multvae_jax import recipe as recipes
from multvae_jax.checks.bounds import Positive, check_kind, check_number
from multvae_jax.data.splits import MOST_VALIDATED, hold_out_interactions
from multvae_jax.data.types import Split
from multvae_jax.defaults import recipe_numbers
from multvae_jax.errors import InputError
from multvae_jax.fitting import fit
from multvae_jax.models import Model
from multvae_jax.runs.run import Run
from multvae_jax.schedules import linear_annealing


def fit_on_all(
    key: PRNGKeyArray,
    model: Model | Callable[..., Model],
    split: Split,
    *,
    share: float = 0.1,
    most_users: int | None = MOST_VALIDATED,
    **training: Any,
) -> Run:
    """Train on all interactions of a split without validation, for as many epochs as are best.

    A share of each user's training interactions is held out in a first training, which selects the
    epoch. A second one, from the same key, is on all interactions and stops at this epoch; its
    learning rate and beta are those of the first, update by update.

    Args:
        key: root key of both trainings.
        model: the model to train, or a function that makes it, as in `fit`.
        split: a split without validation, such as `load_split("gowalla")`.
        share: share of each user's interactions that the first training does not see.
        most_users: number of users to validate on at most; None validates on all.
        **training: the other arguments of `fit`; both trainings call a `callback`.

    Raises:
        InputError: if the split has validation users, no user has enough interactions, or as in
            `fit`.

    Example:
        >>> everyone = mv.hold_out_users(data, validation=0, test=0)
        >>> run = mv.fit_on_all(jax.random.key(0), model, everyone, epochs=2)
        >>> run.best_epoch == len(run.log)
        True
    """
    check_kind("split", split, Split, "load_split('gowalla')")
    if split.validation is not None:
        raise InputError("split: it has validation users, who select the epoch in fit")
    if training.get("state") is not None:
        raise InputError("state: fit_on_all has two trainings; call fit for each")
    if training.get("start") is not None:
        raise InputError(
            "start: the run may have been trained on what would be held out to select the epoch; "
            "call fit with the number of epochs"
        )
    part = hold_out_interactions(split, share, most_users=most_users)
    # The numbers for all interactions hold for both trainings.
    numbers = recipe_numbers(training.pop("recipe", recipes.adaptive), split)
    fit_with = partial(fit, key, model, recipe=lambda data: numbers)
    first = fit_with(part, **training)
    return fit_with(split, **training | {"stop_after": max(1, first.best_epoch)})


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
        InputError: if there are no validation users, the model has no beta, or as in `fit`.

    Example:
        >>> found = mv.search_beta(key, model, split, updates_to_one=40, epochs=2)
        >>> beta = mv.schedules.linear_annealing(found.cap, found.updates)
        >>> run = mv.fit(key, model, split, beta=beta, epochs=2)
    """
    check_kind("split", split, Split, "hold_out_users(data)")
    check_kind("model", model, Model, "mult_vae()")
    check_number("updates_to_one", updates_to_one, Positive)
    if "beta" in training:
        raise InputError("beta: search_beta makes its schedule; give updates_to_one alone")
    if split.validation is None:
        raise InputError("beta cannot be searched for: the split has no validation users")
    if not model.has_beta:
        raise InputError("beta cannot be searched for: the model has none")
    rise = linear_annealing(1.0, updates_to_one)
    run = fit(key, model, split, beta=rise, **training)
    # A callback may have stopped the search in its first epoch, which has no entry.
    unfinished = {"step": int(run.state.step) if run.state is not None else 0}
    best = run.log[run.best_epoch - 1] if run.log else unfinished
    updates = min(best["step"], math.ceil(updates_to_one))
    return BetaSearch(min(1.0, updates / updates_to_one), updates, run)

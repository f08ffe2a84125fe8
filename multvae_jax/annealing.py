"""The search for the cap of beta, as the paper makes it by hand (section 2.2.2)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from jaxtyping import PRNGKeyArray

from multvae_jax.data.types import Split
from multvae_jax.errors import InputError
from multvae_jax.fitting import Run, fit
from multvae_jax.models import Model
from multvae_jax.schedules import linear_annealing


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

"""`blend`: add the scores of a baseline to those of a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from multvae_jax import recipe
from multvae_jax.baselines import EDLAE, RP3BETA, Baseline
from multvae_jax.baselines.cost import is_affordable
from multvae_jax.checks.bounds import Weight, check_kind, check_mapping, check_number
from multvae_jax.data.types import Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.model_selection.tuning import find_baseline, fit_baseline
from multvae_jax.models import Blend, blend_of
from multvae_jax.runs.run import Run
from multvae_jax.training.arguments import check_metrics

WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Weights of the baseline that are tried. The model alone is not one of them: its epoch was chosen
on the same users, and so its own metric is too high there."""

GRIDS: Mapping[str, Mapping[str, Sequence[float]]] = {
    "edlae": {"dropout": (0.4,), "regularization": (30.0, 100.0, 300.0, 1000.0)},
    "rp3beta": {"alpha": (0.7,), "beta": (0.4,), "neighbors": (300,)},
    "slim": {"l1": (1.0,), "l2": (30.0, 100.0, 300.0)},
}
"""Values of a baseline's constants that are tried in a blend; of others, the baseline's own."""

SECONDS, GIGABYTES = 100.0, 6.0
"""Largest cost per setting at which EDLAE is the usual baseline: a minute or two."""


def usual_baseline(split: Split) -> Baseline:
    """The baseline to blend with: EDLAE, or RP3beta where the catalogue is too large for it."""
    fits = is_affordable(split.train, seconds=SECONDS, gigabytes=GIGABYTES)
    return EDLAE if fits else RP3BETA


def blend(
    run: Run,
    baseline: Baseline | Run | str | None = None,
    *,
    constants: Mapping[str, float] | None = None,
    select_by: str = recipe.SELECT_BY,
    metrics: Mapping[str, AnyMetric] = PAPER_METRICS,
) -> Run:
    """Blend a trained model with a baseline, with the weight that validates best.

    The two make different mistakes: a network of few dimensions generalizes, an item-item model
    remembers which items go together. On all four data sets that were tried, the blend with EDLAE
    has a higher mean NDCG@100 than either of the two (`experiments/results/default_recipe`).

    Args:
        run: a run that `fit` made; its split has the data.
        baseline: one of `multvae_jax.baselines.BASELINES`, its name, or yours; or a run that
            `fit_baseline` made, which is not fitted again. By default EDLAE, or RP3beta for a
            catalogue that is too large for it.
        constants: constants of the baseline, and the `weight` of its scores from 0 to 1, that are
            set and not chosen on the validation users.
        select_by: metric that is to be highest, one of `metrics`.
        metrics: validation metrics by name.

    Returns:
        A run like the given one, whose model is a `Blend`.

    Raises:
        InputError: if the run has no split, or one without validation users while something is to
            be chosen; or as in `fit_baseline`.

    Example:
        >>> both = mv.blend(run)
        >>> 0 <= both.constants["weight"] <= 1
        True
    """
    check_kind("run", run, Run, "fit(key, mult_vae, split)")
    split, model = run.split, run.model
    if split is None:
        raise InputError("run: it was loaded, and has no split to fit a baseline to")
    if isinstance(model, Baseline | Blend):
        raise InputError(f"run: it is already a {type(model).__name__.lower()}")
    if constants is not None:
        check_mapping("constants", constants, "constants by name, {'weight': 0.2}")
    check_metrics(metrics, select_by, split.train.shape[1])
    given = dict(constants or {})
    weight = given.pop("weight", None)
    if weight is not None:
        check_number("weight", weight, Weight)
    if isinstance(baseline, Run):
        other = _fitted(baseline, run, given)
    else:
        chosen = find_baseline(usual_baseline(split) if baseline is None else baseline)
        grid: Any = {
            name: values
            for name, values in GRIDS.get(chosen.name, chosen.grid).items()
            if name not in given
        }
        other = fit_baseline(
            chosen, split, constants=given, grid=grid, select_by=select_by, metrics=metrics
        )
    assert isinstance(other.model, Baseline)
    value = blend_of(model, other.model)
    params = {"model": run.params, "baseline": other.params}
    if weight is None:
        if split.validation is None:
            raise InputError(
                "no weight can be chosen: the split has no validation users; give one, "
                "constants={'weight': 0.2}"
            )
        users = prepare_users(split.validation)
        selecting = {select_by: metrics[select_by]}

        def validated(weight: float) -> float:
            scorer = Partial(value.score, {**params, "weight": jnp.float32(weight)})
            return evaluate(scorer, users, selecting).mean(select_by)

        weight = max(WEIGHTS, key=validated)
    return replace(run, model=value, params={**params, "weight": jnp.float32(weight)}, state=None)


def _fitted(baseline: Run, run: Run, constants: Mapping[str, float]) -> Run:
    """A baseline that was fitted before.

    Raises:
        InputError: if it is not one, has other items than the run, or constants are given.
    """
    if not isinstance(baseline.model, Baseline):
        raise InputError("baseline: the run is not that of a baseline")
    if not np.array_equal(baseline.catalogue.ids, run.catalogue.ids):
        raise InputError("baseline: it was fitted to other items than the run was trained on")
    if constants:
        raise InputError(
            f"constants: the baseline is fitted already; {min(constants)} cannot be set"
        )
    return baseline

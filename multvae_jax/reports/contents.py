"""The content of a report on one run, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from multvae_jax.baselines import Baseline, popularity
from multvae_jax.by_value import by_value
from multvae_jax.data.types import Catalogue, HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.groups import GroupedEvaluation, by_group
from multvae_jax.evaluation.lists import Lists
from multvae_jax.evaluation.partitions import activity
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.export.item_map import map_of
from multvae_jax.models import Blend, Model
from multvae_jax.priors import standard_normal
from multvae_jax.recommending.top_k import recommend_lists
from multvae_jax.reports.examples import Example, Extent, examples_of
from multvae_jax.reports.latent import Latent, latent_of
from multvae_jax.runs.run import Run
from multvae_jax.selection import Entry

SHOWN = 20
"""Length of the lists whose popularity is reported."""

BEYOND = tuple(
    f"{name}@{SHOWN}"
    for name in (
        "coverage",
        "gini",
        "average_popularity",
        "popularity_lift",
        "aplt",
        "novelty",
    )
)
"""Metrics of the lists themselves, which do not depend on what was held out."""


@dataclass(frozen=True)
class Content:
    """The content of a report on one run; what it lacks is None or empty, and `left_out` says why.

    Attributes:
        name: name of the run on the page.
        facts: name of a fact about the run -> the fact, as text.
        catalogue: the items.
        trainings: name of a training -> its log, in order; that of the run comes last.
        best_epoch: epoch whose parameters the run has; 0 for a baseline.
        evaluation: metrics of the held-out users.
        popular: metrics of the same users if everyone is shown the most popular items.
        groups: the first metric by the length of the history.
        shown: number of lists that each item is in.
        latent: the dimensions of z.
        has_other_prior: whether the run was trained with another prior than a standard normal.
        places: coordinates of each item on the map, from 0 to 1.
        examples: some users.
        left_out: part of the report -> a sentence on why this run has none.
    """

    name: str
    facts: dict[str, str]
    catalogue: Catalogue
    trainings: dict[str, list[Entry]]
    best_epoch: int
    evaluation: Evaluation | None = None
    popular: Evaluation | None = None
    groups: GroupedEvaluation | None = None
    shown: Int[np.ndarray, " items"] | None = None
    latent: Latent | None = None
    has_other_prior: bool = False
    places: Float32[np.ndarray, "items 2"] | None = None
    examples: list[Example] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def content_of(
    name: str,
    run: Run,
    facts: Mapping[str, str],
    trainings: Mapping[str, Sequence[Entry]],
    users: HeldOut | None,
    metrics: Mapping[str, AnyMetric],
    no_users: str = "",
    extent: Extent = Extent(),  # noqa: B008 - frozen
) -> Content:
    """Compute what a report shows of a run.

    Args:
        name: name of the run on the page.
        run: the run.
        facts: facts about it that the run itself does not have.
        trainings: logs of the trainings before that of the run, and of the run.
        users: held-out users; None if there are none.
        metrics: metrics to evaluate; the first is shown by the length of the history.
        no_users: a sentence on why there are no users.
        extent: how much is shown.

    Raises:
        InputError: a score is not finite.
    """
    found: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for part, why in (
        ("curves", _no_curves(run)),
        ("beta", _no_beta(run, trainings)),
        ("latent", _no_posterior(run)),
    ):
        if why:
            left_out[part] = why
    if users is None:
        for part in ("results", "groups", "popularity", "examples", "latent"):
            left_out.setdefault(part, no_users)
    else:
        lists = _lists_of(run, users, max(SHOWN, extent.k))
        found |= _tested(run, users, metrics, lists)
        first = next(iter(found["evaluation"].values))
        try:
            found["groups"] = by_group(found["evaluation"], activity(users), [first])
        except InputError as error:
            left_out["groups"] = str(error)
        found["examples"] = examples_of(run, users, lists, extent)
        if "latent" not in left_out:
            found["latent"] = latent_of(*_network_of(run), users.history, users.user_features)
            if found["latent"] is None:
                left_out["latent"] = "its posterior is not a normal with diagonal covariance"
    found["places"] = map_of(run)
    if found["places"] is None:
        left_out["map"] = "its scores do not come from a vector of each item"
    return Content(
        name,
        _facts(run, facts),
        run.catalogue,
        {name: list(log) for name, log in trainings.items()},
        run.best_epoch,
        has_other_prior=_has_other_prior(run),
        left_out=left_out,
        **found,
    )


def _facts(run: Run, more: Mapping[str, str]) -> dict[str, str]:
    """The facts about a run; its validation metrics are left out, as the curves show them."""
    own = {key: text for key, text in run.facts().items() if not key.startswith("validation ")}
    return {**more, **own}


# --- what a run lacks -----------------------------------------------------------------------------


def _no_curves(run: Run) -> str:
    if not isinstance(run.model, Baseline):
        return ""
    n = len(run.log)
    tried = f"; its constants are the best of {n} settings" if n > 1 else ""
    return f"it has no epochs{tried}"


def _no_beta(run: Run, trainings: Mapping[str, Sequence[Entry]]) -> str:
    model = _network_of(run)[0]
    if isinstance(model, Baseline) or not model.has_beta:
        return "its loss has no term that beta weights"
    has_any = any("beta" in entry for log in trainings.values() for entry in log)
    return "" if has_any else "its objective does not report beta"


def _no_posterior(run: Run) -> str:
    model = _network_of(run)[0]
    has_none = isinstance(model, Baseline) or model.posterior is None
    return "it is not a variational autoencoder" if has_none else ""


def _network_of(run: Run) -> tuple[Any, Any]:
    """The model and its parameters; of a blend, those of its network."""
    if isinstance(run.model, Blend):
        return run.model.model, run.params["model"]
    return run.model, run.params


def _has_other_prior(run: Run) -> bool:
    model = _network_of(run)[0]
    if not isinstance(model, Model) or model.made_by is None:
        return True
    prior = model.made_by.get("prior")
    own = standard_normal().divergence
    return prior is None or by_value(prior.divergence) != by_value(own)


# --- held-out users -------------------------------------------------------------------------------


def _lists_of(run: Run, users: HeldOut, k: int) -> Lists:
    return recommend_lists(
        run.scorer,
        run.catalogue,
        users.history,
        users.user_ids,
        k,
        user_features=users.user_features,
    )


def _tested(
    run: Run, users: HeldOut, metrics: Mapping[str, AnyMetric], lists: Lists
) -> dict[str, Any]:
    """The metrics of the run and of the most popular items, and how often each item is shown."""
    prepared = prepare_users(users)
    # Those who are evaluated.
    items = lists.items[np.diff(users.targets.indptr) > 0, :SHOWN]
    return {
        "evaluation": evaluate(run.scorer, prepared, metrics),
        "popular": evaluate(popularity(run.catalogue.counts), prepared, metrics),
        "shown": np.bincount(items[items >= 0], minlength=len(run.catalogue.ids)),
    }

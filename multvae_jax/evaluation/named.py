"""Metrics by name, and what they may be given about the items and users."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from multvae_jax.checks.bounds import Cutoff, problem_of
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.errors import InputError, names_like
from multvae_jax.evaluation import (
    catalogue_metrics,
    diversity_metrics,
    list_metrics,
    metrics,
    popularity_metrics,
)
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric
from multvae_jax.evaluation.list_metrics import ListMetric
from multvae_jax.evaluation.metrics import Metric
from multvae_jax.evaluation.values import AnyMetric

Facts = Mapping[str, Callable[[], Any]]
"""Facts about items and users, by the name of the parameter that takes them.

Each is computed or read when a metric needs it.
"""

CUTOFFS = (20, 50, 100)
"""Cutoffs of names without one."""

WITHOUT_CUTOFF = ("auc",)
"""Metrics of the whole ranking, whatever the cutoff."""

FAMILIES: Mapping[str, Callable[..., Array]] = {
    **metrics.FAMILIES,
    **list_metrics.FAMILIES,
    **popularity_metrics.FAMILIES,
    **diversity_metrics.FAMILIES,
    **catalogue_metrics.FAMILIES,
}
"""Every metric of the package by its name."""

FORMS = (
    "a metric is a function of (hits, n_targets, k), of (user_list, ...) or of (counts, ...), or a "
    "Metric, a ListMetric or a CatalogueMetric"
)


def facts_of(catalogue: Catalogue, n_users: int, **others: Callable[[], Any]) -> Facts:
    """Return what metrics may be given about the items of a catalogue.

    These are `popularity`, the number of training users of each item, and `n_users`, the number of
    training users.

    Args:
        catalogue: the items that a recommender was trained on.
        n_users: number of training users.
        **others: functions that return further facts, such as
            `genres=lambda: features` (items x genres, 0 or 1).
    """
    facts = {
        "popularity": lambda: jnp.asarray(catalogue.counts, jnp.float32),
        "n_users": lambda: jnp.float32(n_users),
        **others,
    }
    # Metrics that take a fact share one array, and a file is read once.
    return {name: cache(make) for name, make in facts.items()}


def split_facts(split: Split, **others: Callable[[], Any]) -> Facts:
    """Return the facts about the items and the users of a split that metrics may take.

    Args:
        split: the split that a recommender was trained on.
        **others: functions that return further facts, such as `genres=lambda: features` (items x
            genres, 0 or 1).

    Example:
        >>> metrics = named_metrics(["novelty@20", "coverage@20"], split_facts(split))
        >>> evaluation = mv.evaluate(run.scorer, split.test, metrics)
    """
    return facts_of(split.catalogue, split.train.shape[0], **others)


def named_metrics(
    names: Iterable[str], facts: Facts, cutoffs: Iterable[int] = CUTOFFS
) -> dict[str, AnyMetric]:
    """Return metrics of the package by name, for `evaluate` or `fit`.

    Args:
        names: such as `novelty@20`, or `novelty` for all cutoffs; all names are in `FAMILIES`.
        facts: what the metrics may be given besides the lists.
        cutoffs: the cutoffs of names without one.

    Raises:
        InputError: there is no such metric, the cutoff is out of bounds, or the metric takes
            something that is not among the facts.

    Example:
        >>> import numpy as np
        >>> facts = facts_of(Catalogue(np.array(["a", "b"], object), np.array([3, 1]), {}), 3)
        >>> list(named_metrics(["ndcg@100", "coverage", "auc"], facts, cutoffs=[10, 20]))
        ['ndcg@100', 'coverage@10', 'coverage@20', 'auc']

        Then `evaluate(run.scorer, split.test, named_metrics(names, split_facts(split)))`.
    """
    found: dict[str, AnyMetric] = {}
    for text in names:
        name, cutoff = parse_name(text)
        at = text[len(name) :]
        known = [one if one in WITHOUT_CUTOFF else one + at for one in FAMILIES]
        if text not in known:
            raise InputError(f"{text}: no such metric{names_like(text, known)}")
        found.update(metrics_of(text, name, FAMILIES[name], cutoff, facts, cutoffs))
    return found


def parse_name(text: str) -> tuple[str, int | None]:
    """Split the name of a metric from its cutoff, which is None if there is none.

    Raises:
        InputError: the cutoff is not a number, or out of bounds.

    Example:
        >>> parse_name("ndcg@100"), parse_name("auc")
        (('ndcg', 100), ('auc', None))
    """
    name, at, cutoff = text.rpartition("@")
    if not at:
        return text, None
    if not cutoff.isdecimal():
        raise InputError(f"{text}: the cutoff '{cutoff}' is not a number")
    if problem := problem_of(int(cutoff), Cutoff):
        raise InputError(f"{text}: the cutoff {cutoff}: {problem}")
    return name, int(cutoff)


def metrics_of(
    text: str,
    name: str,
    function: Any,
    cutoff: int | None,
    facts: Facts,
    cutoffs: Iterable[int] = CUTOFFS,
) -> dict[str, AnyMetric]:
    """Return the metrics that a function makes at its cutoffs, by name.

    Args:
        text: name and cutoff, for messages.
        name: the name without cutoff.
        function: one of the forms that `FORMS` lists.
        cutoff: the cutoff, or None for all of `cutoffs`.
        facts: as in `named_metrics`.
        cutoffs: as in `named_metrics`.

    Raises:
        InputError: the function has another form, or takes something that is not among the facts.
    """
    if isinstance(function, Metric | ListMetric | CatalogueMetric):
        if cutoff is not None:
            raise InputError(f"{text}: '{name}' has the cutoff {function.cutoff}")
        return {name: function}
    if name in WITHOUT_CUTOFF:
        return {name: ListMetric(function, 1, of_ranking=True)}
    return {
        f"{name}@{k}": metric_of(text, function, k, facts)
        for k in (cutoffs if cutoff is None else [cutoff])
    }


def metric_of(text: str, function: Any, cutoff: int, facts: Facts) -> AnyMetric:
    """Return the metric of a function, whose first parameter says what it is a metric of.

    Args:
        text: name of the metric, for messages.
        function: a function of `(hits, n_targets, k)`, `(user_list, ...)` or `(counts, ...)`; its
            further parameters are given the facts of the same names.
        cutoff: the cutoff.
        facts: as in `named_metrics`.

    Raises:
        InputError: the function has another form, or takes something that is not among the facts.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise InputError(f"{text}: of type {type(function).__name__}; {FORMS}") from None
    names = [parameter.name for parameter in parameters]
    if names[:3] == ["hits", "n_targets", "k"]:
        return Metric(function, cutoff)
    kinds: Mapping[str, Any] = {"user_list": ListMetric, "counts": CatalogueMetric}
    if not names or names[0] not in kinds:
        raise InputError(f"{text}: takes ({', '.join(names)}); {FORMS}")
    about = {}
    for parameter in parameters[1:]:
        if parameter.name in facts:
            try:
                about[parameter.name] = facts[parameter.name]()
            except InputError as error:
                raise InputError(f"{text}: {error}") from None
        elif parameter.default is parameter.empty:
            raise InputError(
                f"{text}: takes '{parameter.name}', which is not known here; known are "
                f"{', '.join(facts)}"
            )
    return kinds[names[0]](function, cutoff, about)

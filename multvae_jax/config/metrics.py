"""Metrics by name: those of the package, and those of the user's files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from multvae_jax.bounds import Cutoff, problem_of
from multvae_jax.config.options import CUTOFFS, TrainingOptions
from multvae_jax.config.user_functions import Vocabulary
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.errors import InputError
from multvae_jax.evaluation import catalogue_metrics, list_metrics, metrics
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric
from multvae_jax.evaluation.evaluator import AnyMetric
from multvae_jax.evaluation.list_metrics import ListMetric
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric, at_cutoffs

Facts = Mapping[str, Callable[[], Any]]
"""What is known of the items and users, by the name of the parameter that takes it.

`popularity` is the number of training users of each item, `n_users` the number of training users.
Each is computed or read when a metric needs it.
"""

ANYTHING: Facts = {
    name: lambda: jnp.zeros(()) for name in ("popularity", "n_users", "genres", "vectors")
}
"""Facts to try names with before the data is read."""

WITHOUT_CUTOFF = ("auc",)
"""Metrics of the whole ranking, whatever the cutoff."""

FAMILIES: Mapping[str, Callable[..., Array]] = {
    **metrics.FAMILIES,
    **list_metrics.FAMILIES,
    **catalogue_metrics.FAMILIES,
}

FORMS = (
    "a metric is a function of (hits, n_targets, k), of (user_list, ...) or of (counts, ...), or a "
    "Metric, a ListMetric or a CatalogueMetric"
)


def facts_of(catalogue: Catalogue, n_users: int) -> Facts:
    """Return what a catalogue tells of its items.

    Args:
        catalogue: the items that a recommender was trained on.
        n_users: number of training users.
    """
    return {
        "popularity": lambda: jnp.asarray(catalogue.counts, jnp.float32),
        "n_users": lambda: jnp.float32(n_users),
    }


def split_facts(split: Split) -> Facts:
    """Return what a split tells of its items."""
    return facts_of(split.catalogue, split.train.shape[0])


def named_metrics(
    option: str, names: Iterable[str], cutoffs: Iterable[int], facts: Facts
) -> dict[str, AnyMetric]:
    """Return metrics by name.

    Args:
        option: the option that names them, such as `--metrics`, for messages.
        names: `name@k`, or a name alone for all cutoffs; names are those of the package, or
            `my_file.py:name`.
        cutoffs: the cutoffs of names without one.
        facts: what the functions may take besides the list.

    Raises:
        InputError: if there is no such metric, the cutoff is out of bounds, or the metric takes
            something that is not known.
    """
    found: dict[str, AnyMetric] = {}
    for text in names:
        name, at, cutoff = text.rpartition("@")
        if not at:
            name, cutoff = text, ""
        elif not cutoff.isdecimal():
            raise InputError(f"{option} {text}: the cutoff '{cutoff}' is not a number")
        elif problem := problem_of(int(cutoff), Cutoff):
            raise InputError(f"{option} {text}: the cutoff {cutoff}: {problem}")
        is_own = ":" in name
        plain = {
            known if known in WITHOUT_CUTOFF else f"{known}{at}{cutoff}": function
            for known, function in FAMILIES.items()
        }
        function = Vocabulary(option, "metric", plain).find(name if is_own else text)
        if isinstance(function, Metric | ListMetric | CatalogueMetric):
            if at:
                raise InputError(f"{option} {text}: '{name}' has the cutoff {function.cutoff}")
            found[name] = function
        elif name in WITHOUT_CUTOFF:
            found[name] = ListMetric(function, 1, of_ranking=True)
        else:
            for k in [int(cutoff)] if at else cutoffs:
                found[f"{name}@{k}"] = _metric_of(f"{option} {text}", function, k, facts)
    return found


def _metric_of(named: str, function: Any, cutoff: int, facts: Facts) -> AnyMetric:
    """The metric of a function, whose first parameter says what it is a metric of."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise InputError(f"{named}: is a {type(function).__name__}; {FORMS}") from None
    names = [parameter.name for parameter in parameters]
    if names[:3] == ["hits", "n_targets", "k"]:
        return Metric(function, cutoff)
    kinds = {"user_list": ListMetric, "counts": CatalogueMetric}
    if not names or names[0] not in kinds:
        raise InputError(f"{named}: takes ({', '.join(names)}); {FORMS}")
    about = {}
    for parameter in parameters[1:]:
        if parameter.name in facts:
            about[parameter.name] = facts[parameter.name]()
        elif parameter.default is parameter.empty:
            raise InputError(
                f"{named}: takes '{parameter.name}', which is not known here; known: "
                f"{', '.join(facts)}"
            )
    return kinds[names[0]](function, cutoff, about)


def validation_metrics(training: TrainingOptions, facts: Facts = ANYTHING) -> dict[str, AnyMetric]:
    """The paper's metrics, and the one that selects the epoch.

    Args:
        training: options of the training.
        facts: what is known of the items; unless given, the names are tried only.

    Raises:
        InputError: as in `named_metrics`.
    """
    name = training.selecting_metric
    found = named_metrics("--select-by", [name], [100], facts)
    if name not in found:
        raise InputError(f"--select-by {name}: give the cutoff too, such as {name}@100")
    return {**PAPER_METRICS, **found}


def final_metrics(training: TrainingOptions, facts: Facts = ANYTHING) -> dict[str, AnyMetric]:
    """Test metrics of a run: those of the validation, all of hits at the cutoffs, and `--metrics`.

    Args:
        training: options of the training.
        facts: as in `validation_metrics`.

    Raises:
        InputError: as in `named_metrics`.
    """
    cutoffs = CUTOFFS if training.cutoffs is None else training.cutoffs
    return {
        **validation_metrics(training, facts),
        **at_cutoffs(cutoffs),
        **named_metrics("--metrics", training.metrics or (), cutoffs, facts),
    }


def asked_metrics(
    names: Sequence[str] | None, cutoffs: Sequence[int], training: TrainingOptions, facts: Facts
) -> dict[str, AnyMetric]:
    """Metrics of an evaluation: those that are named, or else those of the training of the run.

    Args:
        names: value of `--metrics`, if it is set.
        cutoffs: value of `--cutoffs`.
        training: options of the training of the run.
        facts: as in `validation_metrics`.

    Raises:
        InputError: as in `named_metrics`.
    """
    if names is not None:
        return named_metrics("--metrics", names, cutoffs, facts)
    return final_metrics(replace(training, cutoffs=tuple(cutoffs)), facts)


def shown_metrics(training: TrainingOptions) -> list[str]:
    """Names of the test metrics that a training shows.

    They are those of `--metrics` after those of the validation, and all metrics of hits if the
    training has cutoffs of its own.
    """
    if training.cutoffs is not None:
        return list(final_metrics(training))
    asked = named_metrics("--metrics", training.metrics or (), CUTOFFS, ANYTHING)
    return list({**validation_metrics(training), **asked})

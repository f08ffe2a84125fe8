"""Systems compared with a reference: differences, their spread over users and seeds, and tests.

A system is a recommender with one evaluation per seed that it was trained with.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from multvae_jax.checks.bounds import check_ids, check_mapping, check_text, described
from multvae_jax.errors import InputError, names_like
from multvae_jax.evaluation.power import users_needed
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.significance import (
    against,
    best_of,
    check_evaluations,
    confidence_half_width,
    difference_half_width,
    mean_over_runs,
    paired_differences,
)


class Summary(NamedTuple):
    """A metric of one system.

    Attributes:
        mean: over users and seeds.
        interval: half of the 95% interval of the mean over seeds, which shows how far other seeds
            would move it; None for a single seed.
        standard_error: of the mean over users, of each user's mean over seeds; it shows how far
            other users would move it. None for a metric of all lists together.
        by_seed: mean over users of each seed.
    """

    mean: float
    interval: float | None
    standard_error: float | None
    by_seed: list[float]


class Difference(NamedTuple):
    """A metric of one system minus that of the reference.

    What is over users is None for a metric of all lists together, such as coverage.

    Attributes:
        difference: of the means over users and seeds.
        over_users: half of the 95% interval of the difference over users (Student, of the
            differences of each user's means over seeds); None for a single user.
        over_seeds: half of the 95% interval of the difference over seeds (Welch), where a system
            with a single seed counts as fixed; None if both have a single one.
        p_value: of the paired sign-flip test over users.
        corrected: the p-value after Holm's correction for the tests of this metric.
        users_needed: number of users with which such a test would find a difference of this size
            with a probability of 80% at level .05; None if no number is enough.
    """

    difference: float
    over_users: float | None
    over_seeds: float | None
    p_value: float | None
    corrected: float | None
    users_needed: int | None


class Comparisons(NamedTuple):
    """Systems compared with a reference.

    Attributes:
        reference: name of the reference.
        is_best: whether it is the reference because it is the best by the first metric. The tests
            are then corrected for all pairs of systems, otherwise for those with the reference.
        summaries: metric -> system -> its summary.
        differences: metric -> system -> its difference from the reference; without the reference.
    """

    reference: str
    is_best: bool
    summaries: dict[str, dict[str, Summary]]
    differences: dict[str, dict[str, Difference]]


def summarize(evaluations: Sequence[Evaluation], metric: str) -> Summary:
    """Summarize a metric of a system.

    Args:
        evaluations: of the same users, one per seed.
        metric: name of the metric.

    Example:
        >>> import numpy as np
        >>> seeds = [Evaluation({"ndcg@100": np.array(users)}, 0) for users in ([0, 1], [1, 1])]
        >>> summarize(seeds, "ndcg@100").by_seed
        [0.5, 1.0]
    """
    mean = mean_over_runs(evaluations)
    by_seed = [evaluation.mean(metric) for evaluation in evaluations]
    error = None if metric in mean.overall else mean.standard_error(metric)
    return Summary(mean.mean(metric), confidence_half_width(by_seed), error, by_seed)


def compare(
    systems: Mapping[str, Sequence[Evaluation] | Evaluation],
    metrics: Sequence[str] | None = None,
    reference: str | None = None,
) -> Comparisons:
    """Compare systems with one of them, on the same users.

    Each user's metrics are first averaged over the seeds of a system. The test and the interval
    over users account for other users, not for other seeds; the interval over seeds for other
    seeds, not for other users.

    Args:
        systems: name -> evaluations of the same users, one per seed; or a single one.
        metrics: metrics to compare, by default all; the first one decides which system is the best.
        reference: system to compare with, if it was chosen before anything was known of these
            users; by default the best one.

    Raises:
        InputError: if there are fewer than two systems, the reference or a metric is none of them,
            the users differ, or a value is not finite.

    Example:
        >>> import numpy as np
        >>> values = {"popularity": [0.1, 0.2, 0.3], "ease": [0.2, 0.4, 0.4]}
        >>> tested = {name: {"ndcg@100": np.array(users)} for name, users in values.items()}
        >>> found = compare({name: [Evaluation(users, 0)] for name, users in tested.items()})
        >>> found.reference, round(found.differences["ndcg@100"]["popularity"].difference, 4)
        ('ease', -0.1333)
    """
    seeds_of = _checked(systems)
    check_text("reference", reference, "the name of a system")
    if isinstance(metrics, str):
        metrics = [metrics]
    elif metrics is not None:
        check_ids("metrics", metrics, of_text=True)
    if len(seeds_of) < 2:
        raise InputError(f"systems: {', '.join(seeds_of) or 'none'}; a comparison needs two")
    if reference is not None and reference not in seeds_of:
        raise InputError(f"{reference}: no such system{names_like(reference, seeds_of)}")
    means = {name: mean_over_runs(evaluations) for name, evaluations in seeds_of.items()}
    first = next(iter(means.values()))
    known = {**first.values, **first.overall}
    metrics = list(known if metrics is None else metrics) or list(known)
    for metric in metrics:
        for name, mean in means.items():
            own = [*mean.values, *mean.overall]
            if metric not in own:
                where = "" if metric not in known else f" of '{name}'"
                raise InputError(f"{metric}: was not evaluated{where}{names_like(metric, own)}")
    chosen = best_of(means, metrics[0]) if reference is None else reference
    of_users = [metric for metric in metrics if metric in first.values]
    tests = against(means, of_users, chosen, all_pairs=reference is None)
    summaries = {
        metric: {name: summarize(seeds, metric) for name, seeds in seeds_of.items()}
        for metric in metrics
    }

    def difference(metric: str, name: str) -> Difference:
        over_seeds = difference_half_width(
            *(summaries[metric][each].by_seed for each in (name, chosen))
        )
        if metric not in tests:
            both = (summaries[metric][each].mean for each in (name, chosen))
            return Difference(operator.sub(*both), None, over_seeds, None, None, None)
        per_user = paired_differences(
            *(means[each].values[metric] for each in (name, chosen)),
        )
        test = tests[metric][name]
        return Difference(
            test.difference,
            confidence_half_width(per_user),
            over_seeds,
            test.p_value,
            test.corrected,
            users_needed(per_user),
        )

    return Comparisons(
        chosen,
        reference is None,
        summaries,
        {
            metric: {name: difference(metric, name) for name in seeds_of if name != chosen}
            for metric in metrics
        },
    )


def _checked(systems: Any) -> dict[str, list[Evaluation]]:
    """The evaluations of each system; a single one is that of one seed.

    Raises:
        InputError: they are something else.
    """
    wanted = "evaluations by name, {'ease': [evaluate(run.scorer, split.test)]}"
    check_mapping("systems", systems, wanted)
    found: dict[str, list[Evaluation]] = {}
    for name, given in systems.items():
        if isinstance(given, str) or not isinstance(given, Iterable | Evaluation):
            raise InputError(f"systems['{name}']: {described(given)}; give {wanted}")
        found[name] = [given] if isinstance(given, Evaluation) else list(given)
        check_evaluations(f"systems['{name}']", found[name])
    return found

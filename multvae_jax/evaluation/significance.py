"""Paired tests of significance, and confidence intervals."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from multvae_jax.checks.bounds import (
    Count,
    LeastCount,
    check_kind,
    check_mapping,
    described,
)
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.evaluation.result import Evaluation

BLOCK = 1000
"""Number of permutations drawn at once."""


class Comparison(NamedTuple):
    """A recommender compared with another one of a table, the reference.

    Attributes:
        difference: its mean over the users minus the mean of the reference.
        p_value: two-sided p-value of the paired test; NaN for the reference itself.
        corrected: the p-value, corrected for all tests; NaN for the reference itself.
    """

    difference: float
    p_value: float
    corrected: float


def mean_over_runs(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Average the metrics of each user over several runs, such as one per seed.

    Args:
        evaluations: at least one, all of the same users.

    Example:
        >>> runs = [Evaluation({"ndcg@100": np.array(values)}, 0) for values in ([0, 1], [1, 1])]
        >>> mean_over_runs(runs).values["ndcg@100"].tolist()
        [0.5, 1.0]
    """
    check_evaluations("evaluations", evaluations)
    values = {
        metric: np.mean([evaluation.values[metric] for evaluation in evaluations], axis=0)
        for metric in evaluations[0].values
    }
    first = evaluations[0]
    overall = {
        metric: float(np.mean([evaluation.overall[metric] for evaluation in evaluations]))
        for metric in first.overall
    }
    return Evaluation(values, first.users_without_target, overall, first.user_ids)


def check_evaluations(name: str, evaluations: Any) -> None:
    """Refuse what are not evaluations of the same users, with the same metrics.

    Raises:
        InputError: naming the argument.
    """
    if isinstance(evaluations, str | Evaluation) or not isinstance(evaluations, Sequence):
        raise InputError(f"{name}: {described(evaluations)}; give a list of evaluations")
    if not evaluations:
        raise InputError(f"{name}: no evaluation is given")
    for evaluation in evaluations:
        check_kind(name, evaluation, Evaluation, "evaluate(run.scorer, split.test)")
        first = evaluations[0]
        if evaluation.values.keys() != first.values.keys():
            raise InputError(f"{name}: the evaluations have different metrics")
        if evaluation.users != first.users:
            raise InputError(
                f"{name}: evaluations of {first.users:,} and of {evaluation.users:,} users"
            )


def check_values(name: str, values: Any) -> None:
    """Refuse what are not numbers along one axis.

    Raises:
        InputError: naming the argument and what to give.
    """
    _check_axes(name, values, 1, "a list or an array of numbers")


def _check_table(name: str, values: Any) -> None:
    _check_axes(name, values, 2, "an array of users x pairs")


def _check_axes(name: str, values: Any, axes: int, what: str) -> None:
    problem = described(values)
    try:
        array = np.asarray(values)
        if array.ndim == axes and array.dtype.kind in "biuf":
            return
        if array.ndim:
            problem = f"of shape {array.shape} and {array.dtype}"
    # A key of jax, or lists of several lengths.
    except (TypeError, ValueError):
        pass
    raise InputError(f"{name}: {problem}; give {what}")


@checked(values=check_values)
def confidence_half_width(values: Sequence[float] | Float[np.ndarray, " values"]) -> float | None:
    """Return half the width of the 95% confidence interval of a mean (Student).

    The values are those of seeds, or of users: their differences if two recommenders are compared.
    The result is None for a single value.

    Example:
        >>> round(confidence_half_width([0.42, 0.43, 0.44]), 4)
        0.0248
    """
    return difference_half_width(values, [0.0]) if len(values) > 1 else None


@checked(one=check_values, other=check_values)
def difference_half_width(
    one: Sequence[float] | Float[np.ndarray, " ones"],
    other: Sequence[float] | Float[np.ndarray, " others"],
) -> float | None:
    """Return half the width of the 95% confidence interval of a difference of means (Welch).

    Args:
        one: values of a recommender, one per seed. A single value counts as fixed.
        other: values of another recommender, whose seeds are independent of those of the first.

    Returns:
        None if both have a single value.

    Example:
        >>> round(difference_half_width([0.42, 0.43, 0.44], [0.40, 0.42, 0.41]), 4)
        0.0227
    """
    several = [values for values in (one, other) if len(values) > 1]
    if not several:
        return None
    variances = [float(np.var(values, ddof=1)) / len(values) for values in several]
    total = sum(variances)
    if not total:
        return 0.0
    freedom = total**2 / sum(
        variance**2 / (len(values) - 1) for variance, values in zip(variances, several, strict=True)
    )
    return float(scipy.stats.t.ppf(0.975, freedom)) * math.sqrt(total)


@checked(one=check_values, other=check_values)
def paired_differences(
    one: Float[np.ndarray, " users"], other: Float[np.ndarray, " users"]
) -> Float[np.ndarray, " users"]:
    """Return the difference of each user between two recommenders.

    Values that differ only by rounding count as equal: metrics are computed in float32, and two
    programs may add the same numbers in another order.

    Example:
        >>> paired_differences(np.array([0.5, 0.3]), np.array([0.25, 0.3 + 1e-8])).tolist()
        [0.25, 0.0]
    """
    if len(one) != len(other):
        raise InputError(f"other: {len(other):,} values, and {len(one):,} of the first recommender")
    one, other = np.asarray(one), np.asarray(other)
    differences = one - other
    is_rounding = np.abs(differences) <= 2e-6 * np.maximum(np.abs(one), np.abs(other))
    return np.where(is_rounding, 0.0, differences)


@checked(differences=_check_table, permutations=Count, seed=LeastCount)
def sign_flip_test(
    differences: Float[np.ndarray, "users pairs"], permutations: int = 10_000, seed: int = 0
) -> Float[np.ndarray, " pairs"]:
    """Test whether mean differences are 0, by a two-sided paired randomization test.

    If two recommenders do not differ, the sign of each user's difference is random. The p-value
    is the share of random sign assignments whose mean is at least as far from 0 as the observed
    one (Smucker, Allan and Carterette, CIKM 2007). The observed assignment is counted as well,
    (1 + hits) / (1 + permutations), so that the p-value is never 0, and is at most alpha with
    probability at most alpha under the null hypothesis (Phipson and Smyth, 2010).

    Args:
        differences: finite differences of the same users, with one column per pair of
            recommenders.
        permutations: number of random sign assignments; all pairs share them.
        seed: seed of the sign assignments.

    Returns:
        One p-value per pair.

    Example:
        >>> differences = np.full((300, 1), 0.01)
        >>> sign_flip_test(differences, permutations=999).tolist()
        [0.001]
    """
    random, differences = np.random.default_rng(seed), np.asarray(differences)
    seen = np.abs(differences.sum(axis=0))
    # Sums that differ only by rounding count as equal.
    least = seen - 1e-9 * np.abs(differences).sum(axis=0)
    hits = np.zeros(seen.shape, np.int64)
    for start in range(0, permutations, BLOCK):
        shape = (min(BLOCK, permutations - start), len(differences))
        signs = 2.0 * random.integers(0, 2, shape, np.int8) - 1.0
        hits += (np.abs(signs @ differences) >= least).sum(axis=0)
    return (1.0 + hits) / (1.0 + permutations)


@checked(p_values=check_values)
def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Correct p-values for multiple tests (Holm, 1979).

    Rejecting every test whose corrected p-value is at most alpha makes any false rejection at
    all with probability at most alpha. The smallest p-value is multiplied by the number of
    tests, the next one by that number minus 1, and so on; the results are made non-decreasing
    in this order and clipped at 1.

    Example:
        >>> holm(np.array([0.01, 0.04])).tolist()
        [0.02, 0.04]
    """
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(p_values.size, 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0)
    return corrected


def against_best(
    evaluations: Mapping[str, Evaluation],
    metric: str,
    permutations: int = 10_000,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare each recommender with the one of the highest mean, by a paired test.

    The best recommender is chosen on the users that it is tested on, which makes the others look
    worse than they are. The p-values are therefore corrected for all pairs of the table, not
    only for those with the best: whichever recommender is the best, its pairs are among them.

    Args:
        evaluations: evaluations of the same users, by recommender. If means are equal, the first
            one is the best.
        metric: name of the metric to compare.
        permutations: as in `sign_flip_test`.
        seed: as in `sign_flip_test`.

    Raises:
        InputError: if the users or their order differ, or a value is not finite.

    Example:
        >>> values = {"popularity": [0.1, 0.2, 0.3], "ease": [0.2, 0.4, 0.4]}
        >>> table = {
        ...     name: Evaluation({"ndcg@100": np.array(users)}, 0) for name, users in values.items()
        ... }
        >>> round(against_best(table, "ndcg@100")["popularity"].difference, 4)
        -0.1333
    """
    check_mapping("evaluations", evaluations, "evaluations by name")
    for name, one in evaluations.items():
        check_kind(f"evaluations['{name}']", one, Evaluation, "evaluate(run, split.test)")
    return against(evaluations, [metric], best_of(evaluations, metric), True, permutations, seed)[
        metric
    ]


def best_of(evaluations: Mapping[str, Evaluation], metric: str) -> str:
    """Return the recommender with the highest mean; the first one if means are equal.

    Example:
        >>> ease = mv.evaluate(mv.fit_baseline("ease", split).scorer, split.test)
        >>> best_of({"ease": ease, "the same": ease}, "ndcg@100")
        'ease'
    """
    return max(evaluations, key=lambda name: evaluations[name].mean(metric))


def against(
    evaluations: Mapping[str, Evaluation],
    metrics: Sequence[str],
    reference: str,
    all_pairs: bool,
    permutations: int = 10_000,
    seed: int = 0,
) -> dict[str, dict[str, Comparison]]:
    """Compare each recommender with a reference, by a paired test.

    The p-values of each metric are corrected by themselves.

    Args:
        evaluations: evaluations of the same users, by recommender.
        metrics: names of the metrics to compare.
        reference: name of the recommender to compare with.
        all_pairs: correct for all pairs of recommenders, as is necessary if the reference was
            chosen on these users (see `against_best`); otherwise for the pairs with the reference.
        permutations: as in `sign_flip_test`; all metrics share the sign assignments.
        seed: as in `sign_flip_test`.

    Returns:
        Metric -> recommender -> its comparison.

    Raises:
        InputError: if the users or their order differ, or a value is not finite.

    Example:
        >>> table = {"a": Evaluation({"ndcg@100": np.array([0.25, 0.5])}, 0)}
        >>> table["b"] = Evaluation({"ndcg@100": np.array([0.5, 0.75])}, 0)
        >>> against(table, ["ndcg@100"], "a", all_pairs=False)["ndcg@100"]["b"].difference
        0.25
    """
    pairs = [
        pair for pair in itertools.combinations(evaluations, 2) if all_pairs or reference in pair
    ]
    values = {
        metric: {name: each.values[metric] for name, each in evaluations.items()}
        for metric in metrics
    }
    for name, evaluation in evaluations.items():
        check_kind(f"evaluations['{name}']", evaluation, Evaluation, "evaluate(run, split.test)")
    _refuse_other_users(evaluations)
    for metric in metrics:
        _refuse_undefined(values[metric], metric)
    columns = [
        paired_differences(values[metric][one], values[metric][other])
        for metric in metrics
        for one, other in pairs
    ]
    table = np.stack(columns, axis=1) if columns else np.zeros((evaluations[reference].users, 0))
    p_values = sign_flip_test(table, permutations, seed).reshape(len(metrics), len(pairs))

    def of_metric(metric: str, p_values: np.ndarray) -> dict[str, Comparison]:
        both = zip(p_values.tolist(), holm(p_values).tolist(), strict=True)
        tests = dict(zip(map(frozenset, pairs), both, strict=True))
        own = values[metric]
        return {
            name: Comparison(
                float(paired_differences(own[name], own[reference]).mean()),
                *tests.get(frozenset((name, reference)), (math.nan, math.nan)),
            )
            for name in evaluations
        }

    return {metric: of_metric(metric, row) for metric, row in zip(metrics, p_values, strict=True)}


def _refuse_other_users(evaluations: Mapping[str, Evaluation]) -> None:
    (first, one), *others = evaluations.items()
    for name, other in others:
        if other.users != one.users:
            raise InputError(
                f"{first} was evaluated on {one.users:,} users and {name} on {other.users:,}: a "
                "paired test needs the same users"
            )
        if one.user_ids is None or other.user_ids is None:
            continue
        differing = np.flatnonzero(one.user_ids != other.user_ids)
        if differing.size:
            row = differing[0]
            raise InputError(
                f"user {row + 1} of {first} is {one.user_ids[row]}, and of {name} "
                f"{other.user_ids[row]}: a paired test needs the same users in the same order"
            )


def _refuse_undefined(values: Mapping[str, np.ndarray], metric: str) -> None:
    for name, per_user in values.items():
        undefined = int((~np.isfinite(per_user)).sum())
        if undefined:
            raise InputError(
                f"{name}: {metric} of {undefined:,} of {per_user.size:,} users is not finite"
            )

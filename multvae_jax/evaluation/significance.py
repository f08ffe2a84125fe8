"""Paired tests of significance, and confidence intervals over seeds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

from multvae_jax.errors import InputError
from multvae_jax.evaluation.result import Evaluation

BLOCK = 1000
"""Number of permutations drawn at once."""


class Comparison(NamedTuple):
    """A recommender compared with the best one of a table.

    Attributes:
        difference: its mean over the users minus the mean of the best one; at most 0.
        p_value: two-sided p-value of the paired test; NaN for the best one itself.
        corrected: the p-value, corrected for all pairs of the table; NaN for the best one itself.
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
    values = {
        metric: np.mean([evaluation.values[metric] for evaluation in evaluations], axis=0)
        for metric in evaluations[0].values
    }
    return Evaluation(values, evaluations[0].users_without_target)


def confidence_half_width(values: Sequence[float]) -> float | None:
    """Return half the width of the 95% confidence interval of a mean over seeds.

    The interval is Student's. The result is None for a single seed.

    Example:
        >>> round(confidence_half_width([0.42, 0.43, 0.44]), 4)
        0.0248
    """
    if len(values) < 2:
        return None
    spread = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return float(scipy.stats.t.ppf(0.975, len(values) - 1) * spread)


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
    random = np.random.default_rng(seed)
    seen = np.abs(differences.sum(axis=0))
    # Sums that differ only by rounding count as equal.
    least = seen - 1e-9 * np.abs(differences).sum(axis=0)
    hits = np.zeros(seen.shape, np.int64)
    for start in range(0, permutations, BLOCK):
        shape = (min(BLOCK, permutations - start), len(differences))
        signs = 2.0 * random.integers(0, 2, shape, np.int8) - 1.0
        hits += (np.abs(signs @ differences) >= least).sum(axis=0)
    return (1.0 + hits) / (1.0 + permutations)


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
        InputError: if the numbers of users differ, or a value is not finite.

    Example:
        >>> values = {"popularity": [0.1, 0.2, 0.3], "ease": [0.2, 0.4, 0.4]}
        >>> table = {
        ...     name: Evaluation({"ndcg@100": np.array(users)}, 0) for name, users in values.items()
        ... }
        >>> round(against_best(table, "ndcg@100")["popularity"].difference, 4)
        -0.1333
    """
    values = {name: evaluation.values[metric] for name, evaluation in evaluations.items()}
    _refuse_unequal(values, metric)
    best = max(values, key=lambda name: values[name].mean())
    pairs = list(itertools.combinations(values, 2))
    columns = [values[one] - values[other] for one, other in pairs]
    table = np.stack(columns, axis=1) if pairs else np.zeros((len(values[best]), 0))
    p_values = sign_flip_test(table, permutations, seed)
    tests = dict(zip(pairs, zip(p_values, holm(p_values), strict=True), strict=True))

    def comparison(name: str) -> Comparison:
        p_value, corrected = tests.get((name, best)) or tests.get((best, name)) or (np.nan, np.nan)
        difference = values[name].mean() - values[best].mean()
        return Comparison(float(difference), float(p_value), float(corrected))

    return {name: comparison(name) for name in values}


def _refuse_unequal(values: Mapping[str, np.ndarray], metric: str) -> None:
    first, *others = values
    for name in others:
        if values[name].size != values[first].size:
            raise InputError(
                f"{first} was evaluated on {values[first].size:,} users and {name} on "
                f"{values[name].size:,}: a paired test needs the same users"
            )
    for name, per_user in values.items():
        if not np.isfinite(per_user).all():
            raise InputError(f"{name}: {metric} of at least one user is not finite")

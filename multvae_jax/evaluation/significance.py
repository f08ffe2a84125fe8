"""Whether two recommenders differ on the same users, or by chance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Float

from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import Evaluation

BLOCK = 1000
"""Permutations that are drawn at once."""


class Comparison(NamedTuple):
    """One recommender against the best of the table.

    Attributes:
        difference: its mean over the users less the best's; 0 or below.
        p_value: of the paired test, two-sided; NaN for the best itself.
        corrected: the same, corrected for all pairs of the table; NaN for the best itself.
    """

    difference: float
    p_value: float
    corrected: float


def mean_over_runs(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Each user's mean over several evaluations, such as those of several seeds.

    Args:
        evaluations: of the same users; one at least.
    """
    values = {
        metric: np.mean([evaluation.values[metric] for evaluation in evaluations], axis=0)
        for metric in evaluations[0].values
    }
    return Evaluation(values, evaluations[0].users_without_target)


def confidence_half_width(values: Sequence[float]) -> float | None:
    """Half of the 95% confidence interval of a mean over seeds (Student); None for one seed."""
    if len(values) < 2:
        return None
    spread = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    return float(scipy.stats.t.ppf(0.975, len(values) - 1) * spread)


def sign_flip_test(
    differences: Float[np.ndarray, "users pairs"], permutations: int = 10_000, seed: int = 0
) -> Float[np.ndarray, " pairs"]:
    """Paired randomization test of a mean difference of 0, two-sided.

    If two recommenders do not differ, the sign of a user's difference is a toss of a coin. The
    p-value is the share of coin tosses, one for each user, whose mean is at least as far from 0
    as the one seen, which is counted among them: (1 + hits) / (1 + permutations). So it is never
    0, and at most alpha with a probability of at most alpha (Smucker, Allan, Carterette, CIKM
    2007; Phipson and Smyth, 2010).

    Args:
        differences: of the same users, one column a pair of recommenders; finite.
        permutations: coin tosses drawn; the same ones for every pair.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    seen = np.abs(differences.sum(axis=0))
    # What differs by rounding alone is equal.
    least = seen - 1e-9 * np.abs(differences).sum(axis=0)
    hits = np.zeros(seen.shape, np.int64)
    for start in range(0, permutations, BLOCK):
        shape = (min(BLOCK, permutations - start), len(differences))
        signs = 2.0 * random.integers(0, 2, shape, np.int8) - 1.0
        hits += (np.abs(signs @ differences) >= least).sum(axis=0)
    return (1.0 + hits) / (1.0 + permutations)


def holm(p_values: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Holm's correction: reject what stays at or below alpha, and any error has chance alpha.

    The smallest p-value is multiplied by the number of tests, the next by one less, and so on;
    none may be below the one before it, or above 1 (Holm, 1979).
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
    """Each recommender's difference from the one with the highest mean, with a paired test.

    The best is found on the users that it is tested on, and that alone makes the others look
    worse than they are. Corrected for are therefore all pairs of the table and not the ones with
    the best alone: whichever is the best, its pairs are among them.

    Args:
        evaluations: by recommender, of the same users; the first of equal means is the best.
        metric: what is compared.
        permutations: see `sign_flip_test`.
        seed: likewise.

    Raises:
        InputError: if the users are not the same number, or a value is not a number.
    """
    values = {name: evaluation.values[metric] for name, evaluation in evaluations.items()}
    _refuse_unequal(values, metric)
    best = max(values, key=lambda name: values[name].mean())
    pairs = list(itertools.combinations(values, 2))
    columns = [values[one] - values[other] for one, other in pairs]
    table = np.stack(columns, axis=1) if pairs else np.zeros((len(values[best]), 0))
    p_values = sign_flip_test(table, permutations, seed)
    tests = dict(zip(pairs, zip(p_values, holm(p_values), strict=True), strict=True))

    def compared(name: str) -> Comparison:
        p_value, corrected = tests.get((name, best)) or tests.get((best, name)) or (np.nan, np.nan)
        difference = values[name].mean() - values[best].mean()
        return Comparison(float(difference), float(p_value), float(corrected))

    return {name: compared(name) for name in values}


def _refuse_unequal(values: Mapping[str, np.ndarray], metric: str) -> None:
    first, *others = values
    for name in others:
        if values[name].size != values[first].size:
            raise InputError(
                f"{first} was evaluated on {values[first].size:,} users and {name} on "
                f"{values[name].size:,}: a paired test takes the same ones"
            )
    for name, mine in values.items():
        if not np.isfinite(mine).all():
            raise InputError(f"{name}: {metric} of a user is not a number")

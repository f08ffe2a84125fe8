"""The number of users that a paired test needs."""

from __future__ import annotations

import bisect
import math

import numpy as np
import scipy
from jaxtyping import Float

MOST_USERS = 10**9
"""Number of users beyond which a difference counts as none that a test would find."""


def users_needed(
    differences: Float[np.ndarray, " users"], power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Return how many users a paired test needs to find a difference of the observed size.

    It is the smallest number of users of whom a two-sided paired t test at level alpha, which the
    sign-flip test approximates, finds the difference, in its direction, with the probability
    `power`, if its mean and its standard deviation over all users are the observed ones. With

        effect = |mean| / standard deviation,

    the statistic of n users has a noncentral t distribution with n - 1 degrees of freedom and the
    noncentrality effect * sqrt(n). The number says how small the difference is, and what a further
    experiment would take; it adds nothing to the p-value of the same users, of which the observed
    effect is a function (Hoenig and Heisey, 2001).

    Args:
        differences: of the same users between two recommenders.
        power: the probability.
        alpha: level of a single test, without a correction.

    Returns:
        None if the mean is 0, there is a single user, or `MOST_USERS` would not be enough. At least
        as many as a sign-flip test needs to reject at all.

    Example:
        >>> users_needed(np.array([0.1, -0.1, 0.3, 0.1]))
        23
    """
    mean, scale = float(np.mean(differences)), float(np.abs(differences).mean())
    # As in `sign_flip_test`, a mean that is only rounding is 0.
    if differences.size < 2 or abs(mean) <= 1e-9 * scale:
        return None
    # Of n signs that are all equal, the p-value is 2 / 2^n.
    fewest = 1 + math.ceil(math.log2(1 / alpha))
    spread = float(np.std(differences, ddof=1))
    if spread <= 1e-9 * scale:
        return fewest
    effect = abs(mean) / spread

    def power_of(users: int) -> float:
        bar = scipy.stats.t.ppf(1 - alpha / 2, users - 1)
        return float(scipy.stats.nct.sf(bar, users - 1, effect * math.sqrt(users)))

    if power_of(MOST_USERS) < power:
        return None
    return bisect.bisect_left(range(MOST_USERS), power, lo=fewest, key=power_of)

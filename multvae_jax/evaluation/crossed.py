"""A paired test over users and training seeds together."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy
from jaxtyping import Float

from multvae_jax.errors import InputError
from multvae_jax.evaluation.significance import paired_differences


class Crossed(NamedTuple):
    """The difference of two recommenders, of which other users and other seeds would have another.

    Attributes:
        difference: mean over users and seeds.
        standard_error: of the difference, over users and seeds.
        half_width: half of its 95% interval.
        p_value: two-sided; 1 if there is no difference at any user and seed.
        by_seed: mean over the users of each seed.
        seed_share: share of the squared standard error that more seeds would reduce.
    """

    difference: float
    standard_error: float
    half_width: float
    p_value: float
    by_seed: list[float]
    seed_share: float


def crossed_test(one: Float[np.ndarray, "seeds users"], other: Float[np.ndarray, "_ _"]) -> Crossed:
    """Test whether two recommenders differ for any users and any seeds.

    Seeds and users are two crossed samples: with the difference d of seed s and user u,

        d_su = difference + seed_s + user_u + rest_su

    A test over users alone takes the trained parameters for fixed. Two trainings of one model with
    other seeds differ in them, and with enough users such a test finds that. Here the squared
    standard error is

        (MS_seeds + max(MS_users - MS_rest, 0)) / (seeds users)

    with the mean squares of the two-way layout, and the degrees of freedom are Satterthwaite's. It
    is the test of studies in which several readers judge the same cases (Hillis, Statistics in
    Medicine 2007), with a seed for a reader.

    Args:
        one: metric of a recommender, one row per seed.
        other: metric of another one; row s has the same seed, so that starts, batches and noise
            that both draw alike cancel.

    Raises:
        InputError: if the shapes differ, there are fewer than two seeds or users, or a value is not
            finite.

    Example:
        >>> one = np.array([[0.5, 0.25, 0.75], [0.5, 0.5, 0.75], [0.75, 0.25, 0.75]])
        >>> round(crossed_test(one, np.full((3, 3), 0.25)).p_value, 2)
        0.14
    """
    if one.shape != other.shape or one.shape[0] < 2 or one.shape[1] < 2:
        raise InputError(
            f"values of {one.shape} and {other.shape} seeds and users: a test over both needs two "
            "of each, the same for both recommenders"
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise InputError("a value is not finite")
    flat = (values.astype(np.float64).ravel() for values in (one, other))
    d = paired_differences(*flat).reshape(one.shape)
    n_seeds, n_users = len(d), len(d.T)
    mean, of_seed, of_user = d.mean(), d.mean(axis=1), d.mean(axis=0)
    rest = d - of_seed[:, None] - of_user + mean
    freedoms = np.array([n_seeds - 1, n_users - 1, (n_seeds - 1) * (n_users - 1)])
    squares = [n_users * (of_seed - mean) ** 2, n_seeds * (of_user - mean) ** 2, rest**2]
    seeds, users, others = np.array([each.sum() for each in squares]) / freedoms
    by_seed = of_seed.tolist()
    parts = np.array([seeds, users, -others]) if users > others else np.array([seeds, 0.0, 0.0])
    total = parts.sum()
    # Equal at every user and seed, or apart by the same amount at all of them.
    if total <= 1e-18 * np.abs(d).max() ** 2 or not d.any():
        return Crossed(float(mean), 0.0, 0.0, 0.0 if d.any() else 1.0, by_seed, 0.0)
    freedom = total**2 / (parts**2 / freedoms).sum()
    error = math.sqrt(total / d.size)
    quantile = float(scipy.stats.t.ppf(0.975, freedom))
    p_value = float(2 * scipy.stats.t.sf(abs(mean) / error, freedom))
    return Crossed(float(mean), error, quantile * error, p_value, by_seed, float(seeds / total))

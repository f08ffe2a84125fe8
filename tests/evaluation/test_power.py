"""The number of users that a test needs, against statsmodels and by simulation."""

import numpy as np
import pytest

from multvae_jax.evaluation.power import users_needed
from multvae_jax.evaluation.significance import sign_flip_test
from tests.builders import within_binomial


def differences_of(effect, n=400):
    """Differences with a mean of `effect` standard deviations."""
    values = np.random.default_rng(0).normal(size=n)
    return effect + (values - values.mean()) / values.std(ddof=1)


@pytest.mark.parametrize(
    ("effect", "at_80", "at_90"),
    # `TTestPower().solve_power(effect, alpha, power)` of statsmodels 0.15: power .8 at level .05,
    # and power .9 at level .01.
    [
        (1.0, 9.93785, 18.30346),
        (0.5, 33.36713, 62.87024),
        (0.2, 198.15082, 375.30823),
        (0.05, 3141.46547, 5955.07270),
        (0.01, 78490.52584, 148797.18913),
    ],
)
def test_it_is_the_next_whole_number_to_that_of_statsmodels(effect, at_80, at_90):
    for sign in (1, -1):
        assert users_needed(sign * differences_of(effect)) == np.ceil(at_80)
    assert users_needed(differences_of(effect), power=0.9, alpha=0.01) == np.ceil(at_90)


def test_so_many_users_find_the_difference_in_80_percent_of_tests():
    """By the sign-flip test itself, of skewed differences that are often 0.

    600 tests of users drawn from a population. The bound is 5 standard errors, which fails once in
    1e6 seeds, and .02 for a finite n and for sign assignments that all tests share.
    """
    random = np.random.default_rng(1)
    population = random.exponential(size=4000) * random.choice([0, 0, 1, -0.3], 4000)
    n = users_needed(population)
    assert 100 < n < 400
    drawn = population[random.integers(0, 4000, (n, 600))]
    share = (sign_flip_test(drawn, permutations=4999) <= 0.05).mean()
    assert abs(share - 0.8) <= 0.02 + 5 * np.sqrt(0.8 * 0.2 / 600)
    half = sign_flip_test(drawn[: n // 2], permutations=4999) <= 0.05
    assert not within_binomial(half.mean(), 0.8, 600)


def test_there_is_no_number_without_a_difference_and_one_for_a_certain_one():
    assert users_needed(np.zeros(10)) is None
    assert users_needed(np.array([0.1, 0.2, -0.3])) is None  # 0 up to rounding
    assert users_needed(np.array([0.3])) is None
    assert users_needed(differences_of(1e-6)) is None
    # Five equal signs have the p-value 2 / 2^5 > .05, six have 2 / 2^6.
    assert users_needed(np.full(10, 0.1)) == 6
    assert users_needed(differences_of(50.0)) == 6

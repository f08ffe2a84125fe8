"""The test over users and seeds: against the t test where it is one, and its errors."""

import numpy as np
import pytest
import scipy.stats

from multvae_jax.errors import InputError
from multvae_jax.evaluation.crossed import crossed_test
from multvae_jax.evaluation.significance import sign_flip_test
from tests.builders import within_binomial

LEVEL = 0.05


def metric(rng, seeds, users, of_seed, of_user, rest):
    """Values of one recommender; each user's own level is drawn by the caller."""
    return (
        0.4
        + of_seed * rng.normal(size=(seeds, 1))
        + of_user * rng.normal(size=users)
        + rest * rng.normal(size=(seeds, users))
    )


def test_without_effects_of_users_it_is_the_t_test_of_the_means_of_the_seeds():
    d = np.array([[3.0, 1.0, 2.0, 2.0], [2.0, 4.0, 3.0, 5.0], [1.0, 1.0, 2.0, 0.0]])
    # Each user's mean over the seeds is near the others', so that users explain less than chance.
    d += 2 - d.mean(axis=0)
    found = crossed_test(d, np.zeros_like(d))
    expected = scipy.stats.ttest_1samp(d.mean(axis=1), 0.0)
    low, high = expected.confidence_interval(0.95)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.half_width == pytest.approx((high - low) / 2)
    assert found.seed_share == 1.0


def test_without_effects_of_seeds_it_is_the_t_test_over_users():
    of_user = np.array([0.3, -0.1, 0.2, 0.4, 0.1, 0.25])
    d = np.tile(of_user, (4, 1))
    found = crossed_test(d + 0.5, np.full_like(d, 0.5))
    assert found.p_value == pytest.approx(scipy.stats.ttest_1samp(of_user, 0.0).pvalue)
    assert found.seed_share == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("of_seed", "of_user", "rest"), [(0.01, 0.0, 0.1), (0.0, 0.0, 0.1), (0.004, 0.08, 0.1)]
)
def test_recommenders_of_one_distribution_differ_at_most_as_often_as_the_level(
    of_seed, of_user, rest
):
    """Also where the effect of a recommender on each user is itself drawn, with mean 0."""
    rng, n = np.random.default_rng(0), 400
    users = 150
    found = [
        crossed_test(
            metric(rng, 5, users, of_seed, of_user, rest),
            metric(rng, 5, users, of_seed, of_user, rest),
        ).p_value
        for _ in range(n)
    ]
    share = float(np.mean(np.array(found) <= LEVEL))
    assert share <= LEVEL or within_binomial(share, LEVEL, n, sigmas=4)


def test_a_test_over_users_alone_takes_other_seeds_for_another_model():
    rng, n = np.random.default_rng(1), 200
    pairs = [[metric(rng, 5, 150, 0.02, 0.0, 0.1) for _ in range(2)] for _ in range(n)]
    over_users = np.stack([(one - other).mean(axis=0) for one, other in pairs], axis=1)
    assert (sign_flip_test(over_users, permutations=999) <= LEVEL).mean() > 0.3
    assert np.mean([crossed_test(*pair).p_value <= LEVEL for pair in pairs]) < 0.12


def test_a_difference_is_found_and_its_interval_covers_it():
    rng, n, shift = np.random.default_rng(2), 400, 0.03
    found = [
        crossed_test(
            metric(rng, 5, 200, 0.005, 0.05, 0.1) + shift, metric(rng, 5, 200, 0.005, 0.05, 0.1)
        )
        for _ in range(n)
    ]
    covered = np.mean([abs(each.difference - shift) <= each.half_width for each in found])
    assert covered >= 0.95 or within_binomial(covered, 0.95, n, sigmas=4)
    assert np.mean([each.p_value <= LEVEL for each in found]) > 0.9


def test_equal_values_have_no_difference_and_a_constant_shift_is_certain():
    values = np.random.default_rng(3).random((3, 9))
    same = crossed_test(values, values * (1 + 1e-7))
    assert (same.difference, same.p_value, same.half_width) == (0.0, 1.0, 0.0)
    assert crossed_test(np.full((3, 9), 0.5), np.full((3, 9), 0.25)).p_value == 0.0


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (np.ones((1, 5)), np.ones((1, 5)), "needs two of each"),
        (np.ones((3, 5)), np.ones((2, 5)), r"\(3, 5\) and \(2, 5\)"),
        (np.ones((3, 5)), np.full((3, 5), np.nan), "not finite"),
    ],
)
def test_what_cannot_be_tested_is_refused(one, other, message):
    with pytest.raises(InputError, match=message):
        crossed_test(one, other)

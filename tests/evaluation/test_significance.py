"""The paired test, held against scipy and against what it promises of its errors."""

import numpy as np
import pytest
import scipy.stats

from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import Evaluation
from multvae_jax.evaluation.significance import (
    Comparison,
    against_best,
    holm,
    mean_over_runs,
    sign_flip_test,
)
from tests.builders import within_binomial


def p_value(differences, **options):
    return float(sign_flip_test(np.asarray(differences, float)[:, None], **options)[0])


def evaluation(values):
    return Evaluation({"ndcg@100": np.asarray(values, float)}, 0)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.8])
def test_it_is_scipys_exact_test_of_few_users(shift):
    """All 2^12 coin tosses are scipy's; ours are draws of them, within 5 standard errors."""
    differences = np.random.default_rng(1).normal(shift, 1.0, 12)
    exact = scipy.stats.permutation_test(
        (differences, np.zeros(12)),
        lambda one, other, axis: (one - other).mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue
    assert 0.001 < exact < 0.9
    assert within_binomial(p_value(differences, permutations=40_000), exact, 40_000)


def test_it_is_the_t_test_where_there_are_many_users():
    """Differences of 400 users: the t test is exact for these, and the two agree closely."""
    for seed, shift in ((0, 0.0), (1, 0.05), (2, 0.1), (3, -0.12)):
        differences = np.random.default_rng(seed).normal(shift, 1.0, 400)
        expected = scipy.stats.ttest_rel(differences, np.zeros(400)).pvalue
        found = p_value(differences, permutations=20_000)
        assert within_binomial(found, expected, 20_000, sigmas=6), (seed, found, expected)


def test_ties_count_as_far_out_and_no_p_value_is_zero():
    # Of the 8 tosses of three ones, two are as far from 0 as the one seen.
    found = p_value([1.0, 1.0, 1.0], permutations=40_000)
    assert within_binomial(found, 2 / 8, 40_000)
    assert p_value(np.zeros(10)) == 1.0
    assert p_value(np.full(300, 1.0), permutations=999) == 1 / 1000


def test_rounding_breaks_no_tie():
    """0.1 + 0.2 is not 0.3 to a computer, but tenths have the p-values of whole numbers."""
    whole = np.random.default_rng(9).integers(-3, 4, (12, 20)).astype(float)
    np.testing.assert_array_equal(
        sign_flip_test(whole / 10, permutations=500), sign_flip_test(whole, permutations=500)
    )


def test_the_same_seed_gives_the_same_p_value_and_neither_order_nor_block_matters():
    differences = np.random.default_rng(4).normal(0.1, 1.0, (50, 3))
    whole = sign_flip_test(differences, permutations=2500)
    np.testing.assert_array_equal(whole, sign_flip_test(differences, permutations=2500))
    np.testing.assert_array_equal(whole, sign_flip_test(-differences, permutations=2500))
    np.testing.assert_array_equal(whole[1], sign_flip_test(differences[:, 1:2], 2500)[0])
    assert (whole != sign_flip_test(differences, permutations=2500, seed=1)).any()


def test_a_difference_that_is_none_is_found_as_often_as_alpha():
    """2000 data sets of 20 users without a difference, skewed and of unequal spread.

    p = (1 + hits) / 200 is then at most alpha in a share alpha of them, exactly where 200 alpha is
    a whole number; at 5 standard errors this fails once in 1e6 seeds.
    """
    random = np.random.default_rng(5)
    spread = random.uniform(0.1, 3.0, (20, 1))
    sizes = spread * random.exponential(size=(20, 2000))
    differences = sizes * random.choice([-1.0, 1.0], (20, 2000))
    p_values = np.array(
        [p_value(one, permutations=199, seed=seed) for seed, one in enumerate(differences.T)]
    )
    for alpha in (0.01, 0.05, 0.2):
        assert within_binomial((p_values <= alpha).mean(), alpha, 2000)


def test_a_difference_that_is_one_is_found():
    random = np.random.default_rng(6)
    assert p_value(random.normal(0.3, 1.0, 600)) < 0.001


def test_holm_is_as_in_a_worked_example_and_in_any_order():
    p_values = np.array([0.01, 0.04, 0.03, 0.005])
    # By hand: 4 x .005, 3 x .01, 2 x .03, and .04 is not below the .06 before it.
    np.testing.assert_allclose(holm(p_values), [0.03, 0.06, 0.06, 0.02])
    shuffled = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(holm(p_values[shuffled]), holm(p_values)[shuffled])
    np.testing.assert_array_equal(holm(np.array([0.6, 0.9])), [1.0, 1.0])
    assert holm(np.zeros(0)).size == 0


def table_of(random, n_users, rows, spread=1.0):
    """Recommenders that do not differ but by chance, on users that do."""
    users = random.normal(size=(n_users, 1))
    values = users + spread * random.normal(size=(n_users, rows))
    return {f"model {row}": evaluation(values[:, row]) for row in range(rows)}


def test_no_recommender_of_six_equal_ones_is_called_worse_too_often():
    """The best of a table is found on the users of the test, and still the bound holds.

    In 400 tables of six equal recommenders, at most 5% (and 5 standard errors, 1e-6) have one
    that differs from the best at .05. Correcting for the five pairs with the best alone would
    say so in more: the test would not see the correction fail if it did not.
    """
    random = np.random.default_rng(7)
    tables = [table_of(random, 40, 6) for _ in range(400)]
    compared = [
        against_best(table, "ndcg@100", permutations=999, seed=seed)
        for seed, table in enumerate(tables)
    ]
    wrong = np.mean([any(row.corrected <= 0.05 for row in rows.values()) for rows in compared])
    bound = 0.05 + 5 * np.sqrt(0.05 * 0.95 / 400)
    assert wrong <= bound

    def with_the_best_alone(rows):
        return holm(np.array([row.p_value for row in rows.values() if row.difference < 0]))

    selected = np.mean([(with_the_best_alone(rows) <= 0.05).any() for rows in compared])
    assert selected > bound


def test_the_best_and_the_differences_from_it():
    random = np.random.default_rng(8)
    users = random.uniform(0.2, 0.8, 300)
    rows = {
        "low": evaluation(users - 0.1 + 0.02 * random.normal(size=300)),
        "best": evaluation(users),
        "near": evaluation(users - 1e-4 + 0.1 * random.normal(size=300)),
    }
    found = against_best(rows, "ndcg@100")
    assert list(found) == ["low", "best", "near"]
    assert found["best"].difference == 0.0
    assert np.isnan(found["best"].p_value)
    assert np.isnan(found["best"].corrected)
    for name in ("low", "near"):
        expected = rows[name].mean("ndcg@100") - rows["best"].mean("ndcg@100")
        assert found[name].difference == pytest.approx(expected)
        t_test = scipy.stats.ttest_rel(
            rows[name].values["ndcg@100"], rows["best"].values["ndcg@100"]
        )
        assert found[name].p_value == pytest.approx(max(t_test.pvalue, 1 / 10_001), abs=0.02)
    # Three pairs: low-best and low-near at 1 / 10,001 each, and near-best last.
    assert found["low"].corrected == pytest.approx(3 / 10_001)
    assert found["near"].corrected == found["near"].p_value


def test_one_recommender_alone_is_the_best():
    (row,) = against_best({"only": evaluation([0.1, 0.2])}, "ndcg@100").values()
    np.testing.assert_equal(row, Comparison(0.0, np.nan, np.nan))


def test_what_cannot_be_compared_is_refused():
    rows = {"a": evaluation([0.1, 0.2]), "b": evaluation([0.1, 0.2, 0.3])}
    with pytest.raises(InputError, match="a was evaluated on 2 users and b on 3"):
        against_best(rows, "ndcg@100")
    with pytest.raises(InputError, match="b: ndcg@100 of at least one user is not finite"):
        against_best({**rows, "b": evaluation([0.1, np.nan])}, "ndcg@100")


def test_averaging_is_by_user():
    one = Evaluation({"ndcg@100": np.array([0.0, 1.0]), "recall@20": np.array([0.5, 0.5])}, 3)
    other = Evaluation({"ndcg@100": np.array([1.0, 1.0]), "recall@20": np.array([0.0, 1.0])}, 3)
    mean = mean_over_runs([one, other])
    np.testing.assert_array_equal(mean.values["ndcg@100"], [0.5, 1.0])
    np.testing.assert_array_equal(mean.values["recall@20"], [0.25, 0.75])
    assert mean.users_without_target == 3
    assert mean.standard_error("ndcg@100") == pytest.approx(0.25 / np.sqrt(2))

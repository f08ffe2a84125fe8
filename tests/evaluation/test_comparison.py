"""Systems compared with a reference: the coverage of the intervals, and what is in the result."""

import numpy as np
import pytest
import scipy.stats

from multvae_jax.errors import InputError
from multvae_jax.evaluation.comparison import compare, summarize
from multvae_jax.evaluation.result import Evaluation
from multvae_jax.evaluation.significance import (
    against_best,
    confidence_half_width,
    difference_half_width,
    holm,
)
from tests.builders import within_binomial


def seeds_of(*values, metric="ndcg@100"):
    return [Evaluation({metric: np.asarray(users, float)}, 0) for users in values]


def test_the_interval_over_users_covers_the_true_difference():
    """Of 2000 samples of 60 users, 95% of the intervals do; 5 standard errors, once in 1e6 seeds.

    Differences of recall are skewed and mostly 0, for which Student's interval is a little narrow:
    the bound is widened by .01.
    """
    random = np.random.default_rng(0)
    drawn = random.binomial(4, 0.3, (2000, 60)) / 4 - random.binomial(4, 0.2, (2000, 60)) / 4
    drawn *= random.random((2000, 60)) < 0.5
    half = np.array([confidence_half_width(users) for users in drawn])
    covered = (np.abs(drawn.mean(axis=1) - 0.05) <= half).mean()
    assert abs(covered - 0.95) <= 0.01 + 5 * np.sqrt(0.95 * 0.05 / 2000)
    assert not within_binomial((np.abs(drawn.mean(axis=1)) <= half).mean(), 0.95, 2000)


def test_the_interval_over_seeds_is_scipys():
    random = np.random.default_rng(1)
    one, other = random.normal(0.4, 0.01, 5), random.normal(0.3, 0.02, 3)
    for a, b in ((one, other), (other, one)):
        low, high = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval()
        assert difference_half_width(a, b) == pytest.approx((high - low) / 2)
    low, high = scipy.stats.ttest_1samp(one, 0.3).confidence_interval()
    for a, b in ((one, [0.3]), ([0.3], one)):
        assert difference_half_width(a, b) == pytest.approx((high - low) / 2)
    assert difference_half_width([0.4], [0.3]) is None
    assert difference_half_width([0.4, 0.4], [0.3, 0.3]) == 0.0


def test_the_interval_over_seeds_covers_the_true_difference():
    """Of 1500 pairs of 3 and 5 seeds of unequal spread; 5 standard errors and .01, as above."""
    random = np.random.default_rng(2)
    one, other = random.normal(0.1, 1.0, (1500, 5)), random.normal(0.0, 2.0, (1500, 3))
    half = np.array([difference_half_width(*pair) for pair in zip(one, other, strict=True)])
    covered = (np.abs(one.mean(axis=1) - other.mean(axis=1) - 0.1) <= half).mean()
    assert abs(covered - 0.95) <= 0.01 + 5 * np.sqrt(0.95 * 0.05 / 1500)


def test_each_system_is_compared_on_its_means_over_seeds():
    random = np.random.default_rng(3)
    users = random.uniform(size=200)
    systems = {
        "best": seeds_of(users, users + 0.02),
        "near": seeds_of(users - 0.01 + 0.1 * random.normal(size=200)),
        "low": seeds_of(*(users - 0.2 + 0.01 * random.normal(size=(3, 200)))),
    }
    found = compare(systems)
    assert (found.reference, found.is_best) == ("best", True)
    assert list(found.differences["ndcg@100"]) == ["near", "low"]
    low = found.differences["ndcg@100"]["low"]
    per_user = np.mean([e.values["ndcg@100"] for e in systems["low"]], axis=0) - (users + 0.01)
    assert low.difference == pytest.approx(per_user.mean())
    interval = scipy.stats.ttest_1samp(per_user, 0.0).confidence_interval()
    assert low.over_users == pytest.approx((interval.high - interval.low) / 2)
    by_seed = [[e.mean("ndcg@100") for e in systems[name]] for name in ("low", "best")]
    assert low.over_seeds == pytest.approx(difference_half_width(*by_seed))
    summary = found.summaries["ndcg@100"]["best"]
    assert summary == summarize(systems["best"], "ndcg@100")
    assert summary.by_seed == pytest.approx([users.mean(), users.mean() + 0.02])
    assert summary.standard_error == pytest.approx(users.std() / np.sqrt(200))


def test_a_reference_that_was_chosen_before_needs_a_smaller_correction():
    random = np.random.default_rng(4)
    users = random.uniform(size=100)
    systems = {name: seeds_of(users + 0.1 * random.normal(size=100)) for name in "abcd"}
    best, given = compare(systems), compare(systems, reference=compare(systems).reference)
    assert (best.is_best, given.is_best) == (True, False)
    rows = given.differences["ndcg@100"]
    all_pairs = against_best({name: seeds[0] for name, seeds in systems.items()}, "ndcg@100")
    for name, row in best.differences["ndcg@100"].items():
        assert row.p_value == rows[name].p_value
        assert row.corrected == all_pairs[name].corrected >= rows[name].corrected
    plain = np.array([row.p_value for row in rows.values()])
    np.testing.assert_array_equal(holm(plain), [row.corrected for row in rows.values()])
    assert any(row.corrected < all_pairs[name].corrected for name, row in rows.items())


def test_the_first_metric_decides_which_is_the_best():
    one = Evaluation({"recall@20": np.array([0.1, 0.2]), "ndcg@100": np.array([0.3, 0.4])}, 0)
    other = Evaluation({"recall@20": np.array([0.2, 0.3]), "ndcg@100": np.array([0.1, 0.4])}, 0)
    systems = {"one": [one], "other": [other]}
    assert compare(systems).reference == "other"
    found = compare(systems, ["ndcg@100", "recall@20"])
    assert found.reference == "one"
    assert found.differences["recall@20"]["other"].difference == pytest.approx(0.1)


def test_equal_systems_and_a_single_user():
    users = np.array([0.1, 0.5, 0.0])
    equal = compare({"a": seeds_of(users), "b": seeds_of(users)}).differences["ndcg@100"]["b"]
    assert equal == (0.0, 0.0, None, 1.0, 1.0, None)
    single = compare({"a": seeds_of([0.5]), "b": seeds_of([0.4])}).differences["ndcg@100"]["b"]
    assert single == (pytest.approx(-0.1), None, None, 1.0, 1.0, None)


def test_a_metric_of_all_lists_together_has_an_interval_over_seeds_alone():
    def seeds(*coverages):
        values = {"ndcg@100": np.array([0.1, 0.2])}
        return [Evaluation(values, 0, {"coverage@20": coverage}) for coverage in coverages]

    systems = {"a": seeds(0.5, 0.6, 0.7), "b": seeds(0.3)}
    found = compare(systems, ["coverage@20", "ndcg@100"])
    assert found.reference == "a"
    row = found.differences["coverage@20"]["b"]
    half = difference_half_width([0.5, 0.6, 0.7], [0.3])
    assert row == (pytest.approx(-0.3), None, half, None, None, None)
    summary = found.summaries["coverage@20"]["a"]
    assert (summary.mean, summary.standard_error) == (pytest.approx(0.6), None)
    assert list(compare(systems).differences) == ["ndcg@100", "coverage@20"]


def test_what_cannot_be_compared_is_one_line():
    a, b = seeds_of([0.1, 0.2]), seeds_of([0.1, np.nan])
    with pytest.raises(InputError, match="systems: a; a comparison needs two"):
        compare({"a": a})
    with pytest.raises(InputError, match=r"c: no such system\. There are: a, b"):
        compare({"a": a, "b": a}, reference="c")
    with pytest.raises(InputError, match=r"recall@20: was not evaluated\. There are: ndcg@100"):
        compare({"a": a, "b": a}, ["recall@20"])
    ids = [np.array(ids, object) for ids in (["u", "v"], ["u", "w"])]
    here, there = ([Evaluation(a[0].values, 0, user_ids=users)] for users in ids)
    with pytest.raises(InputError, match="user 2 of a is v, and of b w: a paired test needs the"):
        compare({"a": here, "b": there})
    with pytest.raises(InputError, match="b: ndcg@100 of 1 of 2 users is not finite"):
        compare({"a": a, "b": b})

"""Groups of users against scipy's own tests, and by what is known of simulated users."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.stats

from multvae_jax.data.types import HeldOut
from multvae_jax.errors import InputError
from multvae_jax.evaluation.groups import by_group
from multvae_jax.evaluation.partitions import activity, history_lengths, partition_of, quantiles
from multvae_jax.evaluation.result import Evaluation

RANDOM = np.random.default_rng(7)
LABELS = np.array(["b", "a", "c"])[RANDOM.choice(3, 60, p=[0.5, 0.3, 0.2])]
VALUES = {
    "recall@20": RANDOM.random(60) + (LABELS == "a") * 0.3,
    "ndcg@100": RANDOM.random(60) * np.where(LABELS == "b", 3.0, 1.0),
}
EVALUATION = Evaluation(VALUES, 0, {"coverage@20": 0.5})


def test_means_intervals_and_tests_are_those_of_scipy():
    found = by_group(EVALUATION, LABELS).groups
    assert list(found) == ["a", "b", "c"]
    p_values = []
    for label, group in found.items():
        assert group.users == (label == LABELS).sum()
        assert list(group.values) == list(VALUES)
        for metric, values in VALUES.items():
            one, other = values[label == LABELS], values[label != LABELS]
            mine = group.values[metric]
            expected = scipy.stats.ttest_ind(one, other, equal_var=False)
            interval = expected.confidence_interval()
            alone = scipy.stats.ttest_1samp(one, 0.0).confidence_interval()
            assert mine.mean == pytest.approx(one.mean())
            assert (mine.mean - mine.interval, mine.mean + mine.interval) == pytest.approx(alone)
            assert mine.p_value == pytest.approx(expected.pvalue)
            ends = (
                mine.difference - mine.difference_interval,
                mine.difference + mine.difference_interval,
            )
            assert ends == pytest.approx(interval)
            p_values.append((mine.p_value, mine.corrected))
    # Holm's correction from its definition, over all six tests.
    largest = 0.0
    for rank, (p, corrected) in enumerate(sorted(p_values)):
        largest = max(largest, min(1.0, (6 - rank) * p))
        assert corrected == pytest.approx(largest)


def test_the_one_difference_of_two_groups_is_one_test():
    labels = np.where(LABELS == "a", "a", "b")
    found = by_group(EVALUATION, labels, ["recall@20"]).groups
    one, other = (found[label].values["recall@20"] for label in "ab")
    assert one.difference == -other.difference
    assert one.corrected == other.corrected == one.p_value


@pytest.mark.parametrize("spread", [1.0, 4.0], ids=["equal spread", "unequal spread"])
def test_intervals_of_differences_cover_the_true_difference(spread):
    """500 simulated metrics; the bounds are 4 standard errors, exceeded once in 15,000 tests."""
    random, n = np.random.default_rng(3), 500
    labels = np.repeat(["few", "many"], [12, 48])
    scale = np.where(labels == "few", spread, 1.0)
    table = random.normal(np.where(labels == "few", 1.5, 1.0), scale, (n, labels.size))
    values = {str(number): row for number, row in enumerate(table)}
    found = by_group(Evaluation(values, 0), labels).groups["few"].values.values()
    covered = [abs(each.difference - 0.5) <= each.difference_interval for each in found]
    means = [abs(each.mean - 1.5) <= each.interval for each in found]
    margin = 4 * np.sqrt(0.95 * 0.05 / n)
    assert np.mean(covered) == pytest.approx(0.95, abs=margin)
    assert np.mean(means) == pytest.approx(0.95, abs=margin)


def test_labels_by_user_and_users_without_one():
    ids = np.array([f"user {n}" for n in range(60)], object)
    known = Evaluation(VALUES, 0, {}, ids)
    given = {user: label for user, label in zip(ids, LABELS, strict=True) if label != "c"}
    found = by_group(known, {**given, "stranger": "z"})
    n_without = int((LABELS == "c").sum())
    assert found.notes == (f"{n_without} of 60 users are in no group",)
    plain = by_group(EVALUATION, [label if label != "c" else None for label in LABELS])
    assert plain == found
    # Those without a label are not among the others either.
    values = VALUES["recall@20"]
    expected = values[LABELS == "a"].mean() - values[LABELS == "b"].mean()
    assert found.groups["a"].values["recall@20"].difference == pytest.approx(expected)


def test_small_groups_are_merged_and_named():
    labels = LABELS.copy()
    labels[:7] = ["x", "x", "y", "y", "z", "z", "z"]
    found = by_group(EVALUATION, labels)
    assert list(found.groups) == ["a", "b", "c", "other groups"]
    assert found.groups["other groups"].users == 7
    assert found.notes == (
        "3 groups of fewer than 5 users (x, y, z): shown together as 'other groups'",
    )
    labels[3:7] = "a"
    found = by_group(EVALUATION, labels)
    assert list(found.groups) == ["a", "b", "c"]
    assert found.notes == ("2 groups of fewer than 5 users (x, y): left out",)
    with pytest.raises(InputError, match="no group has 5 users or more: 60 labels"):
        by_group(EVALUATION, [f"u{n}" for n in range(60)])


def test_numbers_are_ordered_and_many_are_cut_into_quarters():
    assert partition_of(["10", "9", "2", "9"]).labels == ("2", "9", "10")
    ages = [None, *range(18, 58), np.nan]
    found = partition_of(ages)
    assert found.labels == ("18 to 27", "28 to 37", "38 to 47", "48 to 57")
    assert found.group_of.tolist() == [-1, *np.repeat(range(4), 10), -1]
    assert found.notes == ("40 different numbers are cut into 4 groups",)
    assert partition_of(["1", "other", ""]).labels == ("1", "other")


def test_equal_values_share_a_part():
    counts = np.array([7, 1, 10, 3, 5, 9, 2, 8, 4, 6])
    assert quantiles(counts, 5).tolist() == [3, 0, 4, 1, 2, 4, 0, 3, 1, 2]
    assert quantiles(np.array([3, 3, 3, 3, 3, 3, 3, 9]), 5).tolist() == [0] * 7 + [4]


def test_activity_is_that_of_users_with_a_target():
    history = np.tri(9, 12, dtype=np.float32)
    targets = np.zeros((9, 12), np.float32)
    targets[1:, 11] = 1
    users = HeldOut(sp.csr_array(history), sp.csr_array(targets), np.arange(9))
    assert history_lengths(users).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    found = activity(users)
    assert found.labels == ("2 to 3", "4 to 5", "6 to 7", "8 to 9")
    assert found.group_of.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_values_without_spread_or_that_are_not_finite_are_not_tested():
    labels = np.repeat(["a", "b", "c"], 20)
    values = {
        "same": np.repeat([0.0, 1.0, 1.0], 20),
        "undefined": np.where(labels == "c", np.nan, VALUES["recall@20"]),
    }
    found = by_group(Evaluation(values, 0), labels).groups
    assert found["a"].values["same"].difference == -1.0
    assert found["a"].values["same"].p_value is found["a"].values["same"].corrected is None
    assert found["c"].values["undefined"].p_value is None
    assert np.isnan(found["c"].values["undefined"].mean)
    only = by_group(Evaluation(values, 0), ["all"] * 60).groups["all"].values["same"]
    assert (only.difference, only.corrected) == (None, None)
    assert only.interval > 0


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="labels of 3 users for an evaluation of 60"):
        by_group(EVALUATION, ["a", "b", "c"])
    with pytest.raises(InputError, match="coverage@20: has no value per user"):
        by_group(EVALUATION, LABELS, ["coverage@20"])
    with pytest.raises(InputError, match="does not have the ids of its users"):
        by_group(EVALUATION, {"1": "a"})
    with pytest.raises(InputError, match="150 groups of users; at most 100 are compared"):
        by_group(Evaluation({"x": np.zeros(750)}, 0), [f"g{n % 150}" for n in range(750)])

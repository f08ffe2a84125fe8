"""User activity: users are compared within their fifth."""

import math

import numpy as np
import pytest
import scipy.stats

from experiments.activity import activity, by_activity
from experiments.shared.tables import TableRow
from multvae_jax.evaluation import Evaluation
from tests.experiments.builders import cell_of, read, run_quick


@pytest.mark.updates
def test_the_fifths_of_the_users_are_written(ratings, tmp_path):
    assert run_quick(activity, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "activity" / "tastes-quick")
    assert sum(group["users"] for group in results["groups"]) == results["test_users"] == 16
    assert len(table) == len(results["groups"]) > 1
    for (span, cells), group in zip(table.items(), results["groups"], strict=True):
        assert span == f"{group['fewest']} to {group['most']}"
        for name in ("Mult-VAE", "Mult-DAE"):
            assert cells[name] == cell_of(group["models"][name])


def test_users_are_compared_within_their_fifth():
    """Ten users with 1 to 10 items, two per fifth; the second model is .1 worse for every other."""
    counts = np.array([7, 1, 10, 3, 5, 9, 2, 8, 4, 6])
    one = counts / 10
    other = one - np.where(counts % 2 == 0, 0.1, 0.0)
    seeds = [Evaluation({"ndcg@100": one + shift}, 0) for shift in (-0.01, 0.01)]
    groups = by_activity(
        {"one": TableRow(seeds), "other": TableRow([Evaluation({"ndcg@100": other}, 0)])}, counts
    )
    assert [(g["fewest"], g["most"], g["users"]) for g in groups] == [
        (1, 2, 2),
        (3, 4, 2),
        (5, 6, 2),
        (7, 8, 2),
        (9, 10, 2),
    ]
    for group in groups:
        mine = np.array([group["fewest"], group["most"]]) / 10
        numbers = group["models"]["one"]
        assert numbers["by_seed"] == pytest.approx([mine.mean() - 0.01, mine.mean() + 0.01])
        # The users' means over the seeds are a tenth apart.
        assert numbers["standard_error"] == pytest.approx(0.05 / math.sqrt(2))
        assert group["difference"] == pytest.approx(0.05)
        expected = scipy.stats.ttest_1samp([0.0, 0.1], 0.0).confidence_interval(0.95)
        assert group["difference_interval"] == pytest.approx((expected.high - expected.low) / 2)

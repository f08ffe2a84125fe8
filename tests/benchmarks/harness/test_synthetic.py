"""Generated ratings have ML-20M's shape."""

import numpy as np
import pytest

from benchmarks.harness.synthetic import STARS, random_ratings

SMALL = {"n_users": 300, "n_items": 2_000, "n_ratings": 15_000}


def test_generated_ratings_have_the_proportions_of_ml20m():
    """Bounds of five standard errors: fewer than one false alarm in 10^5 seeds, for all ten."""
    table = random_ratings(**SMALL, seed=3)
    n = SMALL["n_ratings"]
    assert table.shape == (n, 4)
    assert table.columns == ["userId", "movieId", "rating", "timestamp"]
    assert table.select("userId", "movieId").is_duplicated().sum() == 0
    assert table["userId"].n_unique() == SMALL["n_users"]
    for stars, count in STARS.items():
        share = count / sum(STARS.values())
        seen = (table["rating"] == stars).mean()
        assert abs(seen - share) < 5 * np.sqrt(share * (1 - share) / n), stars
    assert sum(count for stars, count in STARS.items() if stars > 3.5) / sum(
        STARS.values()
    ) == pytest.approx(0.5, abs=1e-3)


def test_generated_ratings_are_long_tailed_and_seeded():
    table = random_ratings(**SMALL, seed=3)
    by_user = table["userId"].value_counts()["count"]
    by_item = table["movieId"].value_counts()["count"].sort(descending=True)
    assert by_user.min() >= 15
    assert by_user.max() > 5 * by_user.median()
    # Under 1 / (p + 386)^2.3 the first tenth of 2,000 items is chosen in 46% of the draws.
    assert 0.38 < by_item[:200].sum() / len(table) < 0.52
    assert table.equals(random_ratings(**SMALL, seed=3))
    assert not table.equals(random_ratings(**SMALL, seed=4))

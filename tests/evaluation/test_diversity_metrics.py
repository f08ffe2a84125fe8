"""Metrics of what the items are like, against their definitions in plain numpy."""

from itertools import combinations

import numpy as np
import pytest
import scipy.special

from multvae_jax.evaluation import diversity_metrics
from tests.evaluation.user_lists import N_ITEMS, measured, stacked, users

CUTOFFS = (1, 5, 12)
OF_GENRES = ("genre_diversity", "miscalibration")
FAMILIES = {
    name: (function, ("genres",) if name in OF_GENRES else ("vectors",))
    for name, function in diversity_metrics.FAMILIES.items()
}


def vectors_and_genres(seed=2):
    """Some vectors are zero, equal, opposite, tiny or huge, and some items have no genre."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(N_ITEMS, 4)).astype(np.float32)
    vectors[:6] = 0
    vectors[6:10] = vectors[10]
    vectors[11:13] = -vectors[13]
    vectors[14:20] *= 1e-30
    vectors[20:26] *= 1e30
    genres = (random.random((N_ITEMS, 5)) < 0.4).astype(np.float32)
    genres[::9] = 0
    return vectors, genres


VECTORS, GENRES = vectors_and_genres()


def cosine(one, other):
    one, other = one.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths else 0.0


def mean(values):
    return sum(values) / len(values) if values else 0.0


def genre_distribution(items):
    """Each item gives every one of its genres the same part of 1."""
    rows = [GENRES[item] / GENRES[item].sum() for item in sorted(items) if GENRES[item].any()]
    return np.mean(rows, axis=0, dtype=np.float64) if rows else np.zeros(GENRES.shape[1])


def by_definition(name, user, k):
    shown = user.shown(k)
    if name in ("intra_list_diversity", "genre_diversity"):
        rows = VECTORS if name == "intra_list_diversity" else GENRES
        return mean([1 - cosine(rows[i], rows[j]) for i, j in combinations(shown, 2)])
    if name in ("unexpectedness", "vector_serendipity"):
        distances = [
            1 - mean([cosine(VECTORS[item], VECTORS[one]) for one in user.history])
            for item in shown
        ]
        if name == "vector_serendipity":
            distances = [
                one * (item in user.targets) for one, item in zip(distances, shown, strict=True)
            ]
        return mean(distances)
    assert name == "miscalibration"
    wanted, given = genre_distribution(user.history), genre_distribution(shown)
    if not wanted.any():
        return 0.0
    # Here `entropy` would rescale a mixture that does not sum to 1.
    return scipy.special.rel_entr(wanted, 0.99 * given + 0.01 * wanted).sum()


@pytest.mark.parametrize("filler", [0, -2])
def test_every_metric_agrees_with_its_definition(filler):
    """Whatever stands where no item is shown does not count."""
    about = {"vectors": VECTORS, "genres": GENRES}
    found = measured(FAMILIES, stacked(users(), filler), CUTOFFS, about)
    assert len(found) == 5 * len(CUTOFFS)
    for (name, k), values in found.items():
        expected = [by_definition(name, user, k) for user in users()]
        assert np.ptp(expected) > 0 or k == 1
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6, err_msg=f"{name}@{k}")


def test_users_with_nothing_to_compare():
    about = {"vectors": VECTORS, "genres": GENRES}
    found = measured(FAMILIES, stacked(users()), (12,), about)
    for row, user in enumerate(users()):
        values = {name: one[row] for (name, _), one in found.items()}
        if not user.items and any(GENRES[item].any() for item in user.history):
            assert values.pop("miscalibration") == pytest.approx(-np.log(0.01))
        if not user.items:
            assert set(values.values()) <= {0.0}
        if not user.history:
            assert found["miscalibration", 12][row] == 0
            assert values["unexpectedness"] == (1.0 if user.items else 0.0)

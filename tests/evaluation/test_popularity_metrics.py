"""Metrics of the popularity of items, against their definitions in plain Python."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.evaluation import popularity_metrics
from tests.evaluation.user_lists import N_ITEMS, measured, stacked, users

N_TRAINED = 50
CUTOFFS = (1, 5, 12)
FAMILIES = {
    name: (function, ("popularity", "n_users") if name == "novelty" else ("popularity",))
    for name, function in popularity_metrics.FAMILIES.items()
}


def popularities(seed=1):
    """Skewed, with ties, and with items that nobody has."""
    random = np.random.default_rng(seed)
    counts = (N_TRAINED / (1 + random.permutation(N_ITEMS))).astype(int)
    counts[random.permutation(N_ITEMS)[:6]] = 0
    return counts.tolist()


POPULARITY = popularities()


def tail_of(popularity):
    """Items are taken into the head one by one until it has 80% of the interactions."""
    order = sorted(range(len(popularity)), key=lambda item: (-popularity[item], item))
    tail, taken = set(order), 0
    for item in order:
        if 10 * taken >= 8 * sum(popularity):
            break
        tail.remove(item)
        taken += popularity[item]
    return tail


def mean(values):
    return sum(values) / len(values) if values else 0.0


def by_definition(name, user, k):
    popularity, shown = POPULARITY, user.shown(k)
    tail = tail_of(popularity)
    if name == "novelty":
        return mean([-math.log2(max(popularity[item], 1) / N_TRAINED) for item in shown])
    if name == "average_popularity":
        return mean([popularity[item] for item in shown])
    if name == "aplt":
        return mean([item in tail for item in shown])
    if name == "aclt":
        return len(tail & set(shown))
    if name == "popularity_lift":
        before = mean([popularity[item] for item in user.history])
        after = mean([popularity[item] for item in shown])
        return (after - before) / before if before and shown else 0.0
    assert name == "popularity_serendipity"
    levels = sorted({count for count in popularity if count}, reverse=True)
    values = []
    for rank, item in enumerate(user.items[:k], start=1):
        if item is not None:
            of_user = (N_ITEMS + 1 - rank) / N_ITEMS
            of_all = 0.0
            if popularity[item]:
                of_all = (N_ITEMS + 1 - (1 + levels.index(popularity[item]))) / N_ITEMS
            values.append(max(of_user - of_all, 0.0) * (item in user.targets))
    return mean(values)


@pytest.mark.parametrize("filler", [0, -2])
def test_every_metric_agrees_with_its_definition(filler):
    """Whatever stands where no item is shown does not count."""
    about = {"popularity": np.float32(POPULARITY), "n_users": np.float32(N_TRAINED)}
    found = measured(FAMILIES, stacked(users(), filler), CUTOFFS, about)
    assert len(found) == 6 * len(CUTOFFS)
    for (name, k), values in found.items():
        expected = [by_definition(name, user, k) for user in users()]
        assert np.ptp(expected) > 0
        np.testing.assert_allclose(values, expected, rtol=2e-6, atol=1e-6, err_msg=f"{name}@{k}")


@pytest.mark.parametrize(
    ("popularity", "tail"),
    [
        # Exactly 80% after the first item, which is enough.
        ([8, 1, 1], {1, 2}),
        # 79%: the first of two equal items joins the head.
        ([79, 11, 10], {2}),
        ([1, 1, 1, 1, 1], {4}),
        ([0, 5, 0], {0, 2}),
        ([0, 0], {0, 1}),
    ],
)
def test_the_long_tail(popularity, tail):
    assert tail_of(popularity) == tail or sum(popularity) == 0
    found = popularity_metrics.long_tail(jnp.array(popularity, jnp.float32))
    assert set(np.flatnonzero(found).tolist()) == tail


def test_the_long_tail_of_more_interactions_than_float32_counts():
    """From 2^24 on, adding single users to a float32 sum does nothing."""
    popularity = np.ones(2**14, np.float32)
    popularity[: 2**9] = 2**16
    head = int((~popularity_metrics.long_tail(jnp.asarray(popularity))).sum())
    total = int(popularity.sum(dtype=np.float64))
    assert (head - 1) * 2**16 < 0.8 * total <= head * 2**16


def test_without_any_training_user_all_is_finite():
    about = {"popularity": np.zeros(N_ITEMS, np.float32), "n_users": np.float32(1)}
    found = measured(FAMILIES, stacked(users()), (12,), about)
    assert all(np.isfinite(values).all() for values in found.values())
    np.testing.assert_array_equal(found["popularity_lift", 12], 0.0)

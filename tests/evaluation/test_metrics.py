"""Metrics of one user, against their definitions in plain Python."""

import math
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multvae_jax.evaluation import metrics

CUTOFFS = (1, 2, 5, 12, 13, 100)
FAMILIES = tuple(metrics.FAMILIES)
METRICS = metrics.at_cutoffs(CUTOFFS, FAMILIES)

EITHER_WAY = pytest.mark.parametrize("compiled", [True, False], ids=["jit", "eager"])


def by_definition(name, hits, n_targets, k):
    """A metric computed by its definition; `hits` is a list, best rank first."""
    ranks = [rank for rank, hit in enumerate(hits, start=1) if hit and rank <= k]
    if name == "precision":
        return len(ranks) / k
    if name == "hit_rate":
        return 1.0 if ranks else 0.0
    if name == "mrr":
        return 1 / min(ranks) if ranks else 0.0
    if name == "rbp":
        return sum(0.2 * 0.8 ** (rank - 1) for rank in ranks)
    if n_targets == 0:
        return 0.0
    if name == "recall":
        return len(ranks) / min(k, n_targets)
    if name == "uncapped_recall":
        return len(ranks) / n_targets
    if name in ("map", "uncapped_map"):
        precisions = [sum(hits[:rank]) / rank for rank in ranks]
        return sum(precisions) / (n_targets if name == "uncapped_map" else min(k, n_targets))
    assert name == "ndcg"
    gain = sum(1 / math.log2(rank + 1) for rank in ranks)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, n_targets) + 1))
    return gain / best


def measure_all(hits, n_targets):
    return {name: metric(hits, n_targets) for name, metric in METRICS.items()}


compiled_measure_all = jax.jit(measure_all)


def values(hits, n_targets):
    """Every metric at every cutoff, as floats."""
    out = compiled_measure_all(jnp.array(hits, bool), jnp.int32(n_targets))
    return {name: float(value) for name, value in out.items()}


@st.composite
def users(draw, lengths=(1, 4, 12)):
    """Hits of a list, and the number of targets, some of which may not be on the list."""
    length = draw(st.sampled_from(lengths))
    hits = draw(st.lists(st.booleans(), min_size=length, max_size=length))
    return hits, sum(hits) + draw(st.integers(0, 15))


@settings(max_examples=200)
@given(users())
def test_every_metric_agrees_with_its_definition(user):
    hits, n_targets = user
    for name, value in values(hits, n_targets).items():
        family, k = name.split("@")
        expected = by_definition(family, hits, n_targets, int(k))
        assert value == pytest.approx(expected, rel=2e-6, abs=0), name


@given(users())
def test_every_metric_lies_between_0_and_1(user):
    for name, value in values(*user).items():
        assert 0 <= value <= 1 + 1e-6, name


# Hits at ranks 1, 3 and 6 of 6; a fourth target is not on the list. The discounts of the
# first six ranks are 1, 0.63092975, 0.5, 0.43067656, 0.38685281 and 0.35620719.
GOLDEN = {
    1: {"recall": 1, "uncapped_recall": 0.25, "ndcg": 1, "precision": 1, "map": 1, "rbp": 0.2},
    2: {"recall": 0.5, "uncapped_recall": 0.25, "ndcg": 0.61314719, "precision": 0.5},
    3: {"recall": 2 / 3, "uncapped_recall": 0.5, "ndcg": 0.70391809, "precision": 2 / 3},
    6: {"recall": 0.75, "uncapped_recall": 0.75, "ndcg": 0.72462618, "precision": 0.5},
    10: {"recall": 0.75, "uncapped_recall": 0.75, "ndcg": 0.72462618, "precision": 0.3},
}


@EITHER_WAY
@pytest.mark.parametrize("k", GOLDEN)
def test_golden_values(k, compiled):
    hits = jnp.array([True, False, True, False, False, True])
    for name, expected in (GOLDEN[k] | {"hit_rate": 1, "mrr": 1}).items():
        function = partial(metrics.at_cutoffs([k], FAMILIES)[f"{name}@{k}"])
        value = (jax.jit(function) if compiled else function)(hits, jnp.int32(4))
        assert value.shape == ()
        assert value.dtype == jnp.float32
        assert float(value) == pytest.approx(expected, rel=1e-6), name


@EITHER_WAY
@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (metrics.recall, [0, 0, 1, 1]),
        (metrics.uncapped_recall, [0, 0, 1, 1]),
        (metrics.ndcg, [0, 0, 0.5, 0.5]),
        (metrics.precision, [0, 0, 1 / 3, 1 / 8]),
        (metrics.hit_rate, [0, 0, 1, 1]),
        (metrics.reciprocal_rank, [0, 0, 1 / 3, 1 / 3]),
        (metrics.average_precision, [0, 0, 1 / 3, 1 / 3]),
        (metrics.uncapped_average_precision, [0, 0, 1 / 3, 1 / 3]),
        (metrics.rank_biased_precision, [0, 0, 0.128, 0.128]),
    ],
)
def test_golden_values_of_a_single_target_at_rank_3(function, expected, compiled):
    hits = jnp.array([False, False, True, False])
    for k, value in zip((1, 2, 3, 8), expected, strict=True):
        at_k = partial(function, k=k)
        measured = (jax.jit(at_k) if compiled else at_k)(hits, jnp.int32(1))
        assert float(measured) == pytest.approx(value, rel=1e-6), k


@EITHER_WAY
def test_without_targets_every_metric_is_0_and_not_nan(compiled):
    hits, none = jnp.zeros(12, bool), jnp.int32(0)
    measured = (compiled_measure_all if compiled else measure_all)(hits, none)
    assert {name: float(value) for name, value in measured.items()} == dict.fromkeys(METRICS, 0.0)


def test_vmap_over_users_equals_a_loop():
    random = np.random.default_rng(0)
    hits = random.random((40, 12)) < random.random((40, 1))
    n_targets = (hits.sum(axis=1) + random.integers(0, 5, 40)).astype(np.int32)
    together = jax.device_get(
        jax.jit(jax.vmap(measure_all))(jnp.asarray(hits), jnp.asarray(n_targets))
    )
    for user in range(40):
        for name, alone in values(hits[user], n_targets[user]).items():
            assert together[name][user] == pytest.approx(alone, rel=1e-6), name


@given(users(lengths=(12,)), st.data())
def test_ranks_after_the_cutoff_do_not_matter(user, data):
    hits, n_targets = user
    other = data.draw(st.lists(st.booleans(), min_size=12, max_size=12))
    for k in CUTOFFS:
        changed = values(hits[:k] + other[k:], n_targets)
        for family in FAMILIES:
            assert changed[f"{family}@{k}"] == values(hits, n_targets)[f"{family}@{k}"]


@given(users())
def test_metrics_do_not_fall_as_the_cutoff_grows(user):
    hits, n_targets = user
    measured = values(hits, n_targets)

    def never_falls(family, cutoffs):
        curve = [measured[f"{family}@{k}"] for k in cutoffs]
        assert all(b >= a - 1e-6 for a, b in pairwise(curve)), family

    for family in ("uncapped_recall", "hit_rate", "mrr", "uncapped_map", "rbp"):
        never_falls(family, CUTOFFS)
    # Recall, NDCG and MAP may fall while a larger cutoff still increases the denominator.
    for family in ("recall", "ndcg", "map"):
        never_falls(family, [k for k in CUTOFFS if k >= n_targets])


def test_recall_and_ndcg_may_fall_while_the_cutoff_is_below_the_number_of_targets():
    measured = values([True, False, False, False], 4)
    assert measured["recall@1"] == 1
    assert measured["recall@2"] == 0.5
    assert measured["ndcg@1"] == 1
    assert measured["ndcg@2"] == pytest.approx(1 / 1.63092975)


@given(users(lengths=(4, 12)), st.data())
def test_moving_a_target_up_never_lowers_a_metric(user, data):
    hits, n_targets = user
    rank = data.draw(st.integers(0, len(hits) - 2))
    better = list(hits)
    better[rank : rank + 2] = sorted(hits[rank : rank + 2], reverse=True)
    before, after = values(hits, n_targets), values(better, n_targets)
    for name in METRICS:
        assert after[name] >= before[name] - 1e-6, name


@given(st.integers(1, 12))
def test_a_perfect_ranking_scores_1(n_targets):
    measured = values([rank < n_targets for rank in range(12)], n_targets)
    for k in CUTOFFS:
        for family in ("recall", "ndcg", "hit_rate", "mrr", "map"):
            assert measured[f"{family}@{k}"] == pytest.approx(1, rel=1e-6), (family, k)
        best = 1 - 0.8 ** min(k, n_targets)
        assert measured[f"rbp@{k}"] == pytest.approx(best, rel=1e-6), k


def test_rank_biased_precision_of_another_persistence():
    other = partial(metrics.rank_biased_precision, persistence=0.5)
    value = metrics.Metric(other, 3)(jnp.array([True, False, True, True]), jnp.int32(9))
    assert float(value) == 0.5 + 0.125


def test_metrics_are_named_by_family_and_cutoff():
    assert metrics.at_cutoffs([5, 10]) == {
        f"{name}@{k}": metrics.Metric(function, k)
        for k in (5, 10)
        for name, function in (
            ("recall", metrics.recall),
            ("uncapped_recall", metrics.uncapped_recall),
            ("ndcg", metrics.ndcg),
            ("precision", metrics.precision),
            ("hit_rate", metrics.hit_rate),
            ("mrr", metrics.reciprocal_rank),
        )
    }
    assert metrics.at_cutoffs([7], ["map"]) == {"map@7": metrics.Metric(metrics.FAMILIES["map"], 7)}
    assert list(metrics.PAPER_METRICS) == ["recall@20", "recall@50", "ndcg@100"]
    assert metrics.PAPER_METRICS.items() <= metrics.at_cutoffs([20, 50, 100]).items()


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("ndcg@100", "NDCG@100"),
        ("mrr@20", "MRR@20"),
        ("hr@10", "HR@10"),
        ("recall@20", "Recall@20"),
        ("hit_rate@10", "Hit rate@10"),
        ("uncapped_recall@20", "Uncapped recall@20"),
        ("first", "First"),
        ("uncapped_map@20", "Uncapped MAP@20"),
        ("aplt@5", "APLT@5"),
        ("auc", "AUC"),
        ("gini@10", "Gini@10"),
        ("shannon_entropy@10", "Shannon entropy@10"),
    ],
)
def test_a_heading_spells_acronyms_in_capitals_and_other_names_in_words(metric, expected):
    assert metrics.heading(metric) == expected


def test_metrics_are_equal_if_function_and_cutoff_are():
    assert metrics.Metric(metrics.ndcg, 7) == metrics.Metric(metrics.ndcg, 7)
    assert len({metrics.Metric(metrics.ndcg, 7), metrics.Metric(metrics.ndcg, 7)}) == 1
    assert metrics.Metric(metrics.ndcg, 7) != metrics.Metric(metrics.ndcg, 8)

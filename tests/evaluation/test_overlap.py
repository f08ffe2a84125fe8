"""Overlap of lists, against the package `rbo` and set operations of Python."""

import numpy as np
import pytest

from multvae_jax.evaluation.overlap import overlaps

# Pairs of lists, p, and `RankingSimilarity(one, other).rbo_ext(p)` of the package rbo 0.1.3.
GOLDEN = [
    ([1, 2, 3], [1, 3, 2], 0.9, 0.955),
    ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], 0.9, 1.0),
    ([0, 1, 2], [3, 4, 5], 0.9, 0.0),
    ([2, 0, 5, 7, 1], [0, 2, 7, 9, 4], 0.9, 0.592335),
    ([2, 0, 5, 7, 1], [0, 2, 7, 9, 4], 0.5, 0.4177083333),
    ([3, 1], [1, 4, 3, 0, 2], 0.9, 0.626445),
    ([6], [6, 1, 2, 3, 4, 5], 0.8, 1.0),
    ([1, 2, 3, 4, 5, 6, 7], [7, 6, 5], 0.7, 0.081634),
    ([5], [1, 2, 5], 0.9, 0.27),
    ([], [1, 2], 0.9, 0.0),
    ([], [], 0.9, 1.0),
]


def as_array(lists, width=8):
    return np.array([[*items, *[-1] * (width - len(items))] for items in lists], np.int32)


@pytest.mark.parametrize("p", [0.5, 0.7, 0.8, 0.9])
def test_rank_biased_overlap_agrees_with_a_peer_whichever_list_comes_first(p):
    cases = [case for case in GOLDEN if case[2] == p]
    one, other = (as_array([case[which] for case in cases]) for which in (0, 1))
    for found in (overlaps(one, other, p)[0], overlaps(other, one, p)[0]):
        np.testing.assert_allclose(found, [case[3] for case in cases], atol=1e-6)


def test_shared_items_are_those_of_sets_at_the_cutoff():
    rng = np.random.default_rng(0)
    lists = [[rng.permutation(12)[: rng.integers(9)] for _ in range(50)] for _ in range(2)]
    for k in (3, 8):
        sets = [[{*items[:k].tolist()} for items in system] for system in lists]
        expected = [len(a & b) / len(a | b) if a | b else 1.0 for a, b in zip(*sets, strict=True)]
        found = overlaps(*map(as_array, lists), k=k)[1]
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_any_number_of_users_and_lists_of_two_widths():
    """More users than a batch; what is beyond the width of an array is as what is padded."""
    rng = np.random.default_rng(1)
    one, other = (np.stack([rng.permutation(9)[:n] for _ in range(501)]) for n in (6, 4))
    padded = np.pad(other, ((0, 0), (0, 2)), constant_values=-1)
    for wide, same in zip(overlaps(one, other), overlaps(one, padded), strict=True):
        np.testing.assert_array_equal(wide, same)
    np.testing.assert_array_equal(
        overlaps(one[500:], other[500:])[0], overlaps(one, other)[0][500:]
    )


def test_an_unknown_item_keeps_its_place_and_equals_no_other():
    known, unknown = np.array([[7, 1, 2], [7, 1, 2]]), np.array([[-2, 1, 2], [8, 1, 2]])
    first, second = overlaps(known, unknown)[0]
    assert first == second < 1
    assert overlaps(unknown[:1], unknown[:1])[1].tolist() == [0.5]  # 2 of 4

"""Ranking the items for a batch of users, against plain Python, one user at a time."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multvae_jax.batching import Batch
from multvae_jax.evaluation import ranking
from multvae_jax.evaluation.ranking import BLOCK_WIDTH, item_mask, rank, sampled_items, target_hits
from tests.builders import batch_of, matrix, ragged_users, ranking_of, within_binomial


def one_chunk_each(rows):
    """One chunk per user, with every item; items that are not in the row are padding."""
    n_users, n_items = rows.shape
    return Batch(
        items=jnp.tile(jnp.arange(n_items), (n_users, 1)),
        values=jnp.asarray(rows, jnp.float32),
        owner=jnp.arange(n_users),
        part=jnp.zeros(n_users, jnp.int32),
        users=jnp.arange(n_users),
        n_items=n_items,
    )


@pytest.mark.parametrize("k", [3, 8])
def test_rank_returns_the_best_unseen_items_in_order(k):
    compiled = jax.jit(partial(rank, k=k))

    @settings(max_examples=60)
    @given(
        st.lists(st.sampled_from([-2.5, -1.0, 0.0, 0.5, 7.0]), min_size=24, max_size=24),
        st.lists(st.sets(st.integers(0, 7)), min_size=3, max_size=3),
    )
    def check(scores, histories):
        scores = np.array(scores, np.float32).reshape(3, 8)
        best, items = compiled(jnp.asarray(scores), one_chunk_each(matrix(histories, 8).toarray()))
        assert best.shape == items.shape == (3, k)
        for user, seen in enumerate(histories):
            listed = items[user].tolist()
            assert listed == (ranking_of(scores[user].tolist(), seen) + sorted(seen))[:k]
            assert not seen & set(listed[: 8 - len(seen)])
            assert best[user].tolist() == [
                -math.inf if item in seen else scores[user, item] for item in listed
            ]

    check()


def test_zero_and_minus_zero_are_a_tie():
    scores = jnp.array([[-0.0, 0.0, -0.0, 0.0]])
    _, items = rank(scores, one_chunk_each(np.zeros((1, 4))), 4)
    assert items.tolist() == [[0, 1, 2, 3]]


FORMS = {"at once": ranking._count_before, "in blocks": ranking._count_before_in_blocks}
each_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def target_hits_with(form, monkeypatch):
    """`target_hits` with one form of the count; that for accelerators is used only here."""
    monkeypatch.setattr(ranking, "_count_before_in_blocks", form)
    return target_hits


@each_form
@pytest.mark.parametrize("largest", [1, 50], ids=["heavy ties", "few ties"])
@pytest.mark.parametrize("n_items", [9, BLOCK_WIDTH, 2 * BLOCK_WIDTH + 45])
def test_hits_are_at_the_ranks_of_a_full_ranking(n_items, largest, form, monkeypatch):
    """One block, full or not, and several with a rest; k may reach into the history."""
    n_users, k = 40, min(n_items, 90)
    random = np.random.default_rng(n_items + largest)
    scores = random.integers(-largest, largest + 1, (n_users, n_items)) / 4
    scores[random.random(scores.shape) < 0.1] = -0.0
    scores[random.random(scores.shape) < 0.05] = -np.inf
    histories, targets = ragged_users(n_users, n_items, seed=k)
    # One user has everything except the targets.
    targets[2] = {7, 3, 0}
    histories[2] = set(range(n_items)) - targets[2]
    known, wanted = (matrix(rows, n_items).toarray() for rows in (histories, targets))
    hits, n_targets, is_valid = jax.jit(partial(target_hits_with(form, monkeypatch), k=k))(
        jnp.asarray(scores, jnp.float32), batch_of(known), batch_of(wanted, extra=1)
    )
    for user, (history, sought) in enumerate(zip(histories, targets, strict=True)):
        scores[user, sorted(history)] = -np.inf
        ranking_of_all = ranking_of(scores[user].tolist(), set())
        assert hits[user].tolist() == [item in sought for item in ranking_of_all[:k]]
    assert n_targets.tolist() == [len(sought) for sought in targets]
    assert is_valid.all()


@pytest.mark.nans
@each_form
@pytest.mark.parametrize("n_items", [10, BLOCK_WIDTH + 10])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_nan_score_is_detected_in_the_history_or_outside(n_items, sign, form, monkeypatch):
    scores = np.zeros((4, n_items), np.float32)
    scores[0, 1] = scores[2, 9] = scores[3, -1] = np.copysign(np.nan, sign)
    known, wanted = np.zeros((2, *scores.shape))
    known[2, 9] = wanted[:, 3] = 1
    _, _, is_valid = jax.jit(partial(target_hits_with(form, monkeypatch), k=1))(
        jnp.asarray(scores), batch_of(known), batch_of(wanted)
    )
    assert is_valid.tolist() == [False, True, False, False]


def test_order_preserving_bits_have_the_order_of_the_floats():
    """Adjacent floats of both signs, down to the smallest."""
    tiny = np.float32(1e-45)
    floats = [-np.inf, -3.5, np.nextafter(np.float32(-1), np.float32(0)), -tiny, 0.0, tiny, 1, 2]
    bits = ranking._order_preserving_bits(jnp.asarray(floats, jnp.float32))
    assert (np.diff(np.asarray(bits, np.int64)) > 0).all()
    np.testing.assert_array_equal(*ranking._order_preserving_bits(jnp.array([0.0, -0.0]))[:, None])


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_an_accelerator_counts_all_items_at_once(platform):
    known, wanted = (batch_of(np.eye(3, 2 * BLOCK_WIDTH, shift)) for shift in (0, 5))
    traced = jax.jit(lambda scores: target_hits(scores, known, wanted, 5)).trace(
        jax.ShapeDtypeStruct((3, 2 * BLOCK_WIDTH), jnp.float32)
    )
    for_it, for_cpu = (
        traced.lower(lowering_platforms=(where,)).as_text() for where in (platform, "cpu")
    )
    assert ("stablehlo.while" in for_it, "stablehlo.while" in for_cpu) == (False, True)


def test_item_mask_is_true_at_the_items_of_each_user():
    rows = np.array([[1, 0, 2, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 3], [1, 1, 1, 1, 1]])
    batch = batch_of(rows, users=[2, -1, 0, 3, 1], width=2, extra=2)
    expected = rows[[2, 1, 0, 3, 1]] > 0  # Padding (-1) has no items, like user 1.
    assert item_mask(batch).tolist() == expected.tolist()


def masks(n_users, n_items, seed):
    """Random histories and targets, as disjoint masks."""
    kind = np.random.default_rng(seed).integers(0, 6, (n_users, n_items))
    return jnp.asarray(kind == 0), jnp.asarray(kind == 1)


def test_n_items_are_drawn_from_outside_history_and_targets():
    known, wanted = masks(50, 40, seed=0)
    users = jnp.arange(50)
    ranked = sampled_items(jax.random.key(0), 7)(users, known, wanted)
    assert not (ranked & known).any()
    assert (wanted & ~ranked).sum() == 0
    assert ((ranked & ~wanted).sum(axis=1) == 7).all()
    every = sampled_items(jax.random.key(0), 40)(users, known, wanted)
    np.testing.assert_array_equal(every, ~known)


def test_every_item_is_drawn_equally_often():
    """Shares of 4,000 users within 5 standard errors; correct code fails once in 1e5 keys."""
    known, wanted = (np.zeros((4000, 12), bool) for _ in range(2))
    known[:, 3] = wanted[:, 8] = True
    ranked = sampled_items(jax.random.key(1), 4)(
        jnp.arange(4000), jnp.asarray(known), jnp.asarray(wanted)
    )
    share = np.asarray(ranked).mean(axis=0)
    assert (share[3], share[8]) == (0.0, 1.0)
    assert all(within_binomial(share[item], 4 / 10, 4000) for item in {*range(12)} - {3, 8})

"""Scores of single items, and leave-one-outs against scoring each shorter history by itself."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp

from multvae_jax.batching import dense_rows
from multvae_jax.errors import InputError
from multvae_jax.evaluation.lists import NO_ITEM, UNKNOWN_ITEM
from multvae_jax.recommending import scoring
from multvae_jax.recommending.scoring import leave_one_out_scores, score_items
from tests.builders import counted

RNG = np.random.default_rng(0)
N_ITEMS = 30
WEIGHTS = RNG.normal(size=(N_ITEMS, N_ITEMS)).astype(np.float32)
HISTORIES = (RNG.random((12, N_ITEMS)) < np.linspace(0, 0.9, 12)[:, None]).astype(np.float32)
ITEMS = RNG.integers(0, N_ITEMS, (12, 3))


def by_a_curve(batch):
    return jnp.tanh(dense_rows(batch) @ jnp.asarray(WEIGHTS) / 4)


def expected(rows, items):
    return np.take_along_axis(np.tanh(rows.astype(np.float64) @ WEIGHTS / 4), items, axis=1)


def test_items_are_scored_for_their_own_user():
    for batch_size in (500, 5):
        found = score_items(by_a_curve, sp.csr_array(HISTORIES), ITEMS, batch_size)
        np.testing.assert_allclose(found, expected(HISTORIES, ITEMS), atol=1e-6)


@pytest.mark.parametrize("batch_size", [500, 7])
def test_each_item_of_each_history_is_left_out_once(batch_size, monkeypatch):
    monkeypatch.setattr(scoring, "_BATCHES", 2)
    scorer, traces = counted(by_a_curve)
    found = list(leave_one_out_scores(scorer, sp.csr_array(HISTORIES), ITEMS, batch_size))
    assert len(found) == len(HISTORIES)
    for row, items, one in zip(HISTORIES, ITEMS, found, strict=True):
        assert one.history.tolist() == np.flatnonzero(row).tolist()
        np.testing.assert_allclose(one.scores, expected(row[None], items[None])[0], atol=1e-6)
        shorter = np.array([np.where(np.arange(N_ITEMS) == item, 0, row) for item in one.history])
        again = expected(shorter.reshape(-1, N_ITEMS), np.tile(items, (len(shorter), 1)))
        np.testing.assert_allclose(one.without, again, atol=1e-6)
        np.testing.assert_array_equal(one.effects, one.scores - one.without)
    assert len(traces) <= 3


def test_a_place_without_an_item_has_no_score():
    items = np.where(ITEMS[0, 0] == ITEMS, NO_ITEM, ITEMS)
    items[1, 0] = UNKNOWN_ITEM
    found = score_items(by_a_curve, sp.csr_array(HISTORIES), items)
    np.testing.assert_array_equal(np.isnan(found), items < 0)
    np.testing.assert_allclose(found[items >= 0], expected(HISTORIES, ITEMS)[items >= 0], atol=1e-6)


def test_columns_that_the_catalogue_does_not_have_are_refused():
    items = np.where(ITEMS[0, 0] == ITEMS, N_ITEMS, ITEMS)
    for score in (score_items, lambda *given: next(leave_one_out_scores(*given))):
        with pytest.raises(InputError, match="items: 30, and the columns of the catalogue are 0"):
            score(by_a_curve, sp.csr_array(HISTORIES), items)


def test_nobody_has_no_scores():
    nobody = sp.csr_array((0, N_ITEMS)), np.zeros((0, 3), int)
    assert score_items(by_a_curve, *nobody).shape == (0, 3)
    assert list(leave_one_out_scores(by_a_curve, *nobody)) == []

"""Deletion curves: what is taken out, in which order, and what is measured."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sp
from jax.tree_util import Partial

import multvae_jax as mv
from experiments.reasons import ORDERS, SHARES, Deleted, deletion, reasons, summary_of
from multvae_jax.batching import dense_rows
from multvae_jax.data.types import Catalogue
from tests.experiments.builders import cell_of, read, run_quick

N_ITEMS = 40


def test_the_curves_are_written(ratings, tmp_path, monkeypatch):
    def fit(key, model, split, epochs):
        weights = jax.random.normal(key, (split.train.shape[1],) * 2)
        return SimpleNamespace(scorer=Partial(weighted, weights), catalogue=split.catalogue)

    monkeypatch.setattr(mv, "fit", fit)
    assert run_quick(reasons, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "reasons" / "tastes-quick")
    assert len(results["entries"]) == len(table) == 2 * len(SHARES)
    for entry, cells in zip(results["entries"], table.values(), strict=True):
        for name in ORDERS:
            assert cells[name] == cell_of(entry["orders"][name])


def weighted(weights, batch):
    return dense_rows(batch) @ weights


def test_a_linear_score_loses_the_weights_of_what_is_taken_out():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(N_ITEMS, N_ITEMS)).astype(np.float32)
    histories = (rng.random((6, N_ITEMS)) < 0.5).astype(np.float32)
    catalogue = Catalogue(
        np.array([f"i{n}" for n in range(N_ITEMS)], object), rng.permutation(N_ITEMS), {}
    )
    found = deletion(
        Partial(weighted, jnp.asarray(weights)), catalogue, sp.csr_array(histories), seed=0
    )
    scores = np.where(histories > 0, -np.inf, histories @ weights)
    for user, (row, mine) in enumerate(zip(histories, scores, strict=True)):
        own, best = np.flatnonzero(row), mine.argmax()
        effects = weights[own, best]
        for share in SHARES:
            n_out = max(1, round(share * len(own)))
            expected = np.sort(effects)[::-1][:n_out].sum()
            assert found["by `why`"][share].lost[user] == pytest.approx(expected, abs=1e-4)
            popular = np.argsort(-catalogue.counts[own])[:n_out]
            expected = effects[popular].sum()
            assert found["by popularity"][share].lost[user] == pytest.approx(expected, abs=1e-4)
            rest = row.copy()
            rest[own[popular]] = 0
            # Ranked among the items outside the whole history.
            again = np.where(row > 0, -np.inf, rest @ weights)
            kept = (again > again[best]).sum() < 20
            assert found["by popularity"][share].kept[user] == kept
            most = np.sort(effects)[::-1][:n_out].sum()
            assert found["at random"][share].lost[user] <= most + 1e-4


def test_differences_are_of_each_users_means_over_seeds():
    def of_seed(first, last):
        rest = dict.fromkeys(ORDERS, first) | {"at random": last}
        return {
            name: {share: Deleted(np.array(kept), np.zeros(2)) for share in SHARES}
            for name, kept in rest.items()
        }

    entry = summary_of([of_seed([1.0, 0.0], [1.0, 1.0]), of_seed([0.0, 0.0], [1.0, 0.0])])[0]
    # The users' means are .5 and 0 by `why`, 1 and .5 at random.
    assert entry["difference"] == pytest.approx(-0.5)
    assert entry["difference_interval"] == pytest.approx(0.0, abs=1e-12)
    assert entry["orders"]["by `why`"]["by_seed"] == [0.5, 0.0]
    assert entry["orders"]["at random"]["standard_error"] == pytest.approx(0.25)

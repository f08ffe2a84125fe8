"""Held-out users over a catalogue that was made before."""

import numpy as np
import pytest

from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.splits import hold_out_all, hold_out_users, over_catalogue
from multvae_jax.data.types import Catalogue
from tests.builders import write_ratings


@pytest.fixture
def data(tmp_path):
    return read_interactions(write_ratings(tmp_path / "ratings.csv"))


def same(one, other):
    return (one != other).nnz == 0


def test_the_held_out_users_come_out_again_over_their_catalogue(data):
    split = hold_out_users(data, validation=5, test=6, fold_in=0.7, seed=3)
    for part in (split.validation, split.test):
        again = hold_out_all(data, split.catalogue, {*part.user_ids, "nobody"}, 0.7, 3)
        assert again.user_ids.tolist() == part.user_ids.tolist()
        assert same(again.history, part.history)
        assert same(again.targets, part.targets)
        assert again.targets.nnz > 0


def test_items_are_found_by_id_in_another_catalogue(data):
    split = hold_out_users(data, validation=5, test=6)
    order = np.random.default_rng(0).permutation(len(split.catalogue.ids))[:-2]
    ids = np.array(["other", *split.catalogue.ids[order]], object)
    catalogue = Catalogue(ids, np.ones(len(ids), int), {})
    moved = over_catalogue(split.test, split.catalogue.ids, catalogue)
    for found, expected in (
        (moved.history, split.test.history),
        (moved.targets, split.test.targets),
    ):
        np.testing.assert_array_equal(found.toarray()[:, 1:], expected.toarray()[:, order])
        assert not found.toarray()[:, 0].any()

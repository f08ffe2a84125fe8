"""Vectors whose inner products are the scores, of baselines and of models with features."""

import dataclasses

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.data.user_encoder import FeatureColumn, UserEncoder
from tests.builders import randomized
from tests.export.builders import (
    CATALOGUE,
    FEATURES,
    HISTORIES,
    N_ITEMS,
    conditional,
    make_run,
    run_of,
)

IDS = [[f"i{item}" for item in np.flatnonzero(row)] for row in HISTORIES]


@pytest.mark.parametrize("kind", ["wmf", "linear-autoencoder"])
def test_factors_of_a_baseline_are_vectors(kind):
    recommender = mv.Recommender(make_run(kind))
    users, items = recommender.user_vectors(IDS), recommender.item_vectors
    np.testing.assert_array_equal(items[:, -1], 0)
    expected = [recommender.score(history) for history in IDS]
    np.testing.assert_allclose(users @ items.T, expected, rtol=1e-4, atol=1e-5)
    # By the vectors, and not by the scores of a history of the item alone.
    near = recommender.similar_items("i3", 1)
    own = items[:, :-1] - items[:, :-1].mean(axis=0)
    cosines = own @ own[3] / np.linalg.norm(own, axis=1) / np.linalg.norm(own[3])
    assert near.items == [CATALOGUE.ids[np.argsort(-cosines)[1]]]


def test_a_model_that_reads_features_has_vectors():
    model = mv.mult_vae((), 4, network=conditional)
    run = run_of(model, randomized(model.init, N_ITEMS))
    with pytest.raises(mv.InputError, match="has none that would show their shape"):
        mv.Recommender(run).similar_items("i3")
    column = FeatureColumn("color", ("red", "green", "blue"))
    object.__setattr__(run, "user_encoder", UserEncoder((column,)))
    recommender = mv.Recommender(run)
    headless = dataclasses.replace(run, model=model._replace(head=None))
    with pytest.raises(mv.InputError, match="similar_items: the scores of this model are not inn"):
        mv.Recommender(headless).similar_items("i3")
    users = recommender.user_vectors(IDS, user_features=FEATURES)
    for row, (vector, history) in enumerate(zip(users, IDS, strict=True)):
        expected = recommender.score(history, user_features=FEATURES[row : row + 1])
        np.testing.assert_allclose(recommender.item_vectors @ vector, expected, atol=1e-4)

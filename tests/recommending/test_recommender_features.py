"""`Recommender` of a model that reads features of users."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.data.types import HeldOut, Split
from multvae_jax.data.user_encoder import FeatureColumn, UserEncoder
from tests.builders import randomized
from tests.export.builders import CATALOGUE, HISTORIES, N_ITEMS, conditional, run_of

COLORS = ("red", "green", "blue")
FEATURES = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 1]]
VALUES = [{"color": COLORS[row.argmax()]} for row in FEATURES]
IDS = [[f"i{item}" for item in np.flatnonzero(row)] for row in HISTORIES]
K = 4


@pytest.fixture(scope="module")
def run():
    model = mv.mult_vae((), 4, network=conditional)
    made = run_of(model, randomized(model.init, N_ITEMS))
    return dataclasses.replace(made, user_encoder=UserEncoder((FeatureColumn("color", COLORS),)))


def expected(run):
    """Items by the scores of each user alone, in float64: the best that the user does not have."""
    found = []
    for row, own in zip(HISTORIES, FEATURES, strict=True):
        scores = mv.Recommender(run).score(ids_of(row), user_features=own[None])
        order = np.argsort(-np.where(row > 0, -np.inf, scores), kind="stable")
        found.append([f"i{item}" for item in order[:K] if row[item] == 0])
    return found


def ids_of(row):
    return [f"i{item}" for item in np.flatnonzero(row)]


def test_each_user_is_ranked_by_features_of_its_own(run):
    recommender, wanted = mv.Recommender(run), expected(run)
    found = recommender.recommend(IDS, K, user_features=FEATURES)
    assert [user.items for user in found] == wanted
    # The last user has no history, and is ranked by the features.
    assert not found[-1].from_popularity
    # Values of the columns of the file are encoded.
    assert recommender.recommend(IDS, K, user_features=VALUES) == found
    lists = recommender.recommend(sp.csr_array(HISTORIES), K, user_features=FEATURES)
    assert lists.item_ids() == wanted
    rows = [(n, item) for n, mine in enumerate(IDS[:-1]) for item in mine]
    frame = pl.DataFrame(rows, schema={"user": pl.Int32, "item": pl.String}, orient="row")
    table = recommender.recommend(frame, K, user_features=FEATURES[:-1])
    assert table["item"].to_list() == [item for mine in wanted[:-1] for item in mine]


def test_reasons_are_those_of_the_user_with_the_features(run):
    recommender = mv.Recommender(run)
    history, own = IDS[1], VALUES[2:3]
    reasons = recommender.why(history, "i3", user_features=own)
    (whole,) = recommender.score(history, ["i3"], user_features=own)
    for item, effect in zip(reasons.history, reasons.effects, strict=True):
        rest = [other for other in history if other != item]
        (without,) = recommender.score(rest, ["i3"], user_features=own)
        assert effect == pytest.approx(float(whole - without), abs=1e-5)
    other = recommender.why(history, "i3", user_features=VALUES[:1])
    assert abs(other.score - reasons.score) > 1e-3


def test_users_of_the_data_have_their_own_features(run):
    """In whichever part of the split they are, and also if only some are asked for."""
    ids, matrix = np.array([f"u{n}" for n in range(7)], object), sp.csr_array(HISTORIES)
    nothing = sp.csr_array(HISTORIES[:1] * 0)
    split = Split(
        matrix[:4],
        HeldOut(matrix[4:5], nothing, ids[4:5], FEATURES[4:5]),
        HeldOut(matrix[5:], sp.csr_array((2, N_ITEMS), dtype=np.float32), ids[5:], FEATURES[5:]),
        ids[:4],
        CATALOGUE,
        user_features=FEATURES[:4],
    )
    recommender, wanted = mv.Recommender(dataclasses.replace(run, split=split)), expected(run)
    everyone = recommender.recommend(k=K)
    assert everyone.user_ids.tolist() == ids.tolist()
    assert everyone.item_ids() == wanted
    some = recommender.recommend(k=K, users=["u5", "u0", "u4"])
    assert some.item_ids() == [wanted[5], wanted[0], wanted[4]]
    given = recommender.recommend(k=K, users=["u5"], user_features=FEATURES[:1])
    assert given.item_ids() != [wanted[5]]


def test_a_warm_up_has_features(run):
    recommender = mv.Recommender(run)
    assert recommender.warm_up(8) == 1


def test_features_that_do_not_fit_are_refused(run):
    recommender = mv.Recommender(run)
    with pytest.raises(mv.InputError, match="user_features: the model reads them, and these users"):
        recommender.recommend(IDS)
    with pytest.raises(mv.InputError, match=r"an array of shape \(2, 3\) for 7 users"):
        recommender.recommend(IDS, user_features=FEATURES[:2])
    with pytest.raises(mv.InputError, match="color 'pink'; the values are red, green, blue"):
        recommender.recommend(IDS[:1], user_features=[{"color": "pink"}])
    model = mv.mult_vae((), 4)
    plain = mv.Recommender(run_of(model, randomized(model.init, N_ITEMS)))
    for call in (plain.recommend, plain.user_vectors):
        with pytest.raises(mv.InputError, match="user_features: the model of this run reads no fe"):
            call(IDS, user_features=FEATURES)

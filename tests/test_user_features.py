"""Features of users reach every function of a model, each user's own."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse as sp

import multvae_jax as mv
from multvae_jax.batching import dense_rows, take, to_device
from multvae_jax.priors import kl_from_standard_normal

pytestmark = pytest.mark.updates

LATENT, N_ITEMS, TASTES = 4, 20, 8


def test_a_batch_has_the_features_of_its_users():
    features = {"age": np.arange(5.0), "sex": np.eye(5)}
    histories = to_device(sp.csr_array(np.eye(5)), user_features=features)
    batch = take(histories, jnp.array([3, -1, 0]), 4)
    np.testing.assert_array_equal(batch.user_features["age"][::2], [3.0, 0.0])
    np.testing.assert_array_equal(batch.user_features["sex"][::2], np.eye(5)[[3, 0]])
    assert dataclasses.replace(batch, values=2 * batch.values).user_features is batch.per_user
    plain = to_device(sp.csr_array(np.eye(5)))
    assert len(jax.tree.leaves(plain)) == 3


class Conditional(NamedTuple):
    """A normal, and the features of the user for the decoder."""

    mu: Any
    logvar: Any
    user: Any

    def sample(self, key):
        return mv.Posterior(self.mu, self.logvar).sample(key), self.user

    def mean(self):
        return self.mu, self.user


def conditional():
    def init(key, n_items):
        up, down = jax.random.split(key)
        return {
            "up": 0.1 * jax.random.normal(up, (n_items, LATENT)),
            "down": 0.1 * jax.random.normal(down, (LATENT, n_items)),
            "of_user": jnp.zeros((2, n_items)),
        }

    def encode(params, batch):
        mu = dense_rows(batch) @ params["up"]
        return Conditional(mu, jnp.zeros_like(mu), batch.user_features)

    def decode(params, z):
        return z[0] @ params["down"] + z[1] @ params["of_user"]

    def divergence(mu, logvar, user, z, theta):
        return kl_from_standard_normal(mu, logvar)

    network = mv.Network(init, encode, decode)
    return mv.vae(network, mv.likelihoods.multinomial(), mv.Prior(divergence), dropout=0.0)


def users_of(side, seed):
    """Users of two sides; a user likes items of the own side, and shows neutral ones alone."""
    rng = np.random.default_rng(seed)
    neutral = rng.random((len(side), N_ITEMS)) < 0.5
    neutral[:, : 2 * TASTES] = False
    neutral[:, -1] = True
    likes = np.zeros((len(side), N_ITEMS), bool)
    for user, own in enumerate(side):
        likes[user, own * TASTES : (own + 1) * TASTES] = rng.random(TASTES) < 0.7
        likes[user, own * TASTES] = True
    return neutral.astype(np.float32), likes.astype(np.float32)


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    # More users of the second side: a look-up among the training users would go wrong.
    sides = {name: (rng.random(n) < 0.6).astype(int) for name, n in (("u", 60), ("t", 30))}
    neutral, likes = users_of(sides["u"], 1)
    shown, wanted = users_of(sides["t"], 2)
    ids = {
        name: np.array([f"{name}{n}" for n in range(len(s))], object) for name, s in sides.items()
    }
    held_out = mv.HeldOut(sp.csr_array(shown), sp.csr_array(wanted), ids["t"])
    items = np.array([f"i{n}" for n in range(N_ITEMS)], object)
    plain = mv.Split(
        sp.csr_array(neutral + likes),
        held_out,
        held_out,
        ids["u"],
        mv.Catalogue(items, np.ones(N_ITEMS, int), {}),
    )
    of = {
        user: np.eye(2)[side]
        for name in ids
        for user, side in zip(ids[name], sides[name], strict=True)
    }
    return mv.with_user_features(plain, of)


OPTIONS = {"batch_size": 20, "metrics": mv.metrics.at_cutoffs([5]), "select_by": "ndcg@5"}


@pytest.fixture(scope="module")
def run(split):
    key, adam = jax.random.key(0), optax.adam(0.05)
    return mv.fit(key, conditional(), split, epochs=12, optimizer=adam, **OPTIONS)


def test_the_features_of_the_right_user_raise_the_metric_and_those_of_others_do_not(run, split):
    metrics = OPTIONS["metrics"]

    def ndcg(features):
        users = dataclasses.replace(split.test, user_features=features)
        return mv.evaluate(run.scorer, users, metrics).mean("ndcg@5")

    right, swapped = ndcg(split.test.user_features), ndcg(split.test.user_features[:, ::-1])
    unknown = ndcg(np.zeros_like(split.test.user_features))
    assert right > unknown + 0.2
    assert unknown > swapped + 0.2
    validated = [entry["validation"]["ndcg@5"] for entry in run.log]
    assert max(validated) == pytest.approx(right)


def test_new_users_hand_in_theirs(run):
    features = np.eye(2, dtype=np.float32)[[0, 1, 1]]
    users = mv.recommend(
        run.scorer, run.catalogue, [["i19"]] * 3, k=3, batch_size=2, user_features=features
    )
    own = [{int(item[1:]) // TASTES for item in user.items} for user in users]
    assert own == [{0}, {1}, {1}]


def test_a_user_without_a_history_is_ranked_by_the_features(run, split):
    (user,) = mv.recommend(run.scorer, run.catalogue, [[]], k=3, user_features=np.eye(2)[1:])
    sides = {int(item[1:]) // TASTES for item in user.items}
    assert 1 in sides
    assert 0 not in sides
    assert not user.from_popularity
    popular = mv.baselines.popularity(np.arange(N_ITEMS))
    (user,) = mv.recommend(popular, run.catalogue, [[]], k=1, user_features=np.eye(2)[1:])
    assert user.from_popularity
    assert user.items == ["i0"]


def test_missing_features_are_one_line_wherever_they_are_missing(run, split):
    bare = dataclasses.replace(
        split,
        user_features=None,
        validation=dataclasses.replace(split.validation, user_features=None),
        test=dataclasses.replace(split.test, user_features=None),
    )
    metrics = OPTIONS["metrics"]
    for use in (
        lambda: mv.fit(jax.random.key(0), conditional(), bare, epochs=1, **OPTIONS),
        lambda: mv.evaluate(run.scorer, bare.test, metrics),
        lambda: mv.recommend(run.scorer, run.catalogue, [["i19"]]),
    ):
        with pytest.raises(mv.InputError, match="user_features: the model reads them, and these"):
            use()
    with pytest.raises(mv.InputError, match=r"an array of shape \(2, 2\) for 1 users"):
        mv.recommend(run.scorer, run.catalogue, [["i19"]], user_features=np.eye(2))
    with pytest.raises(mv.InputError, match="validation: its users have no user_features"):
        dataclasses.replace(split, validation=bare.validation)


def test_a_sweep_reads_them_too(split, run):
    member = mv.Member(jax.random.key(0), learning_rate=0.05)
    (outcome,) = mv.sweep([member], conditional(), split, epochs=1, **OPTIONS)
    # One update differs in the schedule of beta alone, which is 0 in the first.
    assert np.isfinite(outcome.log[0]["loss"])
    assert outcome.validation["ndcg@5"] > 0


def test_a_saved_run_keeps_the_features_of_its_users_and_encodes_those_of_new_ones(
    run, split, tmp_path
):
    sides = [f"{user},{'FM'[int(split.test.user_features[n, 1])]}" for n, user in enumerate(["t0"])]
    path = tmp_path / "users.csv"
    path.write_text("\n".join(["user,sex", *sides, "x1,F", "x2,M"]) + "\n")
    encoder = mv.data.read_user_features(path, ["sex"]).encoder
    nested = {"sex": split.test.user_features, "more": {"age": np.arange(30.0)}}
    kept = dataclasses.replace(
        split,
        validation=None,
        test=dataclasses.replace(split.test, user_features=nested),
        user_encoder=encoder,
    )
    run = dataclasses.replace(run, split=kept)
    with pytest.warns(UserWarning, match="pass the model"):
        run.save(tmp_path / "run")
    loaded = mv.load_run(tmp_path / "run", model=run.model)
    assert loaded.user_encoder == encoder
    users = mv.load_held_out_users(tmp_path / "run")
    assert jax.tree.map(np.ndarray.tolist, users.user_features) == jax.tree.map(
        np.ndarray.tolist, nested
    )
    new = loaded.user_encoder.encode([{"sex": "M"}])
    (user,) = mv.recommend(loaded.scorer, loaded.catalogue, [["i19"]], k=2, user_features=new)
    assert {int(item[1:]) // TASTES for item in user.items} == {1}

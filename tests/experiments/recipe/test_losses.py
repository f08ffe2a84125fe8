"""The losses of the ablation: equal to the package's where nothing changes, and what changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from experiments.recipe import losses
from experiments.recipe.__main__ import mean_log_softmax
from multvae_jax import objectives
from multvae_jax.batching import capacity_of, dense_rows, take, to_device
from tests.builders import checkerboard

SPLIT = checkerboard()
N_USERS, N_ITEMS = SPLIT.train.shape
STEP = jnp.int32(7)


def key():
    """The same key each time, as a value of its own: a key is used once."""
    return jax.random.key(3)


def batch_of(users=range(N_USERS)):
    histories = to_device(SPLIT.train)
    order = np.array(users, np.int32)
    return take(histories, jnp.array(order), capacity_of(histories, order))


BATCH = batch_of()


def loss_of(model):
    params = model.init(key(), N_ITEMS)
    return model.loss(params, {**model.hyper, "beta": lambda step: 0.3}, BATCH, key(), STEP)[0]


def test_without_a_change_it_is_the_negative_elbo():
    plain, own = (mv.mult_vae((), 4, objective=o) for o in (objectives.negative_elbo, losses.elbo))
    assert float(loss_of(own)) == pytest.approx(float(loss_of(plain)), rel=1e-6)


def test_the_weight_of_the_kl_term_follows_the_interactions():
    counts = np.asarray(SPLIT.train.sum(axis=1)).ravel()
    expected = counts / counts.mean()
    np.testing.assert_allclose(losses.mean_interactions(BATCH), expected, rtol=1e-6)


def kept_shares(corrupt, rate, n_draws=300):
    """Share of each user's interactions that are kept, and the mean of the values, by draw."""
    keys = jax.random.split(key(), n_draws)
    rows = jax.vmap(lambda own: dense_rows(corrupt(own, BATCH, rate)))(keys)
    rows, counts = np.asarray(rows), np.asarray(dense_rows(BATCH)).sum(axis=1)
    return (rows > 0).sum(axis=2) / counts, rows.sum(axis=2) / counts


def test_mixed_dropout_keeps_the_mean_and_spreads_the_rates():
    shares, values = kept_shares(losses.mixed_dropout, 0.25)
    # 300 draws x users: six standard errors are far below .02.
    assert shares.mean() == pytest.approx(0.75, abs=0.02)
    assert values.mean() == pytest.approx(1.0, abs=0.02)
    # A rate that is uniform from 0 to .5 varies by .5 / sqrt(12) from draw to draw.
    n = np.asarray(dense_rows(BATCH).sum(axis=1)).mean()
    within = (0.25 * 0.75 - 0.25 / 12) / n
    assert shares.var() == pytest.approx(0.25 / 12 + within, rel=0.15)


def test_user_dropout_hides_a_tenth_of_the_users():
    shares, _ = kept_shares(losses.user_dropout, 0.0)
    assert set(np.unique(shares)) == {0.0, 1.0}
    n = shares.size
    assert abs((shares == 0).mean() - 0.1) < 5 * np.sqrt(0.1 * 0.9 / n)


def test_the_noise_of_a_user_does_not_depend_on_the_batch():
    for corrupt in (losses.mixed_dropout, losses.user_dropout):
        together = dense_rows(corrupt(key(), BATCH, 0.5))
        alone = dense_rows(corrupt(key(), batch_of([5]), 0.5))
        np.testing.assert_array_equal(together[5], alone[0])


def test_the_skip_starts_as_the_plain_model_and_learns():
    model = losses.with_skip(mv.mlp.variational_mlp, (), 4, 0.5)
    plain = mv.mult_vae((), 4)
    params = model.init(key(), N_ITEMS)
    np.testing.assert_array_equal(
        model.score(params, BATCH), plain.score(plain.init(key(), N_ITEMS), BATCH)
    )
    kernel = jnp.asarray(np.random.default_rng(0).standard_normal((N_ITEMS, N_ITEMS)), jnp.float32)
    moved = {**params, "skip": {"kernel": kernel}}
    x = np.asarray(dense_rows(BATCH))
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    np.testing.assert_allclose(
        model.score(moved, BATCH) - model.score(params, BATCH), x @ kernel, atol=1e-4
    )
    hyper = {**model.hyper, "beta": lambda step: 0.3}
    gradient = jax.grad(lambda p: model.loss(p, hyper, BATCH, key(), STEP)[0])(params)
    assert np.abs(gradient["skip"]["kernel"]).max() > 0


def test_the_average_of_log_probabilities():
    scores = [np.log([[0.5, 0.25, 0.25]]), np.log([[0.1, 0.8, 0.1]]) + 3]
    found = mean_log_softmax([lambda batch, s=s: jnp.asarray(s) for s in scores], None)
    expected = np.log(np.sqrt([[0.5 * 0.1, 0.25 * 0.8, 0.25 * 0.1]]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)

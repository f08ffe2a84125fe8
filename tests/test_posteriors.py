"""Posteriors as values: other ones than the normal, z of two layers, and who refuses them."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.batching import dense_rows, totals
from multvae_jax.extensions import composite_elbo, vamp_elbo
from multvae_jax.objectives import negative_elbo, sample_posterior
from multvae_jax.posteriors import posterior_mean
from multvae_jax.priors import divergences, standard_normal
from tests.builders import assert_same, batch_of, checkerboard, counts, multinomial64

pytestmark = pytest.mark.updates

N_ITEMS, LATENT = 6, 3
X = counts(3, 5, N_ITEMS)
BATCH = batch_of(X, capacity=20)


class Laplace(NamedTuple):
    loc: Any
    log_scale: Any

    def sample(self, key):
        return self.loc + jnp.exp(self.log_scale) * jax.random.laplace(key, self.loc.shape)

    def mean(self):
        return self.loc


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LaplaceRecord:
    """The same as a dataclass."""

    loc: Any
    log_scale: Any
    sample, mean = Laplace.sample, Laplace.mean


class Ladder(NamedTuple):
    """Two layers: z2 given x, and z1 given z2, through weights that all users share."""

    top: Any
    low: Any
    weights: Any
    shared = ("weights",)

    def sample(self, key):
        first, second = jax.random.split(key)
        z2 = self.top + jax.random.normal(first, self.top.shape)
        return z2, self.low + self.weights @ z2 + jax.random.normal(second, self.low.shape)

    def mean(self):
        return self.top, self.low + self.weights @ self.top


def kl_of_laplace(loc, log_scale, z, theta):
    """Estimated at z, from a Laplace prior of scale 1."""
    log_q = -jnp.abs(z - loc) / jnp.exp(log_scale) - log_scale
    return jnp.sum(log_q + jnp.abs(z)) * theta.get("weight", 1.0)


def init(key, n_items):
    first, second, third, last = jax.random.split(key, 4)
    made = {
        "loc": jax.random.normal(first, (n_items, LATENT)),
        "scale": jax.random.normal(second, (n_items, LATENT)),
        "top": jax.random.normal(third, (n_items, 2)),
    }
    made = jax.tree.map(lambda leaf: 0.1 * leaf, made)
    return {**made, "items": jax.random.normal(last, (LATENT, n_items)), "w": jnp.ones((3, 2))}


def network(kind=Laplace):
    def encode(params, batch):
        x = dense_rows(batch)
        if kind is Ladder:
            return Ladder(x @ params["top"], x @ params["loc"], params["w"])
        return kind(x @ params["loc"], x @ params["scale"])

    def decode(params, z):
        return (z[1] if kind is Ladder else z) @ params["items"]

    return mv.Network(init, encode, decode)


def loss_of(model, batch=BATCH, beta=0.3, **params):
    made = {**model.init(jax.random.key(0), N_ITEMS), **params}
    hyper = {**model.hyper, "beta": mv.schedules.constant(beta)}
    return model.loss(made, hyper, batch, jax.random.key(1), jnp.int32(0)), made


def vae_of(kind, divergence, **options):
    prior = mv.Prior(divergence)
    return mv.vae(network(kind), mv.likelihoods.multinomial(), prior, dropout=0.0, **options)


def users_noise(users=range(5)):
    """Laplace noise of the users from the key of the sample, user by user."""
    key = jax.random.fold_in(jax.random.key(1), mv.keys.SAMPLE)
    return np.stack([jax.random.laplace(jax.random.fold_in(key, u), (LATENT,)) for u in users])


@pytest.mark.parametrize("kind", [Laplace, LaplaceRecord])
def test_the_loss_with_another_posterior_against_numpy(kind):
    (value, terms), params = loss_of(vae_of(kind, kl_of_laplace))
    p = jax.tree.map(np.float64, params["network"])
    rows = X / np.maximum(np.sqrt((X**2).sum(axis=1, keepdims=True)), 1e-6)
    loc, log_scale = rows @ p["loc"], rows @ p["scale"]
    z = loc + np.exp(log_scale) * users_noise()
    kl = (np.abs(z) - np.abs(users_noise()) - log_scale).sum(axis=1)
    log_p = multinomial64(z @ p["items"], X)
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(value, (0.3 * kl - log_p).mean(), rtol=1e-4)


def test_a_user_is_scored_with_the_mean():
    model = vae_of(Laplace, kl_of_laplace)
    params = model.init(jax.random.key(0), N_ITEMS)
    own = params["network"]
    rows = X / np.maximum(np.sqrt((X**2).sum(axis=1, keepdims=True)), 1e-6)
    expected = rows @ np.float64(own["loc"]) @ np.float64(own["items"])
    np.testing.assert_allclose(model.score(params, BATCH), expected, rtol=1e-4, atol=1e-5)


def test_the_sample_of_a_user_does_not_depend_on_the_batch():
    key = jax.random.key(4)
    ladder = Ladder(jnp.ones((5, 2)), jnp.arange(15.0).reshape(5, 3), jnp.ones((3, 2)))
    whole = sample_posterior(key, jnp.arange(5), ladder)
    part = ladder._replace(top=ladder.top[3:], low=ladder.low[3:])
    assert_same(sample_posterior(key, jnp.arange(3, 5), part), [leaf[3:] for leaf in whole])
    assert not np.array_equal(whole[0][0], whole[0][1])
    np.testing.assert_allclose(posterior_mean(ladder)[1], ladder.low + 2.0)


def test_a_ladder_learns_through_both_layers_and_the_shared_weights():
    def divergence(top, low, weights, z, theta):
        return 0.5 * jnp.sum(top**2) + 0.5 * jnp.sum((low + weights @ z[0]) ** 2)

    model = vae_of(Ladder, divergence)
    params = model.init(jax.random.key(0), N_ITEMS)
    hyper = {**model.hyper, "beta": mv.schedules.constant(0.0)}
    gradient, _ = jax.grad(model.loss, has_aux=True)(
        params, hyper, BATCH, jax.random.key(1), jnp.int32(0)
    )
    # Beta is 0, so that these come through the sample alone.
    for name in ("top", "loc", "w", "items"):
        assert np.abs(gradient["network"][name]).max() > 1e-3, name
    assert model.score(params, BATCH).shape == X.shape


def test_the_beta_of_each_user():
    """With N_u as its factor, the KL term is the mean of N_u KL_u."""
    objective = functools.partial(negative_elbo, user_beta=totals)
    (value, terms), params = loss_of(vae_of(Laplace, kl_of_laplace, objective=objective))
    posterior = network().encode(params["network"], mv.objectives.normalize(BATCH))
    z = Laplace(*posterior).loc + np.exp(posterior.log_scale) * users_noise()
    kl = divergences(mv.Prior(kl_of_laplace), posterior, z, {})
    expected = -terms["log_likelihood"] + 0.3 * np.mean(X.sum(axis=1) * np.asarray(kl))
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], np.mean(kl), rtol=1e-4)


# --- what was possible before -------------------------------------------------------------------


class Pair(NamedTuple):
    mu: Any
    logvar: Any


@pytest.mark.parametrize("kind", [Pair, lambda *pair: pair, mv.Posterior])
def test_a_pair_is_a_normal(kind):
    def encode(params, batch):
        return kind(dense_rows(batch) @ params["loc"], dense_rows(batch) @ params["scale"])

    parts = network()._replace(encode=encode), mv.likelihoods.multinomial(), standard_normal()
    model = mv.vae(*parts, dropout=0.0)
    (value, _), params = loss_of(model)
    (expected, _), _ = loss_of(mv.vae(network(mv.Posterior), *parts[1:], dropout=0.0))
    assert value == expected
    assert model.score(params, BATCH).shape == X.shape


def test_the_normals_log_density():
    one = mv.Posterior(jnp.array([1.0, -2.0]), jnp.array([0.5, -1.0]))
    expected = -0.5 * sum(
        v + np.log(2 * np.pi) + (z - m) ** 2 / np.exp(v)
        for z, m, v in ((0.3, 1.0, 0.5), (0.1, -2.0, -1.0))
    )
    np.testing.assert_allclose(one.log_prob(jnp.array([0.3, 0.1])), expected, rtol=1e-5)


# --- refusals -----------------------------------------------------------------------------------


class Wide(Laplace):
    """Its scale is the same for all users, and not said to be."""

    def __new__(cls, loc, log_scale):
        return super().__new__(cls, loc, log_scale[0])


class Short(Laplace):
    def mean(self):
        return self.loc[:1]


class WithoutFields:
    def __init__(self, loc, log_scale):
        self.loc, self.log_scale = loc, log_scale

    sample, mean = Laplace.sample, Laplace.mean


REFUSED = {
    "its encoder returns": (
        lambda: mv.vae(
            network(lambda loc, scale: loc), mv.likelihoods.multinomial(), standard_normal()
        )
    ),
    "takes (mu, logvar, z, theta), but the posterior Laplace needs (loc, log_scale, z, theta)": (
        lambda: mv.vae(network(), mv.likelihoods.multinomial(), standard_normal())
    ),
    "takes (loc, z, theta), but the posterior Laplace needs": (
        lambda: vae_of(Laplace, lambda loc, z, theta: 0.0)
    ),
    "Wide: the field 'log_scale' has the shape (3,) for 5 users": (
        lambda: vae_of(Wide, kl_of_laplace)
    ),
    "Short: sample(key) and mean() return arrays of shapes (5, 3) and (5, 1);": lambda: vae_of(
        Short, kl_of_laplace
    ),
    "WithoutFields, which its encoder returns, must be a NamedTuple of": lambda: vae_of(
        WithoutFields, kl_of_laplace
    ),
    "recvae needs a normal posterior, Posterior(mu, logvar), and not Laplace": (
        lambda: vae_of(Laplace, kl_of_laplace)._replace(
            loss=composite_elbo(network(), mv.likelihoods.multinomial())
        )
    ),
    "its encoder returns a posterior (Laplace), but a denoising autoencoder needs an array": (
        lambda: mv.dae(network(), mv.likelihoods.multinomial(), dropout=0.0)
    ),
    "vamp_vae needs a normal posterior, Posterior(mu, logvar), and not Laplace": (
        lambda: vae_of(Laplace, kl_of_laplace)._replace(
            loss=vamp_elbo(network(), mv.likelihoods.multinomial())
        )
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused_in_one_sentence(message):
    model = REFUSED[message]()
    with pytest.raises(mv.InputError) as caught:
        loss_of(model, encoders_turn=jnp.float32(1), previous={})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# --- training -----------------------------------------------------------------------------------


def test_fit_and_sweep_train_another_posterior_alike():
    split = checkerboard(16, 12)
    model = vae_of(Laplace, kl_of_laplace)
    options = {"epochs": 2, "batch_size": 8, "metrics": mv.metrics.at_cutoffs([3])}
    options |= {"select_by": "ndcg@3"}
    run = mv.fit(jax.random.key(0), model, split, optimizer=optax.adam(0.01), **options)
    member = mv.Member(jax.random.key(0), learning_rate=0.01)
    (outcome,) = mv.sweep([member], model, split, **options)
    for entry, other in zip(run.log, outcome.log, strict=True):
        np.testing.assert_allclose(entry["loss"], other["loss"], rtol=1e-5)
        assert np.isfinite(entry["kl"])
    assert len(mv.recommend(run.scorer, run.catalogue, [["i1", "i3"]], k=3)[0].items) == 3

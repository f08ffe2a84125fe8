"""A likelihood and a prior with parameters are trained, saved and mapped like the network."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax.likelihoods import dense
from multvae_jax.models import mult_vae
from multvae_jax.ops.logsumexp import logsumexp
from multvae_jax.priors import Prior
from multvae_jax.runs import checkpoints
from multvae_jax.schedules import constant
from multvae_jax.training.updates import init_state, make_train_step
from tests.builders import assert_close, assert_same, batch_of, counts

pytestmark = pytest.mark.updates

N_ITEMS, LATENT = 7, 2
BATCH = batch_of(counts(8, 5, N_ITEMS))
ADAM = optax.adam(1e-2)


def beyond_popularity():
    def log_prob(f, x, theta):
        f = theta["scale"] * f + theta["popularity"]
        return jnp.sum(x * (f - logsumexp(f)))

    def init(key, n_items):
        return {"popularity": 0.1 * jax.random.normal(key, (n_items,))}

    return dense(log_prob, {"scale": 0.5}, init)


def centred():
    def divergence(mu, logvar, z, theta):
        return jnp.sum(jnp.exp(logvar) - logvar + (mu - theta["layer"]["centre"]) ** 2)

    def init(key, n_items):
        return {"layer": {"centre": jax.random.normal(key, (LATENT,))}}

    return Prior(divergence, init=init)


MODEL = mult_vae((4,), LATENT, likelihood=beyond_popularity(), prior=centred())


def start(key):
    return init_state(key, MODEL, ADAM, N_ITEMS, constant(0.3))


def updated(key):
    return make_train_step(MODEL, ADAM)(start(key), BATCH)[0]


compiled = jax.jit(updated)


def test_they_join_the_parameters_and_the_optimizers_state_and_move():
    before, after = jax.jit(start)(jax.random.key(0)), compiled(jax.random.key(0))
    parts = {"popularity": "likelihood", "centre": "prior"}
    assert before.params["likelihood"]["popularity"].shape == (N_ITEMS,)
    assert before.params["prior"]["layer"]["centre"].shape == (LATENT,)
    assert before.params.keys() == {"network", *parts.values()}
    for part in parts.values():
        both = (jax.tree.leaves(state.params[part]) for state in (before, after))
        for one, two in zip(*both, strict=True):
            # Adam's first step is its rate, wherever there is a gradient.
            np.testing.assert_allclose(np.abs(two - one), 1e-2, rtol=1e-3)
        slopes = jax.tree.leaves(after.opt_state[0].mu[part])
        assert [np.shape(s) for s in slopes] == [
            np.shape(leaf) for leaf in jax.tree.leaves(after.params[part])
        ]
        assert all(np.all(slope != 0) for slope in slopes)


def test_they_are_saved_and_read_back(tmp_path):
    state = compiled(jax.random.key(0))
    checkpoints.save_state(tmp_path / "state", state)
    restored = checkpoints.load_state(tmp_path / "state", jax.jit(start)(jax.random.key(1)))
    assert_same(restored.params, state.params)
    assert_same(restored.opt_state, state.opt_state)


def test_seeds_of_them_are_a_vmap():
    together = jax.jit(jax.vmap(updated))(jax.vmap(jax.random.key)(jnp.arange(2)))
    for n in range(2):
        alone = compiled(jax.random.key(n))
        member = jax.tree.map(lambda leaf, n=n: np.asarray(leaf)[n], together.params)
        assert_close(member, alone.params)
    popularity = together.params["likelihood"]["popularity"]
    assert not np.array_equal(popularity[0], popularity[1])

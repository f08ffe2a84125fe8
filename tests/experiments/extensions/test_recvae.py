"""RecVAE against float64, and what its turns freeze stays frozen."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from experiments.extensions.recvae import Turns, in_turns, log_composite, recvae
from tests.builders import (
    as_numpy64,
    assert_close,
    assert_same,
    batch_of,
    counts,
    encoder_input,
    initial_state,
    multinomial64,
    normal64,
    quick_jit,
    randomized,
    vae_noise,
)

pytestmark = pytest.mark.updates


def test_the_composite_prior_is_a_mixture_in_each_dimension():
    rng = np.random.default_rng(0)
    z, mu, logvar = rng.normal(0, 2, (3, 4, 5))
    density = (
        0.15 * np.exp(normal64(z, 0, 0))
        + 0.75 * np.exp(normal64(z, mu, logvar))
        + 0.10 * np.exp(normal64(z, 0, 10.0))
    )
    previous = mv.Posterior(jnp.float32(mu), jnp.float32(logvar))
    np.testing.assert_allclose(log_composite(jnp.float32(z), previous), np.log(density), rtol=1e-5)


def encoder64(params, x):
    """RecVAE's encoder, from its formulas."""

    def swish_and_norm(h, layer):
        h = h / (1 + np.exp(-h))
        h = (h - h.mean(axis=1, keepdims=True)) / np.sqrt(h.var(axis=1, keepdims=True) + 0.1)
        return h * params[layer]["scale"] + params[layer]["bias"]

    def dense(h, layer):
        return h @ params[layer]["kernel"] + params[layer]["bias"]

    h1 = swish_and_norm(x @ params["kernel"] + params["bias"], "LayerNorm_0")
    h2 = swish_and_norm(dense(h1, "Dense_0") + h1, "LayerNorm_1")
    h3 = swish_and_norm(dense(h2, "Dense_1") + h1 + h2, "LayerNorm_2")
    h4 = swish_and_norm(dense(h3, "Dense_2") + h1 + h2 + h3, "LayerNorm_3")
    h5 = swish_and_norm(dense(h4, "Dense_3") + h1 + h2 + h3 + h4, "LayerNorm_4")
    return dense(h5, "Dense_4"), dense(h5, "Dense_5")


def test_recvae_encodes_and_scores_as_its_formulas_say():
    x = counts(0, 5, 7)
    model = recvae(Turns(2, 1), hidden=6, latent=3)
    params = randomized(model.init, 7)
    rows = x / np.maximum(np.sqrt((x**2).sum(axis=1, keepdims=True)), 1e-6)
    wide = as_numpy64(params)
    mu, _ = encoder64(wide["encoder"], rows)
    expected = mu @ wide["decoder"]["kernel"] + wide["decoder"]["bias"]
    np.testing.assert_allclose(quick_jit(model.score)(params, batch_of(x)), expected, rtol=1e-4)


@pytest.mark.parametrize(("step", "rate"), [(1, 0.5), (2, 0.0)], ids=["encoder", "decoder"])
def test_the_loss_of_recvae_in_either_turn(step, rate):
    """Dropout in the encoder's turn alone, never for the previous encoder; beta by the user."""
    x = counts(1, 6, 7)
    model = recvae(Turns(2, 1), hidden=6, latent=3, gamma=0.3)
    params = randomized(model.init, 7, scale=0.3)
    key, batch = jax.random.key(0), batch_of(x)
    hyper = {**model.hyper, "beta": mv.schedules.constant(1.0)}
    loss, terms = quick_jit(model.loss)(params, hyper, batch, key, jnp.int32(step))

    wide = as_numpy64(params)
    kept, eps = as_numpy64(vae_noise(key, batch, jnp.float32(rate), 7, 3))
    rows = encoder_input(x, np.ones(x.shape, bool), 0.0)
    mu, logvar = encoder64(wide["encoder"], encoder_input(x, kept > 0, rate))
    z = mu + eps * np.exp(logvar / 2)
    mixture = (
        0.15 * np.exp(normal64(z, 0, 0))
        + 0.75 * np.exp(normal64(z, *encoder64(wide["previous"], rows)))
        + 0.10 * np.exp(normal64(z, 0, 10.0))
    )
    kl = (normal64(z, mu, logvar) - np.log(mixture)).sum(axis=1)
    log_p = multinomial64(z @ wide["decoder"]["kernel"] + wide["decoder"]["bias"], x)
    beta = 0.3 * x.sum(axis=1)
    np.testing.assert_allclose(loss, (beta * kl - log_p).mean(), rtol=1e-4)
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(terms["beta"], beta.mean(), rtol=1e-5)


def test_encoder_and_decoder_take_turns_and_the_previous_encoder_is_copied_at_the_turns_end():
    turns = Turns(encoder=2, decoder=1)
    model = recvae(turns, hidden=6, latent=3)
    optimizer = in_turns(turns, 0.01)
    state = initial_state(model, optimizer, 7, mv.schedules.constant(1.0))
    update = quick_jit(mv.training.make_train_step(model, optimizer))
    batch = batch_of(counts(2, 6, 7))
    states = [state]
    for _ in range(6):
        states.append(update(states[-1], batch)[0])

    def moved(part):
        return [
            all(
                bool(jnp.any(one != two))
                for one, two in zip(
                    jax.tree.leaves(before.params[part]),
                    jax.tree.leaves(after.params[part]),
                    strict=True,
                )
            )
            for before, after in itertools.pairwise(states)
        ]

    assert moved("encoder") == [True, True, False] * 2
    assert moved("decoder") == [False, False, True] * 2
    assert moved("previous") == [False, True, False] * 2
    for after in (2, 5):
        assert_close(states[after].params["previous"], states[after].params["encoder"], 1e-6)
    for held in (0, 2, 3, 5):
        if held in (2, 5):
            assert_same(states[held].params["encoder"], states[held + 1].params["encoder"])
        else:
            assert_same(states[held].params["decoder"], states[held + 1].params["decoder"])


def test_no_gradient_reaches_the_previous_encoder():
    model = recvae(Turns(2, 1), hidden=6, latent=3)
    params = randomized(model.init, 7)
    arguments = (model.hyper, batch_of(counts(3, 4, 7)), jax.random.key(0), jnp.int32(0))
    gradients, _ = quick_jit(jax.grad(model.loss, has_aux=True))(params, *arguments)
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradients["previous"]))
    assert all(leaf.any() for leaf in jax.tree.leaves(gradients["encoder"]))

"""The VampPrior and its gated network against float64."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

import multvae_jax as mv
from multvae_jax.extensions.vamp import log_vamp
from multvae_jax.mlp import denoising_mlp, gated_mlp, variational_mlp
from tests.builders import (
    as_numpy64,
    batch_of,
    checkerboard,
    counts,
    encoder_input,
    found_at,
    multinomial64,
    normal64,
    randomized,
    vae_noise,
)

pytestmark = pytest.mark.updates


def gated64(h):
    value, opening = np.split(h, 2, axis=1)
    return value / (1 + np.exp(-opening))


def dense64(h, layer):
    return h @ layer["kernel"] + layer["bias"]


def encode64(encoder, rows):
    mu, logvar = np.split(
        dense64(gated64(dense64(rows, encoder["layers_0"])), encoder["layers_2"]), 2, 1
    )
    return mu, np.clip(logvar, -12, 4)


def decode64(decoder, z):
    return dense64(gated64(dense64(z, decoder["layers_0"])), decoder["layers_2"])


def test_the_gated_network_from_its_formulas():
    x = counts(0, 5, 7)
    network = gated_mlp((5,), 3)
    params = randomized(network.init, 7)
    wide = as_numpy64(params)
    assert wide["encoder"]["layers_0"]["kernel"].shape == (7, 10)
    code = jax.jit(network.encode)(params, batch_of(x))
    for found, expected in zip(code, encode64(wide["encoder"], x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    z = as_numpy64(code.mu)
    expected = decode64(wide["decoder"], z)
    np.testing.assert_allclose(
        jax.jit(network.decode)(params, code.mu), expected, rtol=1e-4, atol=1e-5
    )


def test_the_activation_is_of_the_value_and_not_of_the_gate():
    network = gated_mlp((5,), 3, activation=jnp.tanh)
    params = randomized(network.init, 7)
    wide = as_numpy64(params)["decoder"]
    z = np.random.default_rng(3).normal(size=(4, 3))
    value, opening = np.split(dense64(z, wide["layers_0"]), 2, axis=1)
    expected = dense64(np.tanh(value) / (1 + np.exp(-opening)), wide["layers_2"])
    np.testing.assert_allclose(
        network.decode(params, jnp.float32(z)), expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("make", [gated_mlp, variational_mlp, denoising_mlp])
def test_dense_rows_have_the_code_of_the_ragged_batch(make):
    x = counts(1, 5, 7)
    network = make((5,), 3)
    params = randomized(network.init, 7)
    ragged, dense = network.encode(params, batch_of(x)), network.encode(params, jnp.float32(x))
    for one, other in zip(jax.tree.leaves(ragged), jax.tree.leaves(dense), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("shift", "logvar"), [(0.0, 0.0), (30.0, 0.0), (0.0, -8.0)])
def test_the_log_density_of_a_prior_far_away_or_narrow(shift, logvar):
    random = np.random.default_rng(6)
    mu, spread = random.normal(size=(2, 8, 50))
    logvar = logvar + 0.3 * spread
    of_one = random.integers(0, 8, 20)
    z = mu[of_one] + np.exp(logvar[of_one] / 2) * random.normal(size=(20, 50))
    as_float = [jnp.float32(array) for array in (z + shift, mu + shift, logvar)]
    found = jax.jit(log_vamp)(as_float[0], mv.posteriors.Posterior(*as_float[1:]))
    densities = norm.logpdf(z[:, None], mu[None], np.exp(logvar / 2)[None]).sum(axis=2)
    np.testing.assert_allclose(found, logsumexp(densities, axis=1) - np.log(8), rtol=2e-4)


def test_the_log_density_and_its_gradient_hold_no_array_of_users_inputs_and_dimensions():
    z, mu = jax.ShapeDtypeStruct((30, 20), float), jax.ShapeDtypeStruct((40, 20), float)

    def total(z, mu, logvar):
        return log_vamp(z, mv.posteriors.Posterior(mu, logvar)).sum()

    text = jax.jit(jax.grad(total, argnums=(0, 1, 2))).lower(z, mu, mu).as_text()
    sizes = [
        np.prod([int(size) for size in shape.split("x")])
        for shape in re.findall(r"tensor<((?:\d+x)*\d+)xf", text)
    ]
    assert max(sizes) == 30 * 40


@pytest.mark.parametrize("in_blocks", [False, True])
def test_the_loss_with_a_vamp_prior(in_blocks):
    x = counts(4, 6, 7)
    elbo = mv.extensions.vamp_elbo
    if in_blocks:
        elbo = partial(elbo, reconstruction=mv.objectives.blockwise_logits(3))
    model = mv.vamp_vae(5, 3, pseudo_inputs=4, objective=elbo, weight_penalty=0.01)
    params = randomized(model.init, 7)
    key, batch = jax.random.key(1), batch_of(x)
    hyper = {**model.hyper, "beta": mv.schedules.constant(0.7)}
    loss, terms = jax.jit(model.loss)(params, hyper, batch, key, jnp.int32(0))

    wide = as_numpy64(params)
    encoder, decoder = wide["network"]["encoder"], wide["network"]["decoder"]
    kept, eps = as_numpy64(vae_noise(key, batch, jnp.float32(0.5), 7, 3))
    mu, logvar = encode64(encoder, encoder_input(x, kept > 0, 0.5))
    z = mu + eps * np.exp(logvar / 2)
    pseudo = np.clip(wide["pseudo_inputs"], 0, 1)
    assert pseudo.shape == (4, 7)
    means, logvars = encode64(encoder, pseudo / np.sqrt((pseudo**2).sum(axis=1, keepdims=True)))
    of_each = np.exp(normal64(z[:, None], means[None], logvars[None]).sum(axis=2))
    kl = normal64(z, mu, logvar).sum(axis=1) - np.log(of_each.mean(axis=1))
    log_p = multinomial64(decode64(decoder, z), x)
    squares = sum(
        (layer["kernel"] ** 2).sum() for part in (encoder, decoder) for layer in part.values()
    )
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(loss, (0.7 * kl - log_p).mean() + 0.01 * squares, rtol=1e-4)


def test_the_pseudo_inputs_are_trained():
    model = mv.vamp_vae(5, 3, pseudo_inputs=4)
    params = randomized(model.init, 7)
    params["pseudo_inputs"] = jnp.clip(params["pseudo_inputs"], 0.1, 0.9)
    hyper = {**model.hyper, "beta": mv.schedules.constant(1.0)}
    arguments = (hyper, batch_of(counts(5, 4, 7)), jax.random.key(0), jnp.int32(0))
    gradients, _ = jax.jit(jax.grad(model.loss, has_aux=True))(params, *arguments)
    assert bool(jnp.all(jnp.any(gradients["pseudo_inputs"] != 0, axis=1)))


def test_the_vamp_vae_finds_the_withheld_square():
    """As every other model in tests/test_fitting.py; chance would get a half."""
    split = checkerboard()
    run = mv.fit(
        jax.random.key(0),
        mv.vamp_vae(32, 8, pseudo_inputs=5),
        split,
        epochs=20,
        batch_size=20,
        validate_every=20,
        optimizer=optax.adam(1e-2),
    )
    assert mv.evaluate(run.scorer, split.test, found_at(4)).mean("recall@4") == 1.0


def test_the_network_passes_the_checks():
    mv.testing.check_network(gated_mlp((5,), 3))


def test_a_network_that_takes_no_rows_is_refused():
    def ragged(hidden, latent):
        own = gated_mlp(hidden, latent)
        return own._replace(
            encode=lambda params, batch: own.encode(params, mv.objectives.normalize(batch))
        )

    model = mv.vamp_vae(4, 2, network=ragged)
    with pytest.raises(mv.InputError, match=r"^network: its encoder takes a ragged batch alone"):
        model.init(jax.random.key(0), 5)


@pytest.mark.parametrize(
    ("pseudo_inputs", "message"),
    [(0, "pseudo_inputs: expected `int` >= 1"), (2.5, "pseudo_inputs: expected `int`")],
)
def test_a_number_of_pseudo_inputs_that_cannot_be_is_refused(pseudo_inputs, message):
    with pytest.raises(mv.InputError, match=f"^{message}"):
        mv.vamp_vae(pseudo_inputs=pseudo_inputs)

"""The VampPrior and its gated network against float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from experiments.extensions.vamp import vamp
from tests.builders import (
    as_numpy64,
    batch_of,
    counts,
    encoder_input,
    multinomial64,
    normal64,
    quick_jit,
    randomized,
    vae_noise,
)

pytestmark = pytest.mark.updates


def gated64(h):
    value, opening = np.split(h, 2, axis=1)
    return value / (1 + np.exp(-opening))


def test_the_loss_with_a_vamp_prior():
    x = counts(4, 6, 7)
    model = vamp(hidden=5, latent=3, pseudo_inputs=4)
    params = randomized(model.init, 7)
    key, batch = jax.random.key(1), batch_of(x)
    hyper = {**model.hyper, "beta": mv.schedules.constant(0.7)}
    loss, terms = quick_jit(model.loss)(params, hyper, batch, key, jnp.int32(0))

    wide = as_numpy64(params)

    def dense(h, layer):
        return h @ layer["kernel"] + layer["bias"]

    def encode(rows):
        code = dense(gated64(dense(rows, wide["encoder"]["gated"])), wide["encoder"]["code"])
        mu, logvar = np.split(code, 2, axis=1)
        return mu, np.clip(logvar, -12, 4)

    kept, eps = as_numpy64(vae_noise(key, batch, jnp.float32(0.5), 7, 3))
    mu, logvar = encode(encoder_input(x, kept > 0, 0.5))
    z = mu + eps * np.exp(logvar / 2)
    pseudo = np.clip(wide["pseudo"], 0, 1)
    means, logvars = encode(pseudo / np.sqrt((pseudo**2).sum(axis=1, keepdims=True)))
    of_each = np.exp(normal64(z[:, None], means[None], logvars[None]).sum(axis=2))
    kl = normal64(z, mu, logvar).sum(axis=1) - np.log(of_each.mean(axis=1))
    h = gated64(dense(z, wide["decoder"]["gated"]))
    log_p = multinomial64(dense(h, wide["decoder"]["logits"]), x)
    np.testing.assert_allclose(terms["kl"], kl.mean(), rtol=1e-4)
    np.testing.assert_allclose(loss, (0.7 * kl - log_p).mean(), rtol=1e-4)


def test_the_pseudo_inputs_are_trained():
    model = vamp(hidden=5, latent=3, pseudo_inputs=4)
    params = randomized(model.init, 7)
    params["pseudo"] = jnp.clip(params["pseudo"], 0.1, 0.9)
    hyper = {**model.hyper, "beta": mv.schedules.constant(1.0)}
    arguments = (hyper, batch_of(counts(5, 4, 7)), jax.random.key(0), jnp.int32(0))
    gradients, _ = quick_jit(jax.grad(model.loss, has_aux=True))(params, *arguments)
    assert bool(jnp.all(jnp.any(gradients["pseudo"] != 0, axis=1)))

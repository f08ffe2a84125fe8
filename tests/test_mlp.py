import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from multvae_jax.mlp import bounded_mlp, denoising_mlp, variational_mlp
from tests.builders import as_numpy64, assert_same, batch_of, counts, mlp, randomized

N_ITEMS, LATENT = 11, 3
X = counts(5, 6, N_ITEMS)
hiddens = pytest.mark.parametrize("hidden", [(), (5,), (8, 6, 4)])
activations = pytest.mark.parametrize(
    ("activation", "reference"),
    [(jnp.tanh, np.tanh), (jax.nn.relu, lambda h: np.maximum(h, 0))],
    ids=["tanh", "relu"],
)


def shapes(layers):
    """Shapes of a part's kernels in the order of its layers; a bias belongs to each."""
    layers = [layers[name] for name in sorted(layers, key=lambda n: int(n.split("_")[1]))]
    for layer in layers:
        assert layer.keys() == {"kernel", "bias"}
        assert layer["bias"].shape == layer["kernel"].shape[1:]
        assert layer["kernel"].dtype == layer["bias"].dtype == jnp.float32
    return [layer["kernel"].shape for layer in layers]


@hiddens
@pytest.mark.parametrize(("make", "code"), [(variational_mlp, 2 * LATENT), (denoising_mlp, LATENT)])
def test_shapes(make, code, hidden):
    init = make(hidden, LATENT).init
    params = jax.eval_shape(lambda key: init(key, N_ITEMS), jax.random.key(0))
    assert params.keys() == {"encoder", "decoder"}
    up = list(itertools.pairwise((N_ITEMS, *hidden, code)))
    down = list(itertools.pairwise((LATENT, *reversed(hidden), N_ITEMS)))
    assert shapes(params["encoder"]) == up
    assert shapes(params["decoder"]) == down


@hiddens
@activations
def test_variational_forward_pass_against_numpy(hidden, activation, reference):
    network = variational_mlp(hidden, LATENT, activation)
    params = randomized(network.init, N_ITEMS)
    batch = batch_of(X, [4, 0, 2, -1, 5])
    posterior = jax.jit(network.encode)(params, batch)
    params64 = as_numpy64(params)
    rows = np.vstack([X, np.zeros(N_ITEMS)])[[4, 0, 2, -1, 5]]
    code = mlp(params64["encoder"], rows, reference)
    np.testing.assert_allclose(posterior.mu, code[:, :LATENT], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(posterior.logvar, code[:, LATENT:], rtol=1e-5, atol=1e-5)
    # Nothing squashes the outer layers.
    assert np.abs(code[:, :LATENT]).max() > 1
    assert code.min() < -0.1

    z = np.random.default_rng(0).normal(size=(5, LATENT))
    logits = jax.jit(network.decode)(params, jnp.asarray(z, jnp.float32))
    expected = mlp(params64["decoder"], z, reference)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(expected).max() > 1
    assert expected.min() < -0.1


@hiddens
@activations
def test_denoising_forward_pass_against_numpy(hidden, activation, reference):
    network = denoising_mlp(hidden, LATENT, activation)
    params = randomized(network.init, N_ITEMS)
    code = jax.jit(network.encode)(params, batch_of(X))
    params64 = as_numpy64(params)
    expected = reference(mlp(params64["encoder"], X, reference))
    np.testing.assert_allclose(code, expected, rtol=1e-5, atol=1e-5)
    logits = jax.jit(network.decode)(params, code)
    expected = mlp(params64["decoder"], expected, reference)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    assert np.abs(expected).max() > 1
    assert expected.min() < -0.1


def test_tanh_is_the_default():
    for make in (variational_mlp, denoising_mlp):
        network, other = make((5,), LATENT), make((5,), LATENT, jnp.tanh)
        params = randomized(network.init, N_ITEMS)
        one, two = (jax.jit(n.encode)(params, batch_of(X)) for n in (network, other))
        assert_same(one, two)


MADE = {"variational": variational_mlp((32, 32), 16), "denoising": denoising_mlp((32, 32), 32)}


@functools.cache
def initial(name):
    """Two draws of a network's parameters for 200 items."""
    keys = jax.vmap(jax.random.key)(jnp.array([7, 8]))
    return jax.jit(jax.vmap(lambda key: MADE[name].init(key, 200)))(keys)


def layers_of(params, field):
    parts = (params["encoder"], params["decoder"])
    return [np.asarray(layer[field], np.float64) for part in parts for layer in part.values()]


# Kolmogorov-Smirnov tests at fixed keys: a right initialization fails for one key in 1,000.
@pytest.mark.parametrize("name", MADE)
def test_initial_kernels_are_glorot_uniform(name):
    for kernel in layers_of(initial(name), "kernel"):
        limit = np.sqrt(6 / sum(kernel.shape[1:]))
        uniform = scipy.stats.uniform(-limit, 2 * limit)
        assert scipy.stats.kstest(kernel.ravel(), uniform.cdf).pvalue > 1e-3
        assert np.abs(kernel).max() <= limit * (1 + 1e-6)


@pytest.mark.parametrize("name", MADE)
def test_initial_biases_are_a_truncated_normal(name):
    biases = [bias.ravel() for bias in layers_of(initial(name), "bias")]
    law = scipy.stats.truncnorm(-2, 2, scale=0.001)
    pooled = np.concatenate(biases)
    assert pooled.size > 600
    assert scipy.stats.kstest(pooled, law.cdf).pvalue > 1e-3
    # A normal that is not cut would go past it with a chance above 0.999.
    assert 0.0019 < np.abs(pooled).max() <= 0.002 * (1 + 1e-6)
    assert all(bias.std() > 0 for bias in biases)


@pytest.mark.parametrize("name", MADE)
def test_every_layer_and_key_is_drawn_on_its_own(name):
    kernels = [
        draw.ravel()
        for kernel in layers_of(initial(name), "kernel")
        if kernel.shape[1:] == (32, 32)
        for draw in kernel
    ]
    assert len(kernels) >= 6
    for one, two in itertools.combinations(kernels, 2):
        assert abs(np.corrcoef(one, two)[0, 1]) < 5 / np.sqrt(one.size)


def test_the_same_key_gives_the_same_parameters():
    network = variational_mlp((), 2)
    init = jax.jit(lambda key: network.init(key, 3))
    assert_same(init(jax.random.key(7)), init(jax.random.key(7)))


@activations
def test_bounded_mlp_activates_the_mean_alone(activation, reference):
    """The network of `variational_mlp`, with the mean of the posterior activated."""
    bounded = bounded_mlp((5,), LATENT, activation)
    plain = variational_mlp((5,), LATENT, activation)
    params, batch = randomized(bounded.init, N_ITEMS), batch_of(X, [4, 0, 2])
    found, without = bounded.encode(params, batch), plain.encode(params, batch)
    np.testing.assert_allclose(found.mu, reference(np.asarray(without.mu)), rtol=1e-5, atol=1e-6)
    assert_same(found.logvar, without.logvar)
    z = jnp.ones((3, LATENT))
    assert_same(bounded.decode(params, z), plain.decode(params, z))

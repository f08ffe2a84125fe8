import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from multvae_jax.batching import dense_rows
from multvae_jax.likelihoods import Likelihood, gaussian, logistic, multinomial, poisson
from multvae_jax.models import mult_dae, mult_vae
from multvae_jax.objectives import dropout, normalize, reparameterize, sum_of_squared_weights
from multvae_jax.priors import Prior
from multvae_jax.schedules import constant, linear_annealing
from tests.builders import (
    as_numpy64,
    assert_close,
    assert_same,
    batch_of,
    counted,
    counts,
    dae64,
    dae_noise,
    encoder_input,
    gaussian64,
    gradient64,
    logistic64,
    mlp,
    multinomial64,
    poisson64,
    randomized,
    squared_kernels,
    vae64,
    vae_noise,
    within_binomial,
)

N_ITEMS, LATENT, PLACES = 9, 3, 8
X = counts(3, PLACES, N_ITEMS)
LIKELIHOODS = {
    "multinomial": (multinomial(), multinomial64),
    "logistic": (logistic(), logistic64),
    "gaussian": (gaussian(1.5, 0.25), gaussian64(1.5, 0.25)),
    "poisson": (poisson(), poisson64),
}
NUMBERS = {"dropout": 0.4, "weight_penalty": 0.02}
VAE, DAE = mult_vae((5,), LATENT, **NUMBERS), mult_dae((5,), LATENT, **NUMBERS)


def batch(users=range(PLACES), x=X):
    """A batch of 8 places and always the same shape, so that programs are compiled once."""
    places = [*users, *[-1] * (PLACES - len(users))]
    return batch_of(x, places, capacity=25)


def hyper_of(model, beta=0.3, **changes):
    beta = constant(beta) if isinstance(beta, float) else beta
    return jax.tree.map(jnp.float32, {**model.hyper, "beta": beta, **changes})


def params_of(model):
    return randomized(model.init, N_ITEMS)


@functools.cache
def loss_and_gradients(loss):
    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def evaluate(model, batch, hyper=None, step=0):
    """The loss, its terms and its gradients at random parameters and key 1."""
    hyper = hyper or hyper_of(model)
    function = loss_and_gradients(model.loss)
    (loss, terms), gradients = function(
        params_of(model), hyper, batch, jax.random.key(1), jnp.int32(step)
    )
    return loss, terms, gradients


def vae_reference(model, batch, x, log_p=multinomial64):
    """The loss, its terms and its gradients in float64, at the same noise."""
    kept, eps = vae_noise(jax.random.key(1), batch, jnp.float32(0.4), N_ITEMS, LATENT)
    kept, eps = np.asarray(kept)[: len(x)], np.asarray(eps, np.float64)[: len(x)]
    numbers = {"rate": 0.4, "beta": 0.3, "penalty": 0.02, "log_p": log_p}
    function = functools.partial(vae64, x=x, kept=kept, eps=eps, **numbers)
    params = as_numpy64(params_of(model)["network"])
    return *function(params), gradient64(lambda p: function(p)[0], params)


def dae_reference(model, batch, x, log_p=multinomial64):
    kept = np.asarray(dae_noise(jax.random.key(1), batch, jnp.float32(0.4), N_ITEMS))[: len(x)]
    function = functools.partial(dae64, x=x, kept=kept, rate=0.4, penalty=0.02, log_p=log_p)
    params = as_numpy64(params_of(model)["network"])
    return *function(params), gradient64(lambda p: function(p)[0], params)


# --- the whole loss -------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_negative_elbo_against_numpy(name):
    likelihood, log_p = LIKELIHOODS[name]
    model = mult_vae((5,), LATENT, likelihood=likelihood, **NUMBERS)
    model = VAE if name == "multinomial" else model
    loss, terms, gradients = evaluate(model, batch())
    expected, fit, kl, slopes = vae_reference(model, batch(), X, log_p)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert {"loss", "log_likelihood", "kl", "beta"} <= terms.keys()
    np.testing.assert_allclose(terms["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(terms["log_likelihood"], fit, rtol=1e-5)
    np.testing.assert_allclose(terms["kl"], kl, rtol=1e-5)
    np.testing.assert_allclose(terms["beta"], 0.3, rtol=1e-6)
    assert_close(gradients["network"], slopes)
    # Each part is large enough for the tolerance to see it.
    assert min(0.3 * kl, abs(fit), expected - 0.3 * kl + fit) > 1e-3 * abs(expected)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_denoising_loss_against_numpy(name):
    likelihood, log_p = LIKELIHOODS[name]
    model = mult_dae((5,), LATENT, likelihood=likelihood, **NUMBERS)
    model = DAE if name == "multinomial" else model
    loss, terms, gradients = evaluate(model, batch())
    expected, fit, slopes = dae_reference(model, batch(), X, log_p)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(terms["loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(terms["log_likelihood"], fit, rtol=1e-5)
    assert_close(gradients["network"], slopes)
    assert expected + fit > 1e-3 * abs(expected)


def test_the_references_drop_some_and_keep_some():
    for kept in (
        vae_noise(jax.random.key(1), batch(), jnp.float32(0.4), N_ITEMS, LATENT)[0],
        dae_noise(jax.random.key(1), batch(), jnp.float32(0.4), N_ITEMS),
    ):
        assert within_binomial(np.asarray(kept)[X > 0].mean(), 0.6, (X > 0).sum())
        assert not np.asarray(kept)[X == 0].any()


def test_the_papers_constants_are_the_defaults():
    assert mult_vae().hyper["dropout"] == mult_dae().hyper["dropout"] == 0.5
    assert "weight_penalty" not in mult_vae().hyper
    assert mult_vae(weight_penalty=0.1).hyper["weight_penalty"] == 0.1
    assert mult_dae().hyper["weight_penalty"] == pytest.approx(0.01 / 500)


def test_a_model_without_a_weight_penalty():
    hyper = hyper_of(VAE)
    del hyper["weight_penalty"]
    loss, terms, _ = evaluate(VAE, batch(), hyper)
    np.testing.assert_allclose(loss, 0.3 * terms["kl"] - terms["log_likelihood"], rtol=1e-6)
    penalized, _, _ = evaluate(VAE, batch())
    penalty = 0.02 * squared_kernels(as_numpy64(params_of(VAE)["network"]))
    np.testing.assert_allclose(penalized - loss, penalty, rtol=1e-4)


def test_without_dropout_the_encoder_sees_the_normalized_row():
    loss, _, _ = evaluate(DAE, batch(), hyper_of(DAE, dropout=0.0))
    params = as_numpy64(params_of(DAE)["network"])
    expected, _ = dae64(params, X, X > 0, rate=0.0, penalty=0.02)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "reference"), [(VAE, vae_reference), (DAE, dae_reference)], ids=["vae", "dae"]
)
def test_the_mean_is_over_users_not_places(model, reference):
    some = batch([2, 0, 5])
    loss, terms, gradients = evaluate(model, some)
    expected, fit, *_, slopes = reference(model, some, X[[2, 0, 5]])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(terms["log_likelihood"], fit, rtol=1e-5)
    assert_close(gradients["network"], slopes)


@pytest.mark.parametrize("model", [VAE, DAE], ids=["vae", "dae"])
def test_places_without_a_user_may_stand_anywhere(model):
    loss, terms, gradients = evaluate(model, batch([-1, 2, -1, 0, 5]))
    expected, fits, slopes = evaluate(model, batch([2, 0, 5]))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert_close(terms, fits)
    assert_close(gradients, slopes)


def test_beta_is_read_at_the_step():
    schedule, losses = linear_annealing(0.4, 10.0), {}
    for step in (0, 1, 7, 10, 25):
        losses[step], terms, _ = evaluate(VAE, batch(), hyper_of(VAE, schedule), step)
        np.testing.assert_allclose(terms["beta"], 0.4 * min(1, step / 10), rtol=1e-6)
        expected = losses[0] + 0.4 * min(1, step / 10) * terms["kl"]
        np.testing.assert_allclose(losses[step], expected, rtol=1e-5)
    assert len(set(map(float, losses.values()))) == 4


def test_scores_have_no_noise():
    for model in (VAE, DAE):
        params = params_of(model)
        params64 = as_numpy64(params["network"])
        code = mlp(params64["encoder"], encoder_input(X, X > 0, 0.0), np.tanh)
        code = np.tanh(code) if code.shape[1] == LATENT else code[:, :LATENT]
        expected = mlp(params64["decoder"], code, np.tanh)
        scores = jax.jit(model.score)(params, batch())
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


# --- likelihoods and priors of the user's own -----------------------------------------------


def test_a_trained_likelihood_and_prior():
    # A multinomial with trained item popularity, and N(m, 1) with a trained m and a constant
    # weight as prior; its divergence is estimated at the sample z.
    likelihood = Likelihood(
        lambda f, x, theta: x * f,
        lambda f, total, theta: total * jax.nn.logsumexp(f) + theta["b"] * total,
        init=lambda key, n_items: {"b": 0.1 * jax.random.normal(key)},
    )
    prior = Prior(
        lambda mu, logvar, z, theta: theta["weight"] * jnp.sum((z - theta["m"]) ** 2),
        constants={"weight": 0.5},
        init=lambda key, n_items: {
            "m": jax.random.normal(key, (LATENT,)),
            "unused": jnp.ones((2, n_items)),
        },
    )
    model = mult_vae((), LATENT, likelihood=likelihood, prior=prior, **NUMBERS)
    params, (_, terms, gradients) = params_of(model), evaluate(model, batch())
    kept, eps = vae_noise(jax.random.key(1), batch(), jnp.float32(0.4), N_ITEMS, LATENT)
    encoder = as_numpy64(params["network"]["encoder"])
    code = mlp(encoder, encoder_input(X, np.asarray(kept), 0.4), np.tanh)
    z = code[:, :LATENT] + np.asarray(eps) * np.exp(code[:, LATENT:] / 2)
    m = np.asarray(params["prior"]["m"], np.float64)
    np.testing.assert_allclose(terms["kl"], 0.5 * ((z - m) ** 2).sum(1).mean(), rtol=1e-5)
    np.testing.assert_allclose(gradients["prior"]["m"], 0.3 * (m - z).mean(0), rtol=1e-5)
    assert params["prior"]["unused"].shape == (2, N_ITEMS)
    assert not gradients["prior"]["unused"].any()  # the penalty is on the network's weights
    np.testing.assert_allclose(gradients["likelihood"]["b"], X.sum(axis=1).mean(), rtol=1e-5)


def test_the_penalty_is_over_kernels_and_not_biases():
    rng = np.random.default_rng(0)
    params = {
        part: {"layers_0": {"kernel": rng.normal(size=(3, 4)), "bias": rng.normal(size=4)}}
        for part in ("encoder", "decoder")
    }
    expected = sum((part["layers_0"]["kernel"] ** 2).sum() for part in params.values())
    params = jax.tree.map(jnp.float32, params)
    np.testing.assert_allclose(sum_of_squared_weights(params), expected, rtol=1e-6)


# --- normalizing, dropping, sampling --------------------------------------------------------


def test_normalize_gives_unit_norm_and_leaves_the_empty_history():
    normalized = normalize(batch([0, 3, -1, 7]))
    expected = np.zeros((PLACES, N_ITEMS))
    expected[:2] = X[[0, 3]] / np.linalg.norm(X[[0, 3]], axis=1, keepdims=True)
    np.testing.assert_allclose(dense_rows(normalized), expected, rtol=1e-6)


WIDTH, PARTS, MANY = 8, 3, 400
ONES = np.ones((MANY, WIDTH * PARTS))
compiled_drop, compiled_sample = jax.jit(dropout), jax.jit(reparameterize)


def kept_of(key, rate):
    return np.asarray(compiled_drop(key, batch_of(ONES, width=WIDTH), jnp.float32(rate)).values)


@pytest.mark.parametrize("rate", [0.5, 0.2, 0.9])
def test_drop_keeps_a_share_and_scales_it_up(rate):
    values = kept_of(jax.random.key(5), rate)
    kept = values != 0
    np.testing.assert_allclose(values[kept], 1 / (1 - rate), rtol=1e-6)
    assert within_binomial(kept.mean(), 1 - rate, kept.size)
    # Every place of a chunk, and every chunk of a user, on its own.
    kept = kept.reshape(MANY, PARTS * WIDTH)
    for share in kept.mean(axis=0):
        assert within_binomial(share, 1 - rate, MANY)
    correlations = np.corrcoef(kept.T) - np.eye(PARTS * WIDTH)
    assert np.abs(correlations).max() < 5 / np.sqrt(MANY)


def test_users_and_keys_are_dropped_independently():
    kept = kept_of(jax.random.key(5), 0.5) != 0
    other = kept_of(jax.random.key(6), 0.5) != 0
    for one, two in ((kept, other), (kept[:-PARTS], kept[PARTS:])):
        assert within_binomial((one == two).mean(), 0.5, one.size)


def test_drop_of_rate_zero_changes_nothing():
    dropped = compiled_drop(jax.random.key(0), batch(), jnp.float32(0))
    assert_same(dropped, batch())


def test_drop_touches_the_values_only():
    dropped = compiled_drop(jax.random.key(0), batch(), jnp.float32(0.5))
    assert not np.array_equal(dropped.values, batch().values)
    assert_same(dataclasses.replace(dropped, values=batch().values), batch())
    kept = np.asarray(dropped.values) != 0
    np.testing.assert_array_equal(dropped.values[kept], 2 * batch().values[kept])


def test_a_new_rate_does_not_compile_anew():
    function, calls = counted(dropout)
    compiled, ones = jax.jit(function), batch(x=np.ones((PLACES, N_ITEMS)))
    for rate in (0.1, 0.5, 0.8):
        kept = np.asarray(compiled(jax.random.key(0), ones, jnp.float32(rate)).values) != 0
        assert within_binomial(kept.sum() / X.size, 1 - rate, X.size)
    assert len(calls) == 1


def draws(key, users, mu=0.0, logvar=0.0, latent=50):
    users = jnp.asarray(users, jnp.int32)
    fill = lambda value: jnp.full((len(users), latent), value)  # noqa: E731
    return np.asarray(compiled_sample(key, users, fill(mu), fill(logvar)), np.float64)


def test_the_samples_noise_is_standard_normal():
    # Kolmogorov-Smirnov and correlations: a right sampler fails for one key in 1,000.
    eps = draws(jax.random.key(3), np.arange(MANY))
    assert scipy.stats.kstest(eps.ravel(), "norm").pvalue > 1e-3
    other = draws(jax.random.key(4), np.arange(MANY))
    for one, two in ((eps, other), (eps[1:], eps[:-1]), (eps[:, 1:], eps[:, :-1])):
        correlation = np.corrcoef(one.ravel(), two.ravel())[0, 1]
        assert abs(correlation) < 4 / np.sqrt(one.size)


def test_the_sample_is_mu_plus_eps_sigma():
    eps = draws(jax.random.key(3), [4, 2, 9])
    z = draws(jax.random.key(3), [4, 2, 9], mu=1.7, logvar=-1.3)
    np.testing.assert_allclose(z, 1.7 + eps * np.exp(-1.3 / 2), rtol=1e-5, atol=1e-6)


def test_the_gradient_goes_through_the_sample():
    users = jnp.array([4, 2], jnp.int32)
    mu, logvar, weight = np.random.default_rng(0).normal(size=(3, 2, 5)).astype(np.float32)

    def loss(mu, logvar):
        return jnp.sum(weight * reparameterize(jax.random.key(3), users, mu, logvar))

    slopes = jax.jit(jax.grad(loss, (0, 1)))(jnp.asarray(mu), jnp.asarray(logvar))
    eps = draws(jax.random.key(3), [4, 2], latent=5)
    np.testing.assert_allclose(slopes[0], weight, rtol=1e-6)
    expected = weight * eps * np.exp(logvar / 2) / 2
    np.testing.assert_allclose(slopes[1], expected, rtol=1e-5, atol=1e-6)


WHERE = {
    "alone": [4],
    "in another order": [5, 4, 0],
    "beside empty places": [-1, 0, -1, 4, -1],
    "among all": list(range(8)),
}
ALL_ITEMS = np.ones((PLACES, N_ITEMS))


def noise_of(user, users, batch):
    rate = jnp.float32(0.5)
    kept, eps = vae_noise(jax.random.key(1), batch, rate, N_ITEMS, LATENT)
    dae_kept = dae_noise(jax.random.key(1), batch, rate, N_ITEMS)
    at = users.index(user)
    return np.asarray(kept)[at], np.asarray(eps)[at], np.asarray(dae_kept)[at]


@pytest.mark.parametrize("where", WHERE)
def test_a_users_noise_is_its_own(where):
    expected = noise_of(4, [4, 0], batch([4, 0], ALL_ITEMS))
    assert_same(noise_of(4, WHERE[where], batch(WHERE[where], ALL_ITEMS)), expected)
    others = noise_of(0, [4, 0], batch([4, 0], ALL_ITEMS))
    assert not any(map(np.array_equal, others, expected))


def test_a_users_noise_does_not_depend_on_the_size_of_the_batch():
    expected = noise_of(4, [4], batch([4], ALL_ITEMS))
    assert_same(noise_of(4, [2, 4], batch_of(ALL_ITEMS, [2, 4], extra=2)), expected)

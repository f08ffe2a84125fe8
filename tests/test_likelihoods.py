import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats
from jax.test_util import check_grads

from multvae_jax.batching import sum_per_user
from multvae_jax.likelihoods import (
    Likelihood,
    dense,
    dense_log_likelihood,
    gaussian,
    log_likelihood,
    logistic,
    multinomial,
    poisson,
)
from tests.builders import batch_of, counted, counts

C1, C0, GRAVITY = 1.5, 0.25, 0.03
COUNTS = counts(0, 6, 10)
CLICKS = (COUNTS > 0).astype(float)
LOGITS = 2 * np.random.default_rng(1).normal(size=COUNTS.shape)


def multinomial_reference(f, x):
    return (x * scipy.special.log_softmax(f, axis=1)).sum(axis=1)


def logistic_reference(f, x):
    # scipy's probabilities round to 0 and 1 at extreme logits.
    if np.isin(x, [0, 1]).all() and np.abs(f).max() < 30:
        return scipy.stats.bernoulli.logpmf(x, scipy.special.expit(f)).sum(axis=1)
    return (x * f - np.logaddexp(0, f)).sum(axis=1)


def gaussian_reference(f, x):
    # Weighted normal densities, without their constant log sqrt(2 pi).
    weights = np.where(x > 0, C1, C0)
    return (weights * (scipy.stats.norm.logpdf(x, f) + 0.5 * np.log(2 * np.pi))).sum(axis=1)


def poisson_reference(f, x):
    # Without the constant log x!, which depends on x alone.
    log_mass = scipy.stats.poisson.logpmf(x, np.exp(f))
    return (log_mass + scipy.special.gammaln(x + 1)).sum(axis=1)


def multinomial_slope(f, x):
    return x - x.sum(axis=1, keepdims=True) * scipy.special.softmax(f, axis=1)


def gravity_reference(f, x):
    return multinomial_reference(f, x) - GRAVITY * (f**2).sum(axis=1)


def gravity_slope(f, x):
    return multinomial_slope(f, x) - 2 * GRAVITY * f


def logistic_slope(f, x):
    return x - scipy.special.expit(f)


def gaussian_slope(f, x):
    return np.where(x > 0, C1, C0) * (x - f)


def poisson_slope(f, x):
    return x - np.exp(f)


CASES = {
    "multinomial": (multinomial(), multinomial_reference, multinomial_slope),
    "gravity": (multinomial(GRAVITY), gravity_reference, gravity_slope),
    "logistic": (logistic(), logistic_reference, logistic_slope),
    "gaussian": (gaussian(C1, C0), gaussian_reference, gaussian_slope),
    "poisson": (poisson(), poisson_reference, poisson_slope),
}
each = pytest.mark.parametrize("name", CASES)
DATA = {"clicks": CLICKS, "counts": COUNTS}


def as_logits(f):
    return jnp.asarray(f, jnp.float32)


def theta_of(likelihood):
    return {name: jnp.float32(value) for name, value in likelihood.constants.items()}


def value_and_slopes(likelihood):
    """Of each user: log p; and the gradients of the sum, in the logits and in theta."""

    @jax.jit
    def function(logits, theta, batch):
        def total(logits, theta):
            per_user = log_likelihood(likelihood, theta, logits, batch)
            return per_user.sum(), per_user

        slopes, per_user = jax.grad(total, (0, 1), has_aux=True)(logits, theta)
        return per_user, *slopes

    return function


COMPILED = {name: value_and_slopes(likelihood) for name, (likelihood, *_) in CASES.items()}


def evaluate(name, f, batch):
    """A case at its constants."""
    return COMPILED[name](as_logits(f), theta_of(CASES[name][0]), batch)


@each
@pytest.mark.parametrize("data", DATA)
def test_values_and_gradients_against_scipy(name, data):
    _, reference, slope = CASES[name]
    x = DATA[data]
    value, gradient, _ = evaluate(name, LOGITS, batch_of(x))
    np.testing.assert_allclose(value, reference(LOGITS, x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, slope(LOGITS, x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("data", DATA)
def test_multinomial_is_the_cross_entropy_of_optax(data):
    x = DATA[data]
    value, _, _ = evaluate("multinomial", LOGITS, batch_of(x))
    loss = optax.softmax_cross_entropy(as_logits(LOGITS), as_logits(x))
    np.testing.assert_allclose(value, -loss, rtol=1e-5, atol=1e-6)


@each
def test_dense_row_equals_ragged_batch(name):
    likelihood, reference, _ = CASES[name]
    one = jax.jit(functools.partial(dense_log_likelihood, likelihood, theta_of(likelihood)))
    each_user = [one(as_logits(f), as_logits(x)) for f, x in zip(LOGITS, COUNTS, strict=True)]
    np.testing.assert_allclose(each_user, reference(LOGITS, COUNTS), rtol=1e-5, atol=1e-5)


@each
def test_gradients_by_finite_differences(name):
    likelihood = CASES[name][0]
    batch, theta = batch_of(COUNTS), theta_of(likelihood)
    function = jax.jit(lambda f: log_likelihood(likelihood, theta, f, batch))
    check_grads(function, (as_logits(LOGITS),), order=1, modes=["rev"], atol=0.05, rtol=0.02)


@each
def test_chunks_do_not_matter(name):
    value, gradient, _ = evaluate(name, LOGITS, batch_of(COUNTS))
    other, slope, _ = evaluate(name, LOGITS, batch_of(COUNTS, width=2, extra=3))
    np.testing.assert_allclose(other, value, rtol=2e-6)
    np.testing.assert_allclose(slope, gradient, rtol=1e-6, atol=1e-6)


@each
def test_users_in_any_order_and_places_without_one(name):
    _, reference, slope = CASES[name]
    places = np.array([3, -1, 0, 0, 5, 2, -1])
    x = np.where(places[:, None] < 0, 0, COUNTS[places])
    f = LOGITS[places]
    value, gradient, _ = evaluate(name, f, batch_of(COUNTS, places))
    np.testing.assert_allclose(value, reference(f, x), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, slope(f, x), rtol=1e-5, atol=1e-5)


@each
def test_extreme_logits_and_empty_histories(name):
    _, reference, slope = CASES[name]
    # exp(f) is what poisson computes, and it ends at 88.
    most = 80.0 if name == "poisson" else 1e4
    f = most * np.array([[1, -1, 0, 1], [-1, -1, -1, -1], [1, 1, 1, 1], [-1, 1, 0, 0]])
    x = np.array([[0, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]], float)
    value, gradient, _ = evaluate(name, f, batch_of(x))
    expected = reference(f, x)
    # The clicks' terms and the normalizer cancel: what is left is exact to the float32 of a term.
    largest = (x.sum(axis=1) * most * np.finfo(np.float32).eps).max()
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=largest)
    np.testing.assert_allclose(gradient, slope(f, x), rtol=1e-5, atol=1e-6)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


def test_the_gaussians_constants_get_gradients():
    _, _, slopes = evaluate("gaussian", LOGITS, batch_of(COUNTS))
    errors = (COUNTS - LOGITS) ** 2
    np.testing.assert_allclose(slopes["c1"], -0.5 * errors[COUNTS > 0].sum(), rtol=1e-5)
    np.testing.assert_allclose(slopes["c0"], -0.5 * errors[COUNTS == 0].sum(), rtol=1e-5)


def test_a_new_constant_does_not_compile_anew():
    likelihood = gaussian(C1, C0)
    function, calls = counted(functools.partial(log_likelihood, likelihood))
    compiled, batch = jax.jit(function), batch_of(COUNTS)
    for c1, c0 in ((C1, C0), (1.0, 1.0), (0.5, 0.0)):
        value = compiled({"c1": jnp.float32(c1), "c0": jnp.float32(c0)}, as_logits(LOGITS), batch)
        weights = np.where(COUNTS > 0, c1, c0)
        expected = -(weights / 2 * (COUNTS - LOGITS) ** 2).sum(axis=1)
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    assert len(calls) == 1


def test_dense_takes_any_function_of_one_row():
    def log_prob(f, x, theta):
        return theta["weight"] * jnp.sum(x * jax.nn.log_softmax(f))

    likelihood = dense(log_prob, constants={"weight": 1.0})
    value, gradient, slopes = value_and_slopes(likelihood)(
        as_logits(LOGITS), theta_of(likelihood), batch_of(COUNTS, extra=2)
    )
    same, same_gradient, _ = evaluate("multinomial", LOGITS, batch_of(COUNTS))
    np.testing.assert_allclose(value, same, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, same_gradient, rtol=1e-5, atol=1e-5)
    expected = multinomial_reference(LOGITS, COUNTS).sum()
    np.testing.assert_allclose(slopes["weight"], expected, rtol=1e-5)


def test_a_dense_likelihood_that_does_not_decompose():
    # Bayesian personalized ranking over all pairs of a clicked and an unclicked item.
    def log_prob(f, x, theta):
        pairs = jax.nn.log_sigmoid(f[:, None] - f[None, :])
        return jnp.sum(pairs * x[:, None] * (x == 0)[None, :].astype(x.dtype))

    value, gradient, _ = value_and_slopes(dense(log_prob))(as_logits(LOGITS), {}, batch_of(CLICKS))
    expected, slope = np.zeros(len(CLICKS)), np.zeros(CLICKS.shape)
    for u, (f, x) in enumerate(zip(LOGITS, CLICKS, strict=True)):
        for i in np.flatnonzero(x):
            for j in np.flatnonzero(x == 0):
                p = scipy.special.expit(f[i] - f[j])
                expected[u] += np.log(p)
                slope[u, i] += 1 - p
                slope[u, j] -= 1 - p
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-5)


def test_a_click_that_is_undefined_without_an_interaction():
    # log x is -inf at x = 0, and exp(f) too large for float32 at the unclicked item 0.
    def click(f, x, theta):
        return theta["a"] * f * jnp.log(x) - jnp.exp(f)

    likelihood = Likelihood(click, lambda f, total, theta: 0.1 * jnp.sum(f))
    x, f, theta = COUNTS.copy(), LOGITS.copy(), {"a": jnp.float32(0.7)}
    x[:, 0], f[:, 0] = 0, 500.0
    log_x = np.log(np.where(x > 0, x, 1))
    exp_f = np.exp(np.where(x > 0, f, -np.inf))
    expected = (0.7 * f * log_x - exp_f - 0.1 * f).sum(axis=1)
    slope = 0.7 * log_x - exp_f - 0.1
    value, gradient, slopes = value_and_slopes(likelihood)(
        as_logits(f), theta, batch_of(x, extra=2)
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(slopes["a"], (f * log_x).sum(), rtol=1e-5)

    one = jax.jit(jax.value_and_grad(functools.partial(dense_log_likelihood, likelihood, theta)))
    value, gradient = one(as_logits(f[1]), as_logits(x[1]))
    np.testing.assert_allclose(value, expected[1], rtol=1e-5)
    np.testing.assert_allclose(gradient, slope[1], rtol=1e-5, atol=1e-5)


def test_the_normalizer_receives_the_summary_of_the_likelihood():
    # A multinomial over distinct items: repeated plays count once.
    def distinct(batch):
        return sum_per_user(batch, (batch.values > 0).astype(jnp.float32))

    likelihood = Likelihood(
        lambda f, x, theta: f,
        lambda f, n, theta: n * jax.nn.logsumexp(f),
        distinct,
    )
    value, gradient, _ = value_and_slopes(likelihood)(as_logits(LOGITS), {}, batch_of(COUNTS))
    np.testing.assert_allclose(value, multinomial_reference(LOGITS, CLICKS), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, multinomial_slope(LOGITS, CLICKS), rtol=1e-5, atol=1e-5)


def test_trained_parameters_get_gradients():
    # A multinomial with a trained inverse temperature: softmax(a f).
    likelihood = Likelihood(
        lambda f, x, theta: x * theta["a"] * f,
        lambda f, n, theta: n * jax.nn.logsumexp(theta["a"] * f),
    )
    theta = {"a": jnp.float32(0.7)}
    value, gradient, slopes = value_and_slopes(likelihood)(
        as_logits(LOGITS), theta, batch_of(COUNTS)
    )
    slope = multinomial_slope(0.7 * LOGITS, COUNTS)
    np.testing.assert_allclose(
        value, multinomial_reference(0.7 * LOGITS, COUNTS), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(gradient, 0.7 * slope, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(slopes["a"], (slope * LOGITS).sum(), rtol=1e-5)

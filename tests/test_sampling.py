"""Likelihoods that draw: their draws, what they estimate, and what they leave uncomputed."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

import multvae_jax as mv
from benchmarks.harness.update import UpdateShape, counters, traced_update
from experiments.extensions.sampled import bpr, sampled_softmax
from multvae_jax.config.build_model import build_model
from multvae_jax.config.options import ModelOptions
from multvae_jax.errors import InputError
from multvae_jax.keys import DRAW, LIKELIHOOD, user_keys
from multvae_jax.likelihoods import Likelihood, dense, draws, log_likelihood, multinomial
from multvae_jax.networks import chosen_logits
from multvae_jax.objectives import blockwise_logits, full_logits, make_log_p, negative_elbo
from multvae_jax.testing import check_likelihood
from tests.builders import assert_close, batch_of, counts, multinomial64, randomized

X = counts(3, 5, 9)
LOGITS = np.random.default_rng(4).normal(size=X.shape)
WEIGHTS = np.arange(1.0, 10.0)


def key(seed=8):
    """A key anew for each use: a second use of the same one is an error."""
    return jax.random.key(seed)


# --- draws ----------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, [0.0, 1, 2, 5, 0, 2]])
def test_items_are_drawn_in_proportion_to_their_weights_and_log_q_says_how_often(weights):
    number, n_items = 20_000, 6
    items, log_q = draws(number, weights)(key(), n_items, {})
    shares = np.asarray([1.0] * n_items if weights is None else weights)
    expected = number * shares / shares.sum()
    found = np.bincount(items, minlength=n_items)
    some = expected > 0
    assert found[~some].sum() == 0
    # A right program fails once in a million keys, and the key is fixed.
    assert scipy.stats.chisquare(found[some], expected[some]).pvalue > 1e-6
    np.testing.assert_allclose(np.exp(log_q), expected[np.asarray(items)], rtol=1e-5)


@pytest.mark.parametrize("weights", [[1.0, -1.0], [0.0, 0.0], [[1.0]], [np.nan, 1.0]])
def test_weights_that_cannot_be_drawn_from_are_refused(weights):
    with pytest.raises(InputError, match="weights"):
        draws(3, weights)
    with pytest.raises(InputError, match="number"):
        draws(0)


def test_a_draw_of_other_items_or_shapes_is_refused():
    batch = batch_of(X)
    for draw, message in (
        (draws(3, [1.0, 2.0]), "2 weights for 9 items"),
        (lambda key, n_items, theta: jnp.arange(3), r"\(items, log_q\)"),
        (lambda key, n_items, theta: (jnp.arange(3), jnp.zeros(2)), "of the same length"),
        (lambda key, n_items, theta: (jnp.zeros(2), jnp.zeros(2)), "indices of items"),
    ):
        likelihood = sampled_softmax()._replace(draw=draw)
        with pytest.raises(InputError, match=message):
            log_likelihood(likelihood, {}, jnp.float32(LOGITS), batch, key())


# --- what is estimated ----------------------------------------------------------------------


def test_the_sampled_softmax_is_the_multinomial_within_the_bound_of_its_bias():
    """The sum over all items has no bias; its logarithm has one of half its squared variation."""
    number, tries = 12, 4000
    likelihood, batch = sampled_softmax(number, WEIGHTS), batch_of(X)

    @jax.jit
    def of_keys(keys):
        return jax.vmap(
            lambda key: log_likelihood(likelihood, {}, jnp.float32(LOGITS), batch, key)
        )(keys)

    found = np.asarray(of_keys(jax.random.split(key(), tries)), np.float64)
    exact = multinomial64(LOGITS, X)
    q, other = WEIGHTS / WEIGHTS.sum(), X == 0
    exp = np.exp(LOGITS)
    sums, rest = exp.sum(axis=1), (exp * other).sum(axis=1)
    # Of one draw: the variance of exp(f) / q where the user does not have the item.
    variances = ((exp**2 * other / q).sum(axis=1) - rest**2) / number
    for user in range(len(X)):
        total = X[user].sum()
        if not total:
            assert (found[:, user] == 0).all()
            continue
        ratios = np.exp((exact[user] - found[:, user]) / total)
        squared = variances[user] / sums[user] ** 2
        # Five standard errors: a right program fails once in a million keys.
        error = 5 * np.sqrt(squared / tries) + 1e-4
        assert abs(ratios.mean() - 1) < error
        bias = (found[:, user].mean() - exact[user]) / total
        assert -error < bias < 0.75 * squared + error
    # Not so small that everything would pass.
    assert variances.max() / (sums[variances.argmax()] ** 2) > 0.01


def test_without_log_q_the_estimate_is_another():
    """What the test above is able to find: draws by popularity, not corrected."""
    right, batch = sampled_softmax(20_000, WEIGHTS), batch_of(X)

    def uncorrected(key, n_items, theta):
        items, log_q = right.draw(key, n_items, theta)
        return items, jnp.full_like(log_q, np.log(20_000 / n_items))

    exact = multinomial64(LOGITS, X)
    wrong = log_likelihood(right._replace(draw=uncorrected), {}, jnp.float32(LOGITS), batch, key())
    close = log_likelihood(right, {}, jnp.float32(LOGITS), batch, key())
    assert np.abs(close - exact).max() < 0.1 * np.abs(wrong - exact).max()


def test_bpr_and_its_gradient_are_those_of_numpy_for_the_same_draws():
    likelihood, places = bpr(4), np.array([2, 0, -1, 3, 4])
    batch = batch_of(X, places, extra=2)
    logits = jnp.float32(LOGITS[places])

    def total(logits):
        per_user = log_likelihood(likelihood, {}, logits, batch, key())
        return per_user[np.array([0, 1, 3, 4])].sum()

    value, gradient = jax.jit(jax.value_and_grad(total))(logits)
    expected, slope = 0.0, np.zeros((5, X.shape[1]))
    keys = user_keys(jax.random.fold_in(key(), DRAW), jnp.asarray(places))
    for place, user in enumerate(places):
        if user < 0:
            continue
        negatives = np.asarray(likelihood.draw(keys[place], X.shape[1], {})[0])
        f = LOGITS[user]
        for i in X[user].nonzero()[0]:
            for j in negatives:
                if X[user, j] == 0:
                    expected += X[user, i] / 4 * np.log(scipy.special.expit(f[i] - f[j]))
                    by = X[user, i] / 4 * scipy.special.expit(f[j] - f[i])
                    slope[place, i] += by
                    slope[place, j] -= by
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-5)


def test_a_key_for_any_function_of_a_likelihood():
    """The key of a click depends on the user and the item, that of a dense row on the user."""

    def click(f, x, theta, key):
        return x * f * jax.random.bernoulli(key, 0.5).astype(f.dtype)

    noisy = Likelihood(click, lambda f, total, theta: 0.5 * total * mv.ops.logsumexp(f))
    flat = Likelihood(lambda f, x, theta, key: jax.random.normal(key), None)
    values = jax.jit(functools.partial(log_likelihood, flat, {}))
    one = values(jnp.float32(LOGITS), batch_of(X), key=key())
    assert len(set(np.asarray(one[:-1]).tolist())) == len(X) - 1
    order = np.array([3, 0, 1])
    other = values(jnp.float32(LOGITS[order]), batch_of(X, order, width=2), key=key())
    np.testing.assert_allclose(other, one[order], rtol=1e-5)
    assert not np.allclose(values(jnp.float32(LOGITS), batch_of(X), key=key(1)), one)
    with pytest.raises(InputError, match="no key"):
        log_likelihood(noisy, {}, jnp.float32(LOGITS), batch_of(X))
    check_likelihood(
        dense(
            lambda f, x, theta, key: jnp.sum(
                x * jax.nn.log_softmax(f) * jax.random.uniform(key, (), f.dtype)
            )
        ),
        finite_differences=False,
    )


@pytest.mark.parametrize("likelihood", [bpr(3), sampled_softmax(4, [1, 2, 3, 4, 5, 6, 7])])
def test_likelihoods_that_draw_pass_the_checks(likelihood):
    check_likelihood(likelihood)


# --- what is not computed -------------------------------------------------------------------


@pytest.mark.parametrize("make", [bpr, sampled_softmax])
def test_only_chosen_columns_are_computed_and_get_gradients(make):
    """Value and gradients are those of the same draws among all logits; others' are zero."""
    n_items, network, likelihood = 40, mv.mlp.variational_mlp((5,), 3), make(6)
    x = counts(1, 4, n_items, share=0.1)
    x[0, 5:] = 0
    batch = batch_of(x)
    params = randomized(network.init, n_items)
    z = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32)

    def chosen(params):
        return make_log_p(network, likelihood)(params, {}, z, batch, key()).sum()

    def among_all(params):
        of_draws = jax.random.fold_in(key(), LIKELIHOOD)
        return full_logits(network, likelihood)(params, {}, z, batch, of_draws).sum()

    found, expected = (jax.jit(jax.value_and_grad(one))(params) for one in (chosen, among_all))
    assert_close(found, expected)
    keys = jax.random.fold_in(jax.random.fold_in(key(), LIKELIHOOD), DRAW)
    if likelihood.draw_per == "user":
        keys = user_keys(keys, batch.users)
    items = jax.vmap(lambda key: likelihood.draw(key, n_items, {})[0])(jnp.atleast_1d(keys))
    seen = {*np.flatnonzero(x.sum(axis=0)), *np.asarray(items).ravel().tolist()}
    assert len(seen) < n_items
    kernel = np.asarray(found[1]["decoder"]["layers_2"]["kernel"])
    assert set(np.flatnonzero(np.abs(kernel).sum(axis=0))) <= seen
    head = network.head(params, z)
    for some in (jnp.array([7, 0, 7]), jnp.array([[1, 2], [3, 3], [0, 39], [5, 6]])):
        logits = network.decode(params, z)
        rows = jnp.arange(4)[:, None]
        wanted = logits[:, some] if some.ndim == 1 else logits[rows, some]
        np.testing.assert_allclose(chosen_logits(head, some), wanted, rtol=1e-5, atol=1e-5)


def test_a_network_of_plain_functions_may_have_a_head():
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(3, X.shape[1])), jnp.float32)

    def head(params, z):
        return mv.networks.Head(z, params["kernel"], lambda h, kernel: h @ kernel)

    network = mv.networks.from_functions(
        lambda key, n_items: {"kernel": kernel},
        lambda params, x: x @ params["kernel"].T,
        lambda params, z: z @ params["kernel"],
        head,
    )
    z = jnp.ones((len(X), 3))
    found = make_log_p(network, bpr(3))({"kernel": kernel}, {}, z, batch_of(X), key())
    of_all = log_likelihood(
        bpr(3), {}, z @ kernel, batch_of(X), jax.random.fold_in(key(), LIKELIHOOD)
    )
    np.testing.assert_allclose(found, of_all, rtol=1e-5)


@pytest.mark.updates
@pytest.mark.usefixtures("shipped_compile")
def test_a_catalogue_four_times_as_large_costs_no_more_products():
    """By XLA's counters: beside Adam, nothing grows with the catalogue."""
    adam = 12

    def flops(items, **form):
        shape = UpdateShape(items, users=64, hidden=64, latent=16, chunks=100)
        compiled = traced_update(shape, **form).lower().compile()
        return counters(compiled).flops - adam * shape.parameters

    whole = flops(20_000)
    for make in (bpr, sampled_softmax):
        small, large = (flops(items, likelihood=make(50)) for items in (5_000, 20_000))
        assert large < 0.1 * whole, make
        # The gradients of the kernels are added up, a few operations per parameter, no products.
        assert large - small < 4 * 2 * 64 * 15_000, make


def test_what_cannot_be_drawn_for_is_refused_when_the_model_is_made():
    headless = mv.mlp.variational_mlp()._replace(head=None)
    with pytest.raises(InputError, match="needs a network with a head"):
        mv.vae(headless, bpr(), mv.priors.standard_normal())
    in_blocks = functools.partial(negative_elbo, reconstruction=blockwise_logits(4))
    with pytest.raises(InputError, match="--item-block"):
        mv.mult_vae(likelihood=bpr(), objective=in_blocks)
    without = Likelihood(bpr().click, None)
    with pytest.raises(InputError, match="the likelihood has no draw"):
        mv.mult_vae(likelihood=without)
    odd = multinomial()._replace(click=lambda f, x, theta, place: x * f)
    with pytest.raises(InputError, match="click has the parameter 'place'; after the first three"):
        mv.mult_dae(likelihood=odd)


def test_every_model_of_the_package_and_the_command_line_take_it(tmp_path):
    """A loss for each, and two members of a sweep at once, each with draws of its own key."""
    (tmp_path / "own.py").write_text(
        "from experiments.extensions.sampled import bpr as draws_negatives\n"
    )
    options = ModelOptions(
        likelihood=f"{tmp_path / 'own.py'}:draws_negatives", constants={"negatives": 3.0}
    )
    models = [build_model(dataclasses.replace(options, hidden=(4,), latent=2))]
    models += [make((4,), 2, likelihood=bpr(3)) for make in (mv.mult_dae, mv.recvae, mv.vamp_vae)]
    batch = batch_of(X)
    for model in models:
        hyper = jax.tree.map(jnp.float32, {**model.hyper, "beta": mv.schedules.constant(0.1)})

        def members(keys, model=model, hyper=hyper):
            params = jax.vmap(lambda key: model.init(key, X.shape[1]))(keys)
            one = functools.partial(model.loss, step=jnp.int32(0))
            return jax.vmap(lambda p, key: one(p, hyper, batch, key)[0])(params, keys)

        shape = jax.eval_shape(members, jax.random.split(key(), 2))
        assert shape.shape == (2,)

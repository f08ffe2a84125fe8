"""One update, an epoch of updates, and what of them is compiled."""

import dataclasses
import io

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.sparse as sp

from multvae_jax.batching import capacity_of, shuffled_order, to_device
from multvae_jax.keys import order_key
from multvae_jax.likelihoods import gaussian
from multvae_jax.models import mult_dae, mult_vae
from multvae_jax.schedules import linear_annealing
from multvae_jax.training.updates import _all_before_any, init_state, make_epoch, make_train_step
from tests.builders import (
    as_numpy64,
    assert_close,
    assert_same,
    batch_of,
    counted,
    counts,
    dae64,
    dae_noise,
    gradient64,
    randomized,
    vae64,
    vae_noise,
    with_key_in_terms,
)

pytestmark = pytest.mark.updates

N_USERS, N_ITEMS, LATENT, PLACES = 11, 7, 2, 4
X = counts(8, N_USERS, N_ITEMS)
HISTORIES = to_device(sp.csr_array(X), 3)
CAPACITY = 14
BETA = linear_annealing(0.3, 6.0)
NUMBERS = {"dropout": 0.4, "weight_penalty": 0.02}
VAE, DAE = mult_vae((4,), LATENT, **NUMBERS), mult_dae((), LATENT, **NUMBERS)
ADAM = optax.adam(1e-2)


def order_of(key, epoch):
    """The batches of an epoch: 11 users in three batches of 4, one place empty."""
    return jnp.asarray(shuffled_order(order_key(key, epoch), N_USERS, PLACES))


def start(model=VAE, seed=0, optimizer=ADAM, beta=BETA):
    """A state whose parameters are all large enough to matter."""

    def init(key, n_items):
        return randomized(model.init, n_items, seed)

    return init_state(jax.random.key(seed), model._replace(init=init), optimizer, N_ITEMS, beta)


@jax.jit
def fresh(key):
    return init_state(key, VAE, ADAM, N_ITEMS, BETA)


step = jax.jit(make_train_step(with_key_in_terms(VAE), ADAM))
epoch = jax.jit(make_epoch(make_train_step(VAE, ADAM)), static_argnames="capacity")


# --- one step -------------------------------------------------------------------------------


def vae_gradient(params, batch, key, beta):
    users = np.asarray(batch.users)
    real = users >= 0
    kept, eps = vae_noise(key, batch, jnp.float32(0.4), N_ITEMS, LATENT)
    noise = {"kept": np.asarray(kept)[real], "eps": np.asarray(eps, np.float64)[real]}
    numbers = {"rate": 0.4, "beta": beta, "penalty": 0.02}
    return gradient64(lambda p: vae64(p, X[users[real]], **noise, **numbers)[0], params)


def dae_gradient(params, batch, key):
    users = np.asarray(batch.users)
    real = users >= 0
    kept = np.asarray(dae_noise(key, batch, jnp.float32(0.4), N_ITEMS))[real]
    return gradient64(lambda p: dae64(p, X[users[real]], kept, rate=0.4, penalty=0.02)[0], params)


BATCHES = [[3, 0, 9, 5], [10, 1, 2, 6], [7, 4, -1, 8]]


def test_adam_steps_against_numpy():
    # Adam as in Kingma and Ba's algorithm 1, in float64, with gradients by complex step.
    rate, b1, b2, epsilon = 1e-2, 0.9, 0.999, 1e-8
    state = start()
    params = as_numpy64(state.params["network"])
    m = v = jax.tree.map(np.zeros_like, params)
    for t, users in enumerate(BATCHES, start=1):
        batch = batch_of(X, users, capacity=CAPACITY)
        before = state.params["network"]
        state, terms = step(state, batch)
        key = jax.random.wrap_key_data(terms["key"])
        g = vae_gradient(params, batch, key, beta=0.3 * (t - 1) / 6)
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g**2, v, g)
        params = jax.tree.map(
            lambda p, m, v, t=t: (
                p - rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + epsilon)
            ),
            params,
            m,
            v,
        )
        assert_close(state.params["network"], params)
        assert_close(state.opt_state[0].mu["network"], m, 2e-5)
        assert_close(state.opt_state[0].nu["network"], v, 4e-5)
        moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), state.params["network"], before)
        assert min(jax.tree.leaves(moved)) > 1e-3
        assert state.step == t


def test_any_optimizer_and_any_schedule():
    # The optimizer is given the parameters, too; the schedule is a plain function.
    optimizer = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.5))
    model = mult_vae((), LATENT, **NUMBERS)
    state = start(model, optimizer=optimizer, beta=optax.constant_schedule(0.25))
    batch = batch_of(X, BATCHES[0], capacity=CAPACITY)
    after, terms = jax.jit(make_train_step(with_key_in_terms(model), optimizer))(state, batch)
    params = as_numpy64(state.params["network"])
    g = vae_gradient(params, batch, jax.random.wrap_key_data(terms["key"]), beta=0.25)
    expected = jax.tree.map(lambda p, g: p - 0.5 * (g + 0.1 * p), params, g)
    assert_close(after.params["network"], expected)
    np.testing.assert_allclose(terms["beta"], 0.25)


def test_a_step_without_jit():
    optimizer = optax.sgd(0.5)
    state, batch = start(DAE, optimizer=optimizer), batch_of(X, BATCHES[2], capacity=CAPACITY)
    after, terms = make_train_step(with_key_in_terms(DAE), optimizer)(state, batch)
    params = as_numpy64(state.params["network"])
    g = dae_gradient(params, batch, jax.random.wrap_key_data(terms["key"]))
    assert_close(after.params["network"], jax.tree.map(lambda p, g: p - 0.5 * g, params, g))
    assert after.step == 1


def test_a_step_leaves_the_rest_of_the_state_alone():
    state = start()
    after, _ = step(state, batch_of(X, BATCHES[0], capacity=CAPACITY))
    assert_same(after.hyper, state.hyper)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    np.testing.assert_array_equal(jax.random.key_data(after.key), jax.random.key_data(state.key))


def test_the_initial_state():
    state = fresh(jax.random.key(3))
    assert state.step == 0
    assert state.params.keys() == {"network", "likelihood", "prior"}
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(state.hyper))
    np.testing.assert_allclose(state.hyper["dropout"], 0.4, rtol=1e-6)
    np.testing.assert_allclose(state.hyper["beta"](jnp.int32(3)), 0.15, rtol=1e-6)
    np.testing.assert_array_equal(
        jax.random.key_data(state.key), jax.random.key_data(jax.random.key(3))
    )


# --- an epoch -------------------------------------------------------------------------------


def test_an_epoch_is_its_steps_one_after_the_other():
    state, order = start(), order_of(jax.random.key(0), 1)
    after, terms = epoch(state, HISTORIES, order, capacity=CAPACITY)
    order = np.asarray(order)
    assert (order >= 0).sum(axis=1).tolist() == [4, 4, 3]
    # The last batch has an empty place: it counts as the batch of three that it is. And there
    # is more capacity than any batch needs, which changes nothing.
    assert capacity_of(HISTORIES, order) < CAPACITY
    batches = [
        batch_of(X, order[0], capacity=CAPACITY),
        batch_of(X, order[1], capacity=CAPACITY),
        batch_of(X, order[2][order[2] >= 0]),
    ]
    expected = dict.fromkeys(terms, 0.0)
    for batch in batches:
        state, of_batch = step(state, batch)
        for name in terms:
            expected[name] += float(of_batch[name]) * len(batch.users) / N_USERS
    assert after.step == state.step == 3
    assert_close(after.params, state.params)
    assert_close(after.opt_state, state.opt_state)
    assert_close(terms, expected)


def run(state, epochs, root):
    every = []
    for number in epochs:
        order = order_of(root, number)
        state, terms = epoch(state, HISTORIES, order, capacity=CAPACITY)
        every.append(terms)
    return state, every


def test_the_same_key_gives_the_same_numbers():
    root = jax.random.key(0)
    one, two = run(start(seed=0), [1, 2], root), run(start(seed=0), [1, 2], root)
    assert_same((one[0].params, one[1]), (two[0].params, two[1]))
    # Another root key alone: the same parameters and batches, other noise.
    other = dataclasses.replace(start(seed=0), key=jax.random.key(1))
    other, terms = run(other, [1, 2], root)
    assert terms[0]["loss"] != one[1][0]["loss"]
    assert not np.array_equal(*(jax.tree.leaves(s.params)[0] for s in (one[0], other)))


def test_another_key_gives_other_parameters_and_orders():
    states = [fresh(jax.random.key(seed)) for seed in (0, 1)]
    assert not np.array_equal(*(jax.tree.leaves(state.params)[0] for state in states))
    orders = [order_of(jax.random.key(seed), epoch) for seed in (0, 1) for epoch in (1, 2)]
    assert len({tuple(np.ravel(order).tolist()) for order in orders}) == 4


def test_a_saved_run_goes_on_as_if_it_had_not_stopped():
    root = jax.random.key(0)
    # Beta still rises in the last epoch.
    slow = linear_annealing(0.3, 100.0)
    state, terms = run(start(beta=slow), [1, 2, 3, 4], root)
    half, _ = run(start(beta=slow), [1, 2], root)

    file = io.BytesIO()
    np.savez(
        file,
        *jax.tree.leaves(dataclasses.replace(half, key=jax.random.key_data(half.key))),
    )
    del half
    file.seek(0)
    with np.load(file) as saved:
        leaves = [jnp.asarray(saved[name]) for name in saved.files]
    blank = start(seed=9, beta=slow)
    at = [leaf is blank.key for leaf in jax.tree.leaves(blank)].index(True)
    leaves[at] = jax.random.wrap_key_data(leaves[at])
    restored = jax.tree.unflatten(jax.tree.structure(blank), leaves)

    assert restored.step == 6
    resumed, last = run(restored, [3, 4], root)
    assert_same(resumed.params, state.params)
    assert_same(resumed.opt_state, state.opt_state)
    assert_same(last, terms[2:])
    assert resumed.step == 12
    # Of updates 9, 10 and 11 with 4, 4 and 3 users.
    np.testing.assert_allclose(last[1]["beta"], 0.3 * (9 * 4 + 10 * 4 + 11 * 3) / 1100, rtol=1e-5)


# --- compiling ------------------------------------------------------------------------------


def remembering(rate):
    """A researcher's optimizer, whose state starts from the parameters themselves."""

    def update(gradients, origin, params):
        updates = jax.tree.map(lambda g, o, p: g + rate * (p - o), gradients, origin, params)
        return updates, origin

    return optax.GradientTransformation(lambda params: params, update)


@pytest.mark.nans
def test_the_state_may_be_donated():
    def init(key, n_items):
        return randomized(VAE.init, n_items)

    optimizer = optax.chain(remembering(0.1), ADAM)
    run_epoch = jax.jit(
        make_epoch(make_train_step(VAE, optimizer)),
        static_argnames="capacity",
        donate_argnames="state",
    )
    root, order, results = jax.random.key(0), order_of(jax.random.key(0), 1), []
    for _ in range(2):
        state = init_state(root, VAE._replace(init=init), optimizer, N_ITEMS, BETA)
        after, _ = run_epoch(state, HISTORIES, order, capacity=CAPACITY)
        again, _ = run_epoch(after, HISTORIES, order, capacity=CAPACITY)
        for gone in (state, after):
            assert all(leaf.is_deleted() for leaf in jax.tree.leaves(gone.params))
        results.append(again.params)
    assert_same(*results)
    # What the caller holds is still there.
    assert jax.random.key_data(root).shape == (2,)
    np.testing.assert_allclose(BETA(jnp.int32(3)), 0.15, rtol=1e-6)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((HISTORIES, order)))


def test_new_numbers_do_not_compile_anew():
    def make(dropout, penalty, c1, c0):
        return mult_vae(
            (4,), LATENT, likelihood=gaussian(c1, c0), dropout=dropout, weight_penalty=penalty
        )

    settings = [
        ((0.5, 0.0, 1.0, 0.1), linear_annealing(0.2, 10.0)),
        ((0.1, 0.0, 1.0, 0.1), linear_annealing(0.2, 10.0)),
        ((0.5, 0.3, 1.0, 0.1), linear_annealing(0.2, 10.0)),
        ((0.5, 0.0, 2.0, 0.1), linear_annealing(0.2, 10.0)),
        ((0.5, 0.0, 1.0, 0.4), linear_annealing(0.2, 10.0)),
        ((0.5, 0.0, 1.0, 0.1), linear_annealing(0.9, 10.0)),
        ((0.5, 0.0, 1.0, 0.1), linear_annealing(0.2, 2.0)),
    ]
    first = make(*settings[0][0])
    loss, calls = counted(first.loss)
    run_epoch = jax.jit(
        make_epoch(make_train_step(first._replace(loss=loss), ADAM)), static_argnames="capacity"
    )
    order, losses = order_of(jax.random.key(0), 1), []
    for numbers, beta in settings:
        state = start(make(*numbers), beta=beta)
        losses.append(float(run_epoch(state, HISTORIES, order, capacity=CAPACITY)[1]["loss"]))
        if len(losses) == 1:
            traces = len(calls)
    assert len(calls) == traces
    assert len(set(losses)) == len(settings)


def part(tree, n):
    return jax.tree.map(lambda leaf: leaf[n], tree)


def test_seeds_and_settings_are_a_vmap():
    order = order_of(jax.random.key(0), 1)
    run_epoch = make_epoch(make_train_step(VAE, ADAM))

    def prepare(state, dropout, cap):
        beta = jax.tree.unflatten(jax.tree.structure(BETA), [cap, jnp.float32(6)])
        return dataclasses.replace(state, hyper={**state.hyper, "dropout": dropout, "beta": beta})

    def train(key, dropout, cap):
        state = prepare(init_state(key, VAE, ADAM, N_ITEMS, BETA), dropout, cap)
        state, terms = run_epoch(state, HISTORIES, order, CAPACITY)
        return state.params, terms

    seeds = [5, 6, 6, 6]
    dropouts, caps = jnp.array([0.5, 0.5, 0.0, 0.5]), jnp.array([0.2, 0.2, 0.2, 1.0])
    together = jax.jit(jax.vmap(train))(jax.vmap(jax.random.key)(jnp.array(seeds)), dropouts, caps)
    for n in range(4):
        state = prepare(fresh(jax.random.key(seeds[n])), dropouts[n], caps[n])
        alone, terms = epoch(state, HISTORIES, order, capacity=CAPACITY)
        assert_close(part(together, n), (alone.params, terms), 3e-5)
    assert len(set(map(float, together[1]["loss"]))) == 4


def test_a_schedule_that_is_a_pytree_of_ones_own_has_its_leaves_traced():
    @jax.tree_util.register_dataclass
    @dataclasses.dataclass(frozen=True)
    class Cyclical:
        cap: jax.Array
        period: jax.Array

        def __call__(self, step):
            return self.cap * (jnp.float32(step) % self.period) / self.period

    state = start(mult_vae((4,), LATENT), beta=Cyclical(jnp.float32(0.2), jnp.float32(4)))
    assert jax.tree.leaves(state.hyper["beta"]) == [jnp.float32(0.2), jnp.float32(4)]
    assert float(state.hyper["beta"](jnp.int32(6))) == pytest.approx(0.1)


@pytest.mark.nans
def test_one_gradient_without_a_number_leaves_the_others_alone():
    gradients = {"a": jnp.array([jnp.inf, 1.0]), "b": jnp.array(jnp.nan), "c": jnp.ones((2, 2))}
    tied = jax.jit(_all_before_any)(gradients)
    jax.tree.map(np.testing.assert_array_equal, tied, gradients)


def test_the_entries_of_an_array_are_averaged_like_scalars():
    """The term is that of each step, weighed by hand; the last batch is smaller."""

    def loss(*arguments):
        value, terms = VAE.loss(*arguments)
        return value, {**terms, "parts": jnp.stack([terms["kl"], value])[:, None], "count": 2}

    order = order_of(jax.random.key(0), 1)
    order = order.at[-1, 1:].set(-1)
    run_epoch = make_epoch(make_train_step(VAE._replace(loss=loss), ADAM))
    _, terms = run_epoch(start(), HISTORIES, order, CAPACITY)
    assert terms["parts"].shape == (2, 1)
    assert terms["parts"][:, 0].tolist() == [terms["kl"], terms["loss"]]
    assert terms["count"] == 2.0

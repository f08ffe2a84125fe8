"""Gradients with rows instead of kernels: their values, and what is refused by name."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.config.build_training import build_optimizer, optimizer_factory
from multvae_jax.config.options import TrainingOptions
from multvae_jax.errors import InputError
from multvae_jax.extensions.recvae import recvae
from multvae_jax.likelihoods import multinomial
from multvae_jax.models import mult_vae, vae
from multvae_jax.networks import from_functions
from multvae_jax.ops import Rows, embedding_bag
from multvae_jax.ops.rows import items_of, whole
from multvae_jax.optimizers import lazy_adam
from multvae_jax.priors import standard_normal
from multvae_jax.training.row_gradients import row_gradients
from multvae_jax.training.updates import init_state, make_train_step
from tests.builders import assert_close, assert_same, batch_of, checkerboard, counts, randomized

pytestmark = pytest.mark.updates

N = 30
X = counts(2, 4, N, share=0.1)
BETA = mv.schedules.constant(0.2)


def arguments(model, batch):
    hyper = {**model.hyper, "beta": BETA}
    return randomized(model.init, N), hyper, batch, jax.random.key(3), jnp.int32(5)


@pytest.mark.parametrize("places", [[0, 1, 2, 3], [2, -1, 0, -1]])
def test_rows_are_those_of_the_whole_gradient(places):
    batch = batch_of(X, np.array(places), extra=2)
    model = mult_vae((8,), 4, dropout=0.3)
    found, terms = jax.jit(lambda *given: _whole(row_gradients(model.loss, *given)))(
        *arguments(model, batch)
    )
    expected, same = jax.jit(jax.grad(model.loss, has_aux=True))(*arguments(model, batch))
    assert_close((found, terms), (expected, same))


def _whole(result):
    gradients, terms = result
    leaves = [leaf for leaf in jax.tree.leaves(gradients) if isinstance(leaf, Rows)]
    assert [leaf.shape for leaf in leaves] == [(N, 8)]
    return whole(gradients), terms


@pytest.mark.parametrize("extra", [0, 40])
def test_items_are_those_that_users_have_in_ascending_order_and_once(extra):
    """With fewer places than items, and with more interactions than items."""
    batch = batch_of(X, width=2, extra=extra)
    items = np.asarray(items_of(batch))
    own = np.flatnonzero(X.any(axis=0))
    assert len(items) == min(batch.items.size, N)
    np.testing.assert_array_equal(items[: len(own)], own)
    assert (items[len(own) :] >= N).all()
    assert (np.diff(items) > 0).all()


def test_an_item_without_a_row_is_not_taken_for_zero():
    batch = batch_of(X)
    some = Rows(jnp.ones((2, 3)), jnp.asarray(np.flatnonzero(X[0])[:2], jnp.int32), N)
    h = embedding_bag(some, batch)
    has_others = (X > 0).sum(axis=1) > (X[:, some.items] > 0).sum(axis=1)
    np.testing.assert_array_equal(np.isnan(h).any(axis=1), has_others)
    assert has_others.any()


def dense_network():
    def init(key, n_items):
        return {"w": jnp.ones((n_items, 2)), "v": jnp.ones((2, n_items))}

    def encode(params, x):
        return x @ params["w"], jnp.zeros((len(x), 2))

    return from_functions(init, encode, lambda params, z: z @ params["v"])


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (mult_vae((8,), 4, weight_penalty=0.1), r"embedding_bag.*the weight penalty reads them"),
        (
            vae(dense_network(), multinomial(), standard_normal()),
            r"embedding_bag.*TypeError.*; use adam",
        ),
        (recvae((8,), 4), "the model's own way to update"),
    ],
)
def test_models_that_need_every_row_are_refused_by_name(model, says):
    optimizer = mv.training.optimizer_of(model, lazy_adam(1e-3), 3)
    state = init_state(jax.random.key(0), model, optimizer, N, BETA)
    with pytest.raises(InputError, match=f"^lazy_adam: .*{says}"):
        jax.eval_shape(make_train_step(model, optimizer), state, batch_of(X))


def test_the_errors_of_a_users_optimizer_stay_its_own():
    def update(gradients, state, params):
        raise ValueError("of mine")

    optimizer = optax.GradientTransformation(lambda params: (), update)
    state = init_state(jax.random.key(0), mult_vae((), 2), optimizer, N, BETA)
    with pytest.raises(ValueError, match="of mine"):
        jax.eval_shape(make_train_step(mult_vae((), 2), optimizer), state, batch_of(X))


def test_a_training_that_goes_on_and_a_sweep_are_those_of_one_fit():
    """All with lazy Adam, its first moments in bfloat16, and rates that fall."""
    key, model, split = jax.random.key(0), mult_vae((), 4), checkerboard()
    training = TrainingOptions(
        optimizer="lazy_adam", moments="bfloat16", decay="linear", optimizer_constants={"b1": 0.8}
    )
    options = {"epochs": 3, "batch_size": 8, "optimizer": build_optimizer(training, 24)}
    states = []
    run = mv.fit(key, model, split, **options, callback=lambda state: states.append(_copy(state)))
    again = mv.fit(key, model, split, **options, state=states[0])
    assert_same(run.state.params, again.state.params)
    assert "bfloat16" in {str(leaf.dtype) for leaf in jax.tree.leaves(run.state.opt_state)}

    members = [mv.Member(key, learning_rate=1e-3, optimizer={"b1": b1}) for b1 in (0.8, 0.5)]
    outcome = mv.sweep(
        members,
        model,
        split,
        optimizer=optimizer_factory(training, 24),
        epochs=3,
        batch_size=8,
        keep_params=True,
    )[0]
    assert_close(outcome.params, run.params)


def _copy(state):
    return dataclasses.replace(state, train=jax.tree.map(jnp.copy, state.train))

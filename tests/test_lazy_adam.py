"""Lazy Adam: its updates, where it differs from Adam, and what an update does not look at."""

import re
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax import averages, optimizers
from multvae_jax.batching import Histories
from multvae_jax.models import Model
from multvae_jax.ops import Rows, embedding_bag
from multvae_jax.training.updates import init_state, make_epoch, make_train_step
from tests.builders import assert_close, assert_same, batch_of, counts

pytestmark = pytest.mark.updates

N, H = 6, 3
RATE, B1, B2, EPS = 0.1, 0.8, 0.95, 1e-6
TOUCHED = [(0, 2), (2, 3), (5,), (0, 2, 5), (2,)]
GRADIENTS = [np.random.default_rng(i).normal(size=(len(t), H)) for i, t in enumerate(TOUCHED)]


def reference(params):
    """Row by row in float64: a row without a gradient rests, and so do its moments."""
    params, m, v = params.astype(np.float64), np.zeros((N, H)), np.zeros((N, H))
    for t, (items, gradient) in enumerate(zip(TOUCHED, GRADIENTS, strict=True), start=1):
        for row, g in zip(items, gradient, strict=True):
            m[row] += (1 - B1) * (g - m[row])
            v[row] += (1 - B2) * (g * g - v[row])
            params[row] -= RATE * (m[row] / (1 - B1**t)) / (np.sqrt(v[row] / (1 - B2**t)) + EPS)
    return params, m, v


def rows(items, gradient, places=4):
    """The gradient as rows, with places left beyond the items."""
    left = places - len(items)
    values = np.concatenate([gradient, np.zeros((left, H))]).astype(np.float32)
    return Rows(jnp.asarray(values), jnp.asarray([*items, *range(N, N + left)], jnp.int32), N)


def path_of(optimizer, params, gradients):
    state = optimizer.init(params)
    for gradient in gradients:
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


PARAMS = jax.random.normal(jax.random.key(0), (N, H))
LAZY = optimizers.lazy_adam(RATE, B1, B2, EPS)


def test_updates_are_those_of_a_reference_row_by_row():
    gradients = [{"w": rows(*pair)} for pair in zip(TOUCHED, GRADIENTS, strict=True)]
    params, state = path_of(LAZY, {"w": PARAMS}, gradients)
    for found, expected in zip(
        (params["w"], state[0].mu["w"], state[0].nu["w"]), reference(np.array(PARAMS)), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-7)
    rested = [row for row in range(N) if not any(row in items for items in TOUCHED)]
    assert rested == [1, 4]
    assert_same(params["w"][np.array(rested)], PARAMS[np.array(rested)])


def test_it_is_adam_where_every_row_is_touched_and_for_whole_arrays():
    whole = [np.random.default_rng(i).normal(size=(N, H)).astype(np.float32) for i in range(4)]
    adam = path_of(optax.adam(RATE, B1, B2, EPS), PARAMS, map(jnp.asarray, whole))[0]
    by_rows = path_of(LAZY, PARAMS, [rows(range(N), g, places=N) for g in whole])[0]
    for found in (by_rows, path_of(LAZY, PARAMS, map(jnp.asarray, whole))[0]):
        np.testing.assert_allclose(found, adam, rtol=1e-5, atol=1e-6)
    # Where one rests, the moments of Adam move it on.
    gradients = [whole[0], rows((1,), whole[1][:1]).whole()]
    adam = path_of(optax.adam(RATE, B1, B2, EPS), PARAMS, map(jnp.asarray, gradients))[0]
    lazy = path_of(LAZY, PARAMS, [jnp.asarray(whole[0]), rows((1,), whole[1][:1])])[0]
    assert_close(lazy[1], adam[1])
    assert np.abs(lazy[0] - adam[0]).max() > 0.01


def test_first_moments_in_bfloat16_are_those_of_float32_rounded():
    half = optimizers.lazy_adam(RATE, B1, B2, EPS, mu_dtype="bfloat16")
    gradients = [rows(*pair) for pair in zip(TOUCHED, GRADIENTS, strict=True)]
    one, state = path_of(half, PARAMS, gradients)
    other, whole = path_of(LAZY, PARAMS, gradients)
    assert (state[0].mu.dtype, state[0].nu.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_allclose(one, other, atol=5 * RATE * 2**-8)
    assert_same(state[0].nu, whole[0].nu)
    assert 0 < np.abs(state[0].mu.astype(jnp.float32) - whole[0].mu).max() < 2**-6


def test_what_is_around_it_sees_the_norm_and_the_average_of_all_rows():
    """Clipping, a schedule and an average, each as for the gradient as a whole array."""
    factory = optimizers.composed(optimizers.lazy_adam, 5, mv.schedules.linear_decay)
    optimizer = factory(RATE, clip=0.5, ema=0.9, warmup=0.2)
    gradients = [
        {"w": rows(*pair), "b": jnp.ones(2)} for pair in zip(TOUCHED, GRADIENTS, strict=True)
    ]
    params = {"w": PARAMS, "b": jnp.zeros(2)}
    by_hand, rates = [], mv.schedules.linear_decay(RATE, 5, 0.2)
    for gradient in gradients:
        norm = np.sqrt(np.sum(np.square(gradient["w"].values)) + 2.0)
        scale = min(1.0, 0.5 / norm)
        by_hand.append({"w": gradient["w"] * scale, "b": gradient["b"] * scale})
    plain, shown = optimizers.lazy_adam(rates), []
    own, state = params, plain.init(params)
    for gradient in by_hand:
        updates, state = plain.update(gradient, state, own)
        own = optax.apply_updates(own, updates)
        shown.append(own)
    found, state = path_of(optimizer, params, gradients)
    assert_close(found, own)
    weights = 0.9 ** np.arange(len(shown))[::-1]
    average = np.average([s["w"] for s in shown], axis=0, weights=weights)
    assert_close(averages.evaluated(SimpleNamespace(params=found, opt_state=state))["w"], average)


# --- in an update of a model -----------------------------------------------------------------


def encoder_alone(width):
    """A model whose loss reads its kernel by `embedding_bag`, and nothing else of the items."""

    def init(key, n_items):
        return {"kernel": jnp.zeros((n_items, width)), "bias": jnp.zeros(width)}

    def loss(params, hyper, batch, key, step):
        value = jnp.mean((embedding_bag(params["kernel"], batch) + params["bias"][None] - 1.0) ** 2)
        return value, {"loss": value}

    return Model(init, loss, lambda params, batch: None, {})


def lowered(optimizer, n_items, in_place):
    """An epoch of updates of 20 users with 64 chunks, not compiled."""
    beta, width = mv.schedules.constant(0.2), 32
    start = partial(init_state, model=encoder_alone(width), optimizer=optimizer, beta=beta)
    state = jax.eval_shape(partial(start, n_items=n_items), jax.random.key(0))
    epoch = make_epoch(make_train_step(encoder_alone(width), optimizer, in_place=in_place))
    program = jax.jit(epoch, static_argnames="capacity", donate_argnames="state")
    whole, real = (jax.ShapeDtypeStruct((64, 16), kind) for kind in (jnp.int32, jnp.float32))
    histories = Histories(whole, real, jax.ShapeDtypeStruct((21,), jnp.int32), n_items)
    order = jax.ShapeDtypeStruct((2, 20), jnp.int32)
    return program.lower(state, histories, order, capacity=64)


def test_the_counters_of_an_update_do_not_depend_on_the_size_of_the_catalogue():
    """Before XLA, which counts a whole array where it writes a few of its rows in place."""
    sizes = (40_000, 400_000)

    def moved(make):
        costs = [lowered(make(1e-3), n, in_place=False).cost_analysis() for n in sizes]
        return [(cost["flops"], cost["bytes accessed"]) for cost in costs]

    one, other = moved(optimizers.lazy_adam)
    assert one == other
    one, other = moved(optax.adam)
    assert all(large > 5 * small for small, large in zip(one, other, strict=True))


def test_the_compiled_epoch_neither_copies_nor_computes_a_whole_kernel():
    n_items = 40_000
    program = lowered(optimizers.lazy_adam(1e-3), n_items, in_place=True).compile()
    assert program.memory_analysis().temp_size_in_bytes < 4 * n_items * 32 / 2
    made = re.findall(rf"= f32\[{n_items},32\]\S* ([\w-]+)\(", program.as_text())
    # Rows are written over those of an array by a scatter, or by a loop over them; no copy.
    writes = {"scatter", "fusion", "dynamic-update-slice"}
    assert writes & set(made)
    assert set(made) <= {"parameter", "get-tuple-element", "while", *writes}


def norms(params, gradient, updates):
    kernel = gradient["network"]["encoder"]["layers_0"]["kernel"]
    return {"norm": jnp.linalg.norm(kernel), "moved": optax.tree.norm(updates)}


@pytest.mark.parametrize("measure", [None, norms])
def test_an_update_of_a_model_touches_the_items_of_the_batch_alone(measure):
    """The other rows stay as they are; the rest is the update of Adam, and so are its terms."""
    x = counts(2, 4, 30, share=0.1)
    model, beta, found = mv.mult_vae((), 4), mv.schedules.constant(0.2), []
    for optimizer in (optimizers.lazy_adam(1e-2), optax.adam(1e-2)):
        state = init_state(jax.random.key(0), model, optimizer, 30, beta)
        step = jax.jit(make_train_step(model, optimizer, measure, in_place=True))
        found.append((state.params, *step(state, batch_of(x))))
    (before, lazy, terms), (_, adam, others) = found
    # The first update of Adam does not move a row without a gradient either.
    assert_close((lazy.params, terms), (adam.params, others))
    touched = np.asarray(lazy.opt_state[0].mu["network"]["encoder"]["layers_0"]["kernel"]).any(1)
    assert touched.any()
    assert not touched[~x.any(axis=0)].any()
    kernels = [
        np.asarray(params["network"]["encoder"]["layers_0"]["kernel"])
        for params in (before, lazy.params)
    ]
    assert_same(kernels[0][~touched], kernels[1][~touched])


def test_a_group_without_parameters_has_no_updates():
    groups = {"rows": optimizers.lazy_adam(1.0), "others": optax.sgd(1.0)}
    optimizer, params = optax.multi_transform(groups, {"w": "others"}), {"w": jnp.ones(2)}
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    assert_same(updates, {"w": -jnp.ones(2)})

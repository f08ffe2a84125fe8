"""Updates in blocks against the same updates as a whole, and the copies that they make."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax import averages
from multvae_jax.ops.in_place import in_blocks, is_without_copies

# Rows in whole blocks and with a rest, an array of few long rows, one axis, and a small one.
SHAPES = {"even": (40, 20), "rest": (37, 20), "wide": (3, 400), "flat": (1001,), "small": (5,)}
small_blocks = partial(in_blocks, large=200, block=100)


def arrays(seed):
    random = np.random.default_rng(seed)
    return {
        name: jnp.asarray(random.normal(size=size), jnp.float32) for name, size in SHAPES.items()
    }


def step_of(optimizer):
    def step(old, gradients):
        with jax.numpy_dtype_promotion("standard"):  # what optax needs
            updates, state = optimizer.update(gradients, old[1], old[0])
        return optax.apply_updates(old[0], updates), state

    return step


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.chain(
            optax.clip_by_global_norm(0.5), optax.adamw(optax.cosine_decay_schedule(0.1, 5))
        ),
        averages.ema(optax.sgd(0.1, momentum=0.9), 0.9),
        # A norm of what Adam has computed, which is not elementwise.
        optax.lamb(1e-2),
    ],
    ids=["clipped adamw with a schedule", "average over momentum", "lamb"],
)
def test_an_optimizer_in_blocks_equals_it_as_a_whole(optimizer):
    step, params = step_of(optimizer), arrays(0)
    found = expected = (params, optimizer.init(params))
    blocked, whole = jax.jit(small_blocks(step)), jax.jit(step)
    for seed in (1, 2):
        found, expected = blocked(found, arrays(seed)), whole(expected, arrays(seed))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "update",
    [
        lambda old, other: (old[1] + other, old[0] - other),
        lambda old, other: (jax.nn.softmax(old[0]) + other, old[1][::-1]),
        lambda old, other: (old[0], jnp.full_like(other, 2.0)),
        lambda old, other: (old[0] * 2, (old[0] + old[1]) * jnp.where(other > 0, 1.0, -1.0)),
        lambda old, other: (old[0] + np.arange(20.0, dtype=np.float32)[None], old[1]),
    ],
    ids=["swapped", "not elementwise", "unchanged and constant", "one needs both", "a constant"],
)
def test_any_update_is_computed_correctly(update):
    old, other = (arrays(0)["rest"], arrays(1)["rest"]), arrays(2)["rest"]
    found = jax.jit(small_blocks(update))(old, other)
    for one, expected in zip(found, update(old, other), strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-6, atol=1e-7)


def test_numbers_that_are_not_finite_stay_where_they_are():
    old = jnp.zeros((37, 20)).at[3, 0].set(jnp.nan).at[20, 0].set(jnp.inf)
    found, trace = jax.jit(small_blocks(lambda old, g: (old[0] - old[1], old[1] + g)))(
        (old, jnp.ones((37, 20))), old
    )
    np.testing.assert_array_equal(found, old - 1)
    np.testing.assert_array_equal(trace, old + 1)


def test_donated_arrays_are_written_in_place_without_a_copy():
    optimizer, shape = optax.adam(1e-3), (1000, 300)
    params = {"kernel": jax.ShapeDtypeStruct(shape, jnp.float32)}
    state = jax.eval_shape(optimizer.init, params)
    update = jax.jit(in_blocks(step_of(optimizer), large=1000), donate_argnums=0)
    compiled = update.lower((params, state), params).compile()
    copies = re.search(r"f32\[1000,300\]\S* copy\(", compiled.as_text())
    temporary = compiled.memory_analysis().temp_size_in_bytes
    # Where XLA copies, `fit` does without; this fails as soon as it need not.
    assert (copies is None) == is_without_copies()
    assert (temporary < 4 * 1000 * 300) == is_without_copies()

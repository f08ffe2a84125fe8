"""All layouts compute the same results, and differ in memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.sweeps import layouts

# `sharded` has one device here; the tests of the sweep run it on two.
LAYOUTS = {
    "vmapped": layouts.vmapped,
    "sequential": layouts.sequential,
    "sharded": layouts.sharded,
    "sharded, vmapped": lambda: layouts.sharded(within=layouts.vmapped()),
}


def walk(shared, state, own):
    """A step of a random walk, with a key that is folded and never advanced."""
    noise = jax.random.normal(jax.random.fold_in(state["key"], state["step"]), (3,))
    place = state["place"] + own * noise + shared
    return {"key": state["key"], "step": state["step"] + 1, "place": place}, {"sum": place.sum()}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_equals_a_loop_over_the_members(name):
    shared, own = jnp.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    places = np.arange(12, dtype=np.float32).reshape(4, 3)
    keys = jax.random.split(jax.random.key(0), 4)

    def state_of(i):
        return {"key": keys[i], "step": jnp.int32(i), "place": jnp.asarray(places[i])}

    alone = [walk(shared, state_of(i), own[i]) for i in range(4)]
    together = {
        "key": jax.random.clone(keys),
        "step": jnp.arange(4, dtype=jnp.int32),
        "place": jnp.asarray(places),
    }
    states, results = LAYOUTS[name]().jit(walk)(shared, together, own)
    for i, (state, result) in enumerate(alone):
        np.testing.assert_allclose(states["place"][i], state["place"], rtol=1e-6)
        np.testing.assert_allclose(results["sum"][i], result["sum"], rtol=1e-6)
        assert states["step"][i] == state["step"]
        assert jnp.array_equal(
            jax.random.key_data(states["key"][i]), jax.random.key_data(state["key"])
        )


@pytest.mark.usefixtures("shipped_compile")
def test_sequential_needs_the_temporary_memory_of_one_member_and_no_copy_of_the_states():
    members, size = 8, 300

    def step(shared, state, own):
        del shared
        products = jnp.outer(state, own * state) @ jnp.outer(state, state)
        return state + products.sum(axis=0), products.max()

    def memory(layout):
        states = jax.ShapeDtypeStruct((members, size), jnp.float32)
        own = jax.ShapeDtypeStruct((members,), jnp.float32)
        return layout.jit(step).lower((), states, own).compile().memory_analysis()

    in_sequence, at_once = memory(layouts.sequential()), memory(layouts.vmapped())
    of_product = 4 * size**2
    assert of_product <= in_sequence.temp_size_in_bytes < 4 * of_product
    assert at_once.temp_size_in_bytes >= members * of_product
    assert in_sequence.alias_size_in_bytes >= members * 4 * size


def test_the_default_on_one_cpu_is_sequential():
    assert layouts.default().over is layouts.sequential().over

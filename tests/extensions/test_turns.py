"""Updates in turns: each part has an optimizer of its own, and schedules go by all updates."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax.extensions.turns import in_turns

pytestmark = pytest.mark.updates

PARAMS = {
    "network": {"encoder": {"w": jnp.array([2.0, -1.0])}, "decoder": {"w": jnp.array([3.0])}},
    "likelihood": {"scale": jnp.array([1.0])},
    "previous": {"w": jnp.array([0.0, 0.0])},
    "encoders_turn": jnp.float32(1),
}


def gradients_at(step):
    """Gradients that differ from update to update."""
    draw = np.random.default_rng(step)
    return jax.tree.map(lambda leaf: jnp.float32(draw.normal(size=leaf.shape)), PARAMS)


def run(optimizer, updates, start=PARAMS):
    """The parameters before the first and after each update."""
    params, state, after = start, optimizer.init(start), [start]
    update = jax.jit(optimizer.update)
    for step in range(updates):
        moves, state = update(gradients_at(step), state, params)
        params = optax.apply_updates(params, moves)
        after.append(params)
    return after


@pytest.mark.parametrize("own", [optax.adam(0.1), optax.adamw(0.1), optax.sgd(0.1, momentum=0.9)])
def test_a_part_moves_as_if_only_its_own_turns_had_been(own):
    after = run(in_turns(own, 3, 2), 10)
    for place, steps in (("encoder", [0, 1, 2, 5, 6, 7]), ("decoder", [3, 4, 8, 9])):
        params = PARAMS["network"][place]
        state = own.init(params)
        for step in steps:
            moves, state = own.update(gradients_at(step)["network"][place], state, params)
            params = optax.apply_updates(params, moves)
        np.testing.assert_allclose(after[-1]["network"][place]["w"], params["w"], rtol=1e-5)


def test_what_is_not_the_encoder_moves_with_the_decoder():
    after = run(in_turns(optax.sgd(0.1), 1, 1), 4)
    scales = [float(params["likelihood"]["scale"][0]) for params in after]
    moved = [one != two for one, two in itertools.pairwise(scales)]
    assert moved == [False, True, False, True]


def halved(step):
    return 0.5**step


@pytest.mark.parametrize(
    "optimizer",
    [optax.sgd(halved), optax.inject_hyperparams(optax.sgd)(halved)],
    ids=["in the state", "injected"],
)
def test_a_learning_rate_decays_over_all_updates(optimizer):
    after = run(in_turns(optimizer, 2, 1), 6)
    for place, steps in (("encoder", [0, 1, 3, 4]), ("decoder", [2, 5])):
        for step in steps:
            move = after[step + 1]["network"][place]["w"] - after[step]["network"][place]["w"]
            expected = -(0.5**step) * gradients_at(step)["network"][place]["w"]
            np.testing.assert_allclose(move, expected, rtol=1e-4, atol=1e-7)


def test_an_optimizer_that_names_the_parameters_sees_them_by_their_places():
    def label(path, leaf):
        return "fast" if path[1].key == "encoder" else "slow"

    named = optax.partition(
        {"fast": optax.sgd(1.0), "slow": optax.sgd(0.01)},
        lambda params: jax.tree_util.tree_map_with_path(label, params),
    )
    after = run(in_turns(named, 1, 1), 2)
    gradient = gradients_at(0)["network"]["encoder"]["w"]
    np.testing.assert_allclose(
        after[1]["network"]["encoder"]["w"], PARAMS["network"]["encoder"]["w"] - gradient, rtol=1e-6
    )
    gradient = gradients_at(1)["network"]["decoder"]["w"]
    np.testing.assert_allclose(
        after[2]["network"]["decoder"]["w"], 3.0 - 0.01 * gradient, rtol=1e-6
    )

"""Optimizers from options: the decay and the warm-up of the rate, and the number of updates."""

import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax import schedules
from multvae_jax.config.build_training import DECAY, build_optimizer, n_updates
from multvae_jax.config.options import TrainingOptions
from multvae_jax.config.vocabulary import OPTIMIZER
from multvae_jax.errors import InputError

pytestmark = pytest.mark.updates

OWN = """
import optax

def told(learning_rate, updates):
    return optax.sgd(optax.linear_schedule(learning_rate, 0.0, updates))

def open(learning_rate, **others):
    assert not others
    return optax.sgd(learning_rate)
"""


def rates(optimizer, updates: int) -> np.ndarray:
    """The learning rate of each update of a plain gradient descent."""
    params, found = jnp.float32(0.0), []
    state = optimizer.init(params)
    for _ in range(updates):
        update, state = optimizer.update(jnp.float32(-1.0), state, params)
        found.append(float(update))
    return np.array(found)


def test_every_decay_has_a_schedule():
    kind = typing.get_type_hints(TrainingOptions)["decay"]
    assert set(typing.get_args(kind)) == set(DECAY)


@pytest.mark.parametrize(
    ("decay", "warmup", "expected"),
    [
        ("none", 0.0, [0.4] * 8),
        ("none", 0.5, [0.0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4]),
        ("linear", 0.0, [0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05]),
        ("linear", 0.5, [0.0, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1]),
        ("step", 0.0, [0.4, 0.4, 0.4, 0.4, 0.04, 0.04, 0.004, 0.004]),
        ("cosine", 0.0, 0.2 * (1 + np.cos(np.pi * np.arange(8) / 8))),
    ],
)
def test_the_rate_follows_the_options(decay, warmup, expected):
    training = TrainingOptions(optimizer="sgd", learning_rate=0.4, decay=decay, warmup=warmup)
    np.testing.assert_allclose(rates(build_optimizer(training, 8), 8), expected, atol=1e-7)


def test_updates_are_those_of_all_epochs():
    """24 users in batches of ten: three updates an epoch."""
    assert n_updates(TrainingOptions(epochs=7, batch_size=10, patience=1), 24) == 21
    assert n_updates(TrainingOptions(), 24) == 100 * 8


def test_an_optimizer_of_the_users_is_told_the_number_of_updates(tmp_path):
    (tmp_path / "own.py").write_text(OWN)

    def of(name, **options):
        own = f"{tmp_path / 'own.py'}:{name}"
        options = TrainingOptions(optimizer=own, learning_rate=0.4, **options)
        return rates(build_optimizer(options, 4), 4)

    np.testing.assert_allclose(of("told"), [0.4, 0.3, 0.2, 0.1], rtol=1e-6)
    np.testing.assert_allclose(of("open"), [0.4] * 4, rtol=1e-6)
    np.testing.assert_allclose(of("open", decay="linear"), [0.4, 0.3, 0.2, 0.1], rtol=1e-6)
    # Its own schedule and that of the option.
    both = of("told", decay="linear")
    np.testing.assert_allclose(both, [0.4, 0.3 * 0.75, 0.2 * 0.5, 0.1 * 0.25], rtol=1e-6)


def test_without_decay_the_optimizer_is_the_plain_one():
    """A run of an older version goes on with a state of the same structure."""
    params = {"w": jnp.zeros(2)}
    one, other = (
        jax.tree.structure(optimizer.init(params))
        for optimizer in (build_optimizer(TrainingOptions(), 10), OPTIMIZER.names["adam"](1e-3))
    )
    assert one == other
    assert schedules.constant_rate(0.1, 10)(0) == np.float32(0.1)


@pytest.mark.parametrize("name", ["adam", "lazy_adam", "nadam"])
def test_first_moments_may_take_half_the_memory(name):
    """Only they: the state is that of the plain optimizer, and its second moments are whole."""
    params = {"w": jnp.ones((2, 3))}
    whole, half = (
        build_optimizer(TrainingOptions(optimizer=name, moments=moments), 10).init(params)
        for moments in ("float32", "bfloat16")
    )
    assert jax.tree.structure(whole) == jax.tree.structure(half)
    changed = [
        (str(one.dtype), str(other.dtype))
        for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(half), strict=True)
        if one.dtype != other.dtype
    ]
    assert changed == [("float32", "bfloat16")]


def test_an_optimizer_without_a_type_of_its_moments_is_refused_by_name():
    says = "--moments bfloat16: --optimizer adafactor takes no type.*adam, adamw,.*lazy_adam do"
    with pytest.raises(InputError, match=says):
        build_optimizer(TrainingOptions(optimizer="adafactor", moments="bfloat16"), 10)


def test_second_moments_of_a_kernel_may_be_factored():
    """A row and a column instead of a matrix, for steps as large as those of Adam."""
    training = TrainingOptions(
        optimizer="adafactor", optimizer_constants={"multiply_by_parameter_scale": 0}
    )
    optimizer, params = build_optimizer(training, 10), {"w": jnp.ones((130, 140))}
    state = optimizer.init(params)
    assert sum(leaf.size for leaf in jax.tree.leaves(state)) < 300
    update, _ = optimizer.update({"w": jnp.full((130, 140), -0.5)}, state, params)
    np.testing.assert_allclose(update["w"], 1e-3, rtol=1e-3)

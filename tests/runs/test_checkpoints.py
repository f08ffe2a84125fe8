"""Checkpoints of a training: whole, the last ones, and read back to the bit."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import optax
import pytest

import multvae_jax as mv
from multvae_jax.defaults import recipe_beta, shape_of
from multvae_jax.errors import InputError
from multvae_jax.recipe import adaptive
from multvae_jax.runs.checkpoints import Checkpoints
from multvae_jax.training.updates import init_state
from tests.builders import assert_same, checkerboard

pytestmark = pytest.mark.updates

KEY, SPLIT, MODEL = jax.random.key(0), checkerboard(), mv.mult_vae((16,), 4)


def start(latent=4):
    beta = recipe_beta(adaptive(shape_of(SPLIT)), 60, 5, 3)
    return init_state(KEY, mv.mult_vae((16,), latent), optax.adam(1e-3), 40, beta)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Checkpoints of three epochs in two parts each, and the states that were saved."""
    folder, states = tmp_path_factory.mktemp("checkpoints"), []

    def save(state):
        states.append(replace(state, train=jax.tree.map(jnp.copy, state.train)))
        checkpoints.save(state)

    with Checkpoints(folder, keep=3) as checkpoints, jax.numpy_dtype_promotion("standard"):
        mv.fit(KEY, MODEL, SPLIT, epochs=3, batch_size=5, callback=save)
    return folder, states


def test_the_last_ones_are_kept(saved):
    folder, _ = saved
    assert sorted(int(path.name) for path in folder.iterdir()) == [24, 30, 36]


def test_the_last_one_is_read_back_to_the_bit(saved):
    folder, states = saved
    with Checkpoints(folder) as checkpoints:
        state = checkpoints.latest(start())
    assert_same((state.train.params, state.train.opt_state), _arrays(states[-1]))
    assert_same(state.best, states[-1].best)
    assert (state.log, state.capacity, state.parts) == (
        states[-1].log,
        states[-1].capacity,
        states[-1].parts,
    )


def _arrays(state):
    return state.train.params, state.train.opt_state


def test_of_a_damaged_one_the_one_before_is_read(saved, tmp_path):
    import shutil

    folder, states = saved
    shutil.copytree(folder, tmp_path / "c")
    for path in (tmp_path / "c" / "36").rglob("d/*"):
        path.write_bytes(b"damaged")
    with Checkpoints(tmp_path / "c") as checkpoints:
        state = checkpoints.latest(start())
    assert int(state.train.step) == 30
    assert state.parts == states[-2].parts
    assert len(state.parts) == 1


def test_none_and_those_of_another_model(saved, tmp_path):
    with Checkpoints(tmp_path / "new") as checkpoints:
        assert checkpoints.latest(start()) is None
    with (
        Checkpoints(saved[0]) as checkpoints,
        pytest.raises(InputError, match=r"no checkpoint can be read; .*36: the shape of best"),
    ):
        checkpoints.latest(start(latent=5))


def test_what_a_kill_has_left_is_removed(saved, tmp_path):
    import shutil

    shutil.copytree(saved[0], tmp_path / "c")
    (tmp_path / "c" / "36" / "_CHECKPOINT_METADATA").unlink()
    (tmp_path / "c" / "40.orbax-checkpoint-tmp").mkdir()
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert int(checkpoints.latest(start()).train.step) == 30
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["24", "30"]

"""A training whose learning rate decays goes on from a checkpoint as if it had not stopped."""

import jax
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.config.build_training import build_optimizer
from multvae_jax.config.options import TrainingOptions
from multvae_jax.defaults import recipe_beta, shape_of
from multvae_jax.recipe import adaptive
from multvae_jax.runs.checkpoints import Checkpoints
from multvae_jax.training.updates import init_state
from tests.builders import assert_same, checkerboard

KEY, SPLIT, MODEL = jax.random.key(0), checkerboard(), mv.mult_vae((8,), 4)


def optimizer() -> optax.GradientTransformation:
    training = TrainingOptions(learning_rate=1e-2, decay="cosine", warmup=0.25)
    return build_optimizer(training, 4 * 3)


@pytest.mark.updates
def test_a_decayed_rate_is_resumed(tmp_path):
    rates = []

    def fit(**more):
        return mv.fit(KEY, MODEL, SPLIT, epochs=4, batch_size=20, optimizer=optimizer(), **more)

    def note(state):
        rates.append(float(state.train.opt_state.hyperparams["learning_rate"]))

    whole = fit(callback=note)
    # The rate of the last of three updates in each of four epochs: two thirds of the rise of three
    # updates, then a cosine over the nine that are left.
    after = np.array([2, 5, 8])
    expected = [1e-2 * 2 / 3, *(0.5e-2 * (1 + np.cos(np.pi * after / 9)))]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    with Checkpoints(tmp_path) as checkpoints:
        half = fit(callback=lambda state: checkpoints.save(state) or len(state.log) == 2)
        assert len(half.log) == 2
        state = checkpoints.latest(
            init_state(
                KEY, MODEL, optimizer(), 40, recipe_beta(adaptive(shape_of(SPLIT)), 60, 20, 4)
            )
        )
    resumed = fit(state=state)
    assert_same(resumed.state.params, whole.state.params)

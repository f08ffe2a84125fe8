"""A trial that is trained, and what is measured of it."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.errors import InputError
from multvae_jax.evaluation import prepare_users
from multvae_jax.tournament import Contender
from multvae_jax.tournament.trials import check_contender, run_trial
from tests.tournament.builders import blind, small, tastes, training

pytestmark = pytest.mark.updates

SPLIT = tastes()


@pytest.fixture(scope="module", autouse=True)
def _quickly():
    """Most of the time is compiling programs that run a few times."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def trial_of(contender, seeds=(0, 1), until=np.inf, **how):
    return run_trial(contender, SPLIT, prepare_users(SPLIT.test), seeds, training(), until, **how)


def test_seeds_are_trained_alone_and_their_costs_are_measured():
    found, alone = trial_of(small("mine"), seeds=(5, 2)), trial_of(small("mine"), seeds=(2,))
    values = found.values("ndcg@10", 2)
    np.testing.assert_array_equal(values[1], alone.values("ndcg@10", 1)[0])
    assert (values[0] != values[1]).any()
    # At least the parameters, their gradients and the two moments of Adam.
    made = mv.mult_vae((), 4).init(jax.random.key(0), SPLIT.train.shape[1])
    assert found.bytes > 4 * 4 * sum(leaf.size for leaf in jax.tree.leaves(made))
    assert found.seconds > 0
    assert found.problem is None
    assert found.diagnosis.calibration.error >= 0
    assert found.diagnosis.noise_at_start.relative > 0
    assert 0 < found.diagnosis.noise_at_best.of_keys < 1


def test_without_time_for_two_seeds_there_are_fewer():
    found = trial_of(small("mine"), seeds=(5, 2), until=time.monotonic())
    assert (found.tested, found.problem, found.bytes) == ([], None, None)


def test_a_baseline_is_the_same_with_every_seed():
    found = trial_of(Contender("ease", lambda shape: mv.baselines.EASE), seeds=range(4))
    assert found.values("ndcg@10", 4).std(axis=0).max() == 0.0
    assert found.diagnosis.noise_at_start is None
    assert found.diagnosis.not_defined == "a baseline has no probabilities"


def test_a_loss_that_cannot_be_used_is_refused_before_any_training():
    model = mv.mult_vae((), 4)

    def vector(*arguments):
        value, terms = model.loss(*arguments)
        return jnp.stack([value, value]), terms

    bad = Contender("bad", lambda shape: model._replace(loss=vector))
    with pytest.raises(InputError, match=r"a loss of shape \(2,\)"):
        check_contender(bad, SPLIT, training())
    check_contender(blind(), SPLIT, training())

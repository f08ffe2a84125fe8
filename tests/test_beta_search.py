"""The search for beta: what it finds is what its own training showed."""

import dataclasses

import jax
import numpy as np
import optax
import pytest

from multvae_jax.errors import InputError
from multvae_jax.fitting import fit, search_beta
from multvae_jax.models import mult_vae
from multvae_jax.schedules import linear_annealing
from tests.builders import checkerboard

pytestmark = pytest.mark.updates

MODEL = mult_vae((8,), 4)
# Three updates an epoch, of the checkerboard's 60 users.
TRAINING = {"epochs": 6, "batch_size": 20, "optimizer": optax.adam(1e-2)}


def search(**options):
    return search_beta(jax.random.key(0), MODEL, checkerboard(), **TRAINING | options)


def test_the_cap_is_beta_at_the_best_epoch_of_a_rise_to_one():
    found = search(updates_to_one=100.0)
    best = np.argmax([entry["validation"]["ndcg@100"] for entry in found.run.log]) + 1
    assert 1 < best < 6, "the test needs a peak within the training"
    assert found.updates == 3 * best
    assert found.cap == pytest.approx(3 * best / 100)
    # The log keeps an epoch's mean: of the betas of its three updates.
    assert found.run.log[1]["beta"] == pytest.approx(np.mean([3, 4, 5]) / 100)


def test_the_training_after_it_has_the_same_slope_up_to_the_peak():
    found = search(updates_to_one=100.0)
    beta = linear_annealing(found.cap, found.updates)
    again = fit(jax.random.key(0), MODEL, checkerboard(), beta=beta, **TRAINING)
    peak = found.run.best_epoch
    for entry, before in zip(again.log[:peak], found.run.log[:peak], strict=True):
        assert entry["loss"] == pytest.approx(before["loss"], rel=1e-5)
    assert again.log[-1]["beta"] == pytest.approx(found.cap)
    assert found.run.log[-1]["beta"] > found.cap


def test_a_peak_after_the_rise_has_the_cap_one():
    found = search(updates_to_one=2.5)
    assert found.run.best_epoch > 1
    assert (found.cap, found.updates) == (1.0, 3)
    assert search(updates_to_one=3.0).updates == 3


def test_without_validation_users_there_is_no_peak():
    split = dataclasses.replace(checkerboard(), validation=None)
    with pytest.raises(InputError, match=r"^beta cannot be searched for: the split has no v"):
        search_beta(jax.random.key(0), MODEL, split, updates_to_one=9.0)

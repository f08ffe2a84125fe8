"""Sweeps whose learning rates decay: as trained alone, and one program for all rates."""

import jax
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.config.build_training import optimizer_factory
from multvae_jax.config.options import TrainConfig, TrainingOptions
from multvae_jax.schedules import cosine_decay
from multvae_jax.sweeps import layouts
from multvae_jax.sweeps.command import MemberConfig, _groups
from multvae_jax.sweeps.space import grid, read_space, with_setting
from tests.builders import checkerboard

pytestmark = pytest.mark.updates

RATES, EPOCHS, UPDATES = (1e-2, 5e-2), 3, 9


def test_a_member_with_decay_equals_the_same_setting_trained_alone():
    model, split = mv.mult_vae((8,), 4), checkerboard()
    training = TrainingOptions(decay="cosine", warmup=0.3)
    members = [mv.Member(jax.random.key(0), rate) for rate in RATES]
    options = {"epochs": EPOCHS, "batch_size": 20}
    outcomes = mv.sweep(
        members,
        model,
        split,
        optimizer=optimizer_factory(training, UPDATES),
        layout=layouts.vmapped(),
        **options,
    )
    for rate, outcome in zip(RATES, outcomes, strict=True):
        optimizer = optax.adam(cosine_decay(rate, UPDATES, 0.3))
        run = mv.fit(jax.random.key(0), model, split, optimizer=optimizer, **options)
        losses = [[entry["loss"] for entry in log] for log in (outcome.log, run.log)]
        np.testing.assert_allclose(*losses, rtol=1e-5)
    assert outcomes[0].log[-1]["loss"] != outcomes[1].log[-1]["loss"]


def test_rates_share_a_program_and_decays_do_not():
    space = read_space(
        [("decay", "none", "cosine"), ("learning-rate", "1e-3", "1e-2"), ("warmup", "0", "0.1")]
    )
    fixed = TrainConfig(training=TrainingOptions(epochs=2))
    settings = grid(space)
    members = [MemberConfig(s, 0, with_setting(fixed, s, 0)) for s in settings]
    groups = [[dict(member.setting) for member in group] for group in _groups(members)]
    assert [len(group) for group in groups] == [2, 2, 2, 2]
    for one, other in groups:
        assert one | {"learning-rate": other["learning-rate"]} == other

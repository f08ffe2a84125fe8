"""Sweeps over numbers of the optimizer: as trained alone, and one program for all."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.config.build_training import optimizer_factory
from multvae_jax.config.options import ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.schedules import cosine_decay
from multvae_jax.sweeps import layouts
from multvae_jax.sweeps.groups import MemberConfig, groups_of
from multvae_jax.sweeps.space import grid, read_space, with_setting
from tests.builders import assert_close, checkerboard

pytestmark = pytest.mark.updates

RATES, EPOCHS, UPDATES = (1e-2, 5e-2), 3, 9


def norm(params, gradient, updates):
    return {"norms": jnp.stack([optax.tree.norm(gradient), optax.tree.norm(updates)])}


OTHERS = ({"warmup": 0.3, "clip": 1e3, "ema": 0.5}, {"warmup": 0.0, "clip": 1.0, "ema": 0.9})


def test_a_member_with_decay_equals_the_same_setting_trained_alone():
    """Also with its own warm-up and clipping, and the average that is validated and kept."""
    model, split = mv.mult_vae((8,), 4), checkerboard()
    training = TrainingOptions(decay="cosine")
    members = [
        mv.Member(jax.random.key(0), rate, optimizer=others)
        for rate, others in zip(RATES, OTHERS, strict=True)
    ]
    options = {"epochs": EPOCHS, "batch_size": 20}
    outcomes = mv.sweep(
        members,
        model,
        split,
        optimizer=optimizer_factory(training, UPDATES),
        layout=layouts.vmapped(),
        measure=norm,
        keep_params=True,
        **options,
    )
    for rate, others, outcome in zip(RATES, OTHERS, outcomes, strict=True):
        decayed = optax.adam(cosine_decay(rate, UPDATES, others["warmup"]))
        clipped = optax.chain(optax.clip_by_global_norm(others["clip"]), decayed)
        optimizer = mv.averages.ema(clipped, others["ema"])
        run = mv.fit(jax.random.key(0), model, split, optimizer=optimizer, measure=norm, **options)
        for name in ("loss", "norms"):
            found = [[entry[name] for entry in log] for log in (outcome.log, run.log)]
            np.testing.assert_allclose(*found, rtol=1e-4)
        assert outcome.best_epoch == run.best_epoch
        trained = run.state.params
        assert_close(outcome.params, run.params, 1e-4)
        # What is kept is the average, and not what was trained.
        biases = (tree["network"]["decoder"]["layers_0"]["bias"] for tree in (run.params, trained))
        assert np.abs(np.subtract(*biases)).max() > 1e-3
    assert outcomes[0].log[-1]["loss"] != outcomes[1].log[-1]["loss"]


OWN = """
import jax
import optax
from multvae_jax.objectives import Objective, negative_elbo

def scaled(network, likelihood, prior, factor=1.0):
    return Objective(negative_elbo(network, likelihood, prior), {"factor": factor})

def built_in(network, likelihood, prior, factor=1.0):
    return negative_elbo(network, likelihood, prior)

def closed(cap, updates, period=1.0):
    return lambda step: cap * period

def traced(cap, updates, period=1.0):
    return jax.tree_util.Partial(lambda cap, period, step: cap * period, cap, period)
"""


@pytest.mark.parametrize(
    ("vary", "groups"),
    [
        ([("learning-rate", "1e-3", "1e-2"), ("warmup", "0", "0.1")], 1),
        ([("clip", "0.5", "1", "2")], 1),
        ([("ema", "0.9", "0.99")], 1),
        ([("swa", "0.5", "0.75")], 1),
        ([("decay", "none", "cosine")], 2),
        ([("optimizer-constants.b1", "0.8", "0.9")], 1),
        ([("optimizer-constants.nesterov", "0", "1")], 2),
        ([("likelihood-constants.c1", "1", "2")], 1),
        ([("objective", "own.py:scaled"), ("objective-constants.factor", "1", "2")], 1),
        ([("objective", "own.py:built_in"), ("objective-constants.factor", "1", "2")], 2),
        ([("beta", "own.py:traced"), ("beta-cap", "1", "2")], 1),
        ([("beta", "own.py:traced"), ("beta-constants.period", "1", "2")], 1),
        ([("beta", "own.py:closed"), ("beta-cap", "1", "2")], 2),
        ([("beta", "own.py:closed"), ("beta-constants.period", "1", "2")], 2),
    ],
)
def test_numbers_share_a_program_and_what_is_built_in_does_not(vary, groups, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    fixed = TrainConfig(
        model=ModelOptions(likelihood="gaussian"), training=TrainingOptions(epochs=2)
    )
    members = [
        MemberConfig(setting, 0, with_setting(fixed, setting, 0))
        for setting in grid(read_space(vary))
    ]
    assert len(groups_of(members)) == groups


def test_a_clip_and_an_average_are_not_in_the_same_program_as_none():
    def program(**training):
        config = TrainConfig(training=TrainingOptions(**training))
        return groups_of([MemberConfig({}, 0, config), MemberConfig({}, 1, TrainConfig())])

    for training in ({"clip": 1.0}, {"ema": 0.9}, {"swa": 0.5}):
        assert len(program(**training)) == 2


@pytest.mark.parametrize(
    ("member", "optimizer", "says"),
    [
        (
            {"optimizer": {"b3": 1.0}},
            optax.adam,
            r"members\[0\].optimizer\['b3'\]: .*There are: learning_rate, b1",
        ),
        ({"optimizer": {"b1": "x"}}, optax.adam, r"optimizer\['b1'\]: expected `float`"),
        ({"optimizer": {"nesterov": 1.0}}, optax.adam, "is built by its value"),
        ({"learning_rate": 0.1}, lambda updates: optax.sgd(0.1), "does not take one"),
    ],
)
def test_numbers_that_an_optimizer_does_not_have_are_refused(member, optimizer, says):
    one = mv.Member(jax.random.key(0), **member)
    with pytest.raises(mv.InputError, match=says):
        mv.sweep([one], mv.mult_vae((8,), 4), checkerboard(), optimizer=optimizer)

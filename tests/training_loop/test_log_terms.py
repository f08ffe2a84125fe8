"""Terms of any shape in the log of `fit`: means over users, on disk, and after a resume."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from multvae_jax.errors import InputError
from multvae_jax.fitting import fit
from multvae_jax.models import mult_vae
from multvae_jax.objectives import check_terms
from multvae_jax.runs import Checkpoints
from tests.builders import checkerboard

pytestmark = pytest.mark.updates

MODEL = mult_vae((), 4)
# 60 users in batches of 25, 25 and 10.
OPTIONS = {"epochs": 2, "batch_size": 25, "callback_every": 2, "optimizer": optax.sgd(0.1)}


def sizes(params, gradient, updates):
    """The norms of two gradients of the network, and of the whole one, seen from both sides."""
    encoder, decoder = (optax.tree.norm(gradient["network"][p]) for p in ("encoder", "decoder"))
    return {
        "norms": jnp.stack([encoder, decoder]),
        "whole": optax.tree.norm(gradient),
        "moved": optax.tree.norm(updates),
    }


def per_user(model=MODEL):
    """The model with the number of real users of a batch, twice in an array, in the log."""

    def loss(params, hyper, batch, key, step):
        value, terms = model.loss(params, hyper, batch, key, step)
        return value, {**terms, "users": jnp.full((2, 1), batch.real.sum())}

    return model._replace(loss=loss)


def run(**options):
    return fit(jax.random.key(0), per_user(), checkerboard(), measure=sizes, **OPTIONS | options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run, a state from the middle of its second epoch on disk, and that state."""
    folder, seen = tmp_path_factory.mktemp("terms"), []

    with Checkpoints(folder) as checkpoints:

        def callback(state):
            if len(state.log) == 1 and state.entry is None:
                checkpoints.save(state)
                seen.append(replace(state, train=jax.tree.map(jnp.copy, state.train)))

        finished = run(callback=callback)
        stopped = checkpoints.latest(seen[0].train)
    return finished, stopped


def test_an_array_is_averaged_over_users_entry_by_entry_and_is_json(whole):
    finished, _ = whole
    for entry in finished.log:
        mean = (25 * 25 + 25 * 25 + 10 * 10) / 60
        np.testing.assert_allclose(entry["users"], [[mean], [mean]], rtol=1e-6)
        assert json.loads(json.dumps(entry)) == entry


def test_gradient_norms_are_measured(whole):
    """Of a plain gradient descent, an update is the gradient times the rate."""
    for entry in whole[0].log:
        assert entry["moved"] == pytest.approx(0.1 * entry["whole"], rel=1e-5)
        # Squares are summed before the means; both ways differ if the updates differ.
        assert np.hypot(*entry["norms"]) == pytest.approx(entry["whole"], rel=0.05)
        assert min(entry["norms"]) > 0


def test_a_resumed_epoch_has_the_same_arrays(whole):
    finished, stopped = whole
    again = run(state=stopped, callback=lambda state: False)
    for name in ("users", "norms", "loss"):
        assert again.log[1][name] == finished.log[1][name]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"epoch": 1.0}, "an entry 'epoch'"),
        ({"validation": jnp.ones(2)}, "an entry 'validation'"),
        ({"norms": {"encoder": 1.0}}, "'norms' is dict, and not an array"),
        ([1.0], "returns list, and not a dict"),
    ],
)
def test_terms_that_no_log_can_hold_are_refused(terms, says):
    with pytest.raises(InputError, match=f"the objective.*{says}"):
        check_terms("the objective", terms)


def test_a_measured_term_does_not_replace_one_of_the_loss():
    with pytest.raises(InputError, match="measure: the loss has a term 'kl' already"):
        fit(
            jax.random.key(0),
            MODEL,
            checkerboard(),
            measure=lambda params, gradient, updates: {"kl": optax.tree.norm(gradient)},
            callback=lambda state: False,
            **OPTIONS,
        )

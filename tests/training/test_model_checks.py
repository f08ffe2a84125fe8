"""Parts of a model that return another shape, or would be used otherwise than meant, are named.

Nothing is compiled: the functions are called with shapes.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

import multvae_jax as mv
from multvae_jax.checks.out_of_bounds import index_error
from tests.builders import checkerboard, refusal

SPLIT, KEY = checkerboard(), jax.random.key(0)
N_ITEMS = 40


def message(*, epochs=1, **parts):
    fitted = {name: parts.pop(name) for name in ("optimizer", "callback_every") if name in parts}
    model = mv.mult_vae((4,), 2, **parts)
    return refusal(mv.fit, KEY, model, SPLIT, epochs=epochs, **fitted)


# --- likelihoods ----------------------------------------------------------------------------------


def weighted(rows, scalar=True):
    def click(f, x, theta, item):
        return x * f * theta["rho"][item]

    def normalizer(f, total, theta, items):
        each = f * theta["rho"][items]
        return each.sum() if scalar else each

    def merge(normalizers, total, theta):
        return normalizers.sum()

    return mv.Likelihood(
        click, normalizer, init=lambda key, n_items: {"rho": jnp.ones(rows)}, merge=merge
    )


def test_a_parameter_with_fewer_rows_than_items():
    """jax would take the last row for every item beyond it."""
    assert message(likelihood=weighted(N_ITEMS - 1)) == (
        "click: index 39 is out of bounds for axis 0 with size 39; an array of theta with a row "
        "per item needs 40 rows"
    )
    assert index_error(lambda rho: rho[N_ITEMS - 1], jnp.ones(N_ITEMS)) is None
    # What needs an array of jax is not checked.
    assert index_error(lambda rho: rho.at[50].get(), jnp.ones(3)) is None


@pytest.mark.parametrize("block", [None, 8])
def test_a_normalizer_that_does_not_sum(block):
    objective = mv.objectives.negative_elbo
    if block is not None:
        in_blocks = mv.objectives.blockwise_logits(block)
        objective = partial(objective, reconstruction=in_blocks)
    found = message(likelihood=weighted(N_ITEMS, scalar=False), objective=objective)
    assert found.startswith(f"normalizer returns an array of shape ({block or N_ITEMS},) for one ")


def test_a_draw_with_other_parameters():
    def draw(key, n_items):
        return jnp.zeros(3, jnp.int32), jnp.zeros(3)

    likelihood = mv.Likelihood(lambda f, x, theta: f, None, draw=draw)
    assert message(likelihood=likelihood).startswith("draw: it must take (key, n_items, theta),")


def test_a_divergence_that_does_not_sum():
    prior = mv.Prior(lambda mu, logvar, z, theta: mu**2)
    assert message(prior=prior).startswith("prior: its divergence returns an array of shape (2,)")


# --- posteriors -----------------------------------------------------------------------------------


class Code(NamedTuple):
    mu: Any
    weights: Any

    def sample(self, key):
        return self.mu

    def mean(self):
        return self.mu


class Misspelt(Code):
    shared = ("weight",)


class Pairs(Code):
    shared = ("weights",)

    def sample(self, key):
        return self.mu, self.mu


class OnlySample(NamedTuple):
    mu: Any
    logvar: Any

    def sample(self, key):
        return self.mu


class OnlyMean(NamedTuple):
    mu: Any
    logvar: Any

    def mean(self):
        return self.mu


@pytest.mark.parametrize(
    ("kind", "starts"),
    [
        (Code, "Code: the field 'weights' has the shape (3, 2) for 7 users; name one that all"),
        (Misspelt, "Misspelt: `shared` names 'weight', which is not a field; did you mean weights"),
        (
            Pairs,
            "Pairs: sample(key) and mean() return arrays of shapes ((7, 2), (7, 2)) and (7, 2);",
        ),
        (OnlySample, "network: OnlySample has sample but no mean; a posterior has sample(key),"),
        (OnlyMean, "network: OnlyMean has mean but no sample; a posterior has sample(key), from"),
    ],
)
def test_a_posterior_that_is_not_one(kind, starts):
    def network(*shape):
        plain = mv.mlp.variational_mlp(*shape)

        def encode(params, batch):
            mu, logvar = plain.encode(params, batch)
            return kind(mu, logvar if kind in (OnlySample, OnlyMean) else jnp.ones((3, 2)))

        return plain._replace(encode=encode)

    prior = mv.Prior(lambda mu, other, z, theta: (mu**2).sum())
    assert message(network=network, prior=prior).startswith(starts)


# --- a training -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "starts"),
    [
        (
            lambda rate, n_updates: optax.adam(rate),
            "optimizer: <lambda> must take the learning rate, and may have a parameter `updates`,",
        ),
        (
            lambda learning_rate: optax.cosine_decay_schedule(learning_rate, 5),
            "optimizer: <lambda> returns a function; it must return a GradientTransformation,",
        ),
        (
            optax.GradientTransformation(lambda params: (), lambda gradient, state: (gradient, ())),
            "optimizer: its update must take (gradient, state, params)",
        ),
    ],
)
def test_an_optimizer_that_cannot_be_called(optimizer, starts):
    assert message(optimizer=optimizer).startswith(starts)


def test_callback_every_without_a_callback():
    assert message(callback_every=5).startswith("callback_every: without a callback, it has no ef")

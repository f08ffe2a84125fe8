"""Broken likelihoods that draw, have parameters per item, or are no log probability."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.extensions.dispersion import negative_binomial
from experiments.extensions.sampled import bpr, sampled_softmax
from multvae_jax.likelihoods import Likelihood, draws, logistic, multinomial
from multvae_jax.ops.logsumexp import logsumexp
from multvae_jax.testing import check_likelihood
from multvae_jax.testing.likelihood_checks import (
    check_blocks,
    check_bounded,
    check_draws,
    check_probabilities,
)
from multvae_jax.testing.probes import example_histories

UNBOUNDED = "so that it cannot be a log probability; are the sign and the scale of the normalizer"


def softmax(normalizer):
    return multinomial()._replace(normalizer=normalizer)


def drawn_by(draw, likelihood=None):
    return (likelihood or sampled_softmax(3))._replace(draw=draw)


def message_of(check, *arguments):
    with pytest.raises(AssertionError) as caught:
        check(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


NO_LOG_PROBABILITY = {
    "half the scale": (
        softmax(lambda f, total, theta: 0.5 * total * logsumexp(f)),
        f"log p of a full history grows without bound as all logits rise, {UNBOUNDED}",
    ),
    "twice the scale": (
        softmax(lambda f, total, theta: 2.0 * total * logsumexp(f)),
        f"log p of a full history grows without bound as all logits fall, {UNBOUNDED}",
    ),
    "without the total": (
        softmax(lambda f, total, theta: logsumexp(f)),
        f"log p of a full history grows without bound as all logits rise, {UNBOUNDED}",
    ),
    "a mean instead of a sum": (
        softmax(lambda f, total, theta: total * (logsumexp(f) - jnp.log(7.0).astype(f.dtype))),
        "the probabilities of the items sum to 7 and not to 1",
    ),
    "half a logistic": (
        logistic()._replace(normalizer=lambda f, total, theta: 0.5 * jax.nn.softplus(f).sum()),
        "log p of a full history grows without bound as all logits rise",
    ),
    "draws without the own items": (
        Likelihood(
            lambda f, x, theta: x * f,
            lambda f, total, theta, drawn: total * logsumexp(f - drawn.log_q),
            draw=draws(3),
        ),
        "log p of a history grows without bound as the logits of the interactions rise",
    ),
    "draws without log_q": (
        Likelihood(
            lambda f, x, theta: x * f,
            lambda f, total, theta, drawn: (
                total
                * jnp.logaddexp(drawn.own_logsumexp, logsumexp(jnp.where(drawn.own, -1e30, f)))
            ),
            draw=draws(3, np.arange(1.0, 8.0)),
        ),
        "log p changes with how often items are drawn, though log_q says it",
    ),
}


@pytest.mark.parametrize("name", NO_LOG_PROBABILITY)
def test_what_is_no_log_probability_is_found(name):
    likelihood, message = NO_LOG_PROBABILITY[name]
    x = example_histories(7, (1.0,))
    logits = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), jnp.float32)

    def check():
        check_bounded(likelihood, {}, logits, x)
        check_probabilities(likelihood, {}, 7)

    assert message_of(check).startswith(message)


def test_the_check_of_a_likelihood_looks_at_the_scale_of_its_normalizer():
    likelihood, message = NO_LOG_PROBABILITY["half the scale"]
    assert message_of(check_likelihood, likelihood).startswith(message)


def rolled(key, n_items, theta):
    items, log_q = draws(3)(key, n_items, theta)
    return items + 1, log_q


BROKEN_DRAWS = {
    "draw returns the log_q -1.95 for item 0, which is drawn 0.4": drawn_by(
        lambda key, n_items, theta: (draws(3)(key, n_items, theta)[0], jnp.full(3, -np.log(7.0)))
    ),
    "draw returns the item 7 of 7 items": drawn_by(rolled),
    "draw ignores its key: all keys give the same items": drawn_by(
        lambda key, n_items, theta: (jnp.arange(3), jnp.zeros(3))
    ),
}


@pytest.mark.parametrize("message", BROKEN_DRAWS)
def test_draws_that_are_not_what_they_say_are_found(message):
    assert message_of(check_draws, BROKEN_DRAWS[message], {}, 7).startswith(message)


def test_a_log_q_that_nothing_uses_may_be_anything():
    def draw(key, n_items, theta):
        return draws(3)(key, n_items, theta)[0], jnp.zeros(3)

    check_draws(drawn_by(draw, bpr(3)), {}, 7)


def test_every_item_may_be_drawn_with_every_key():
    check_draws(drawn_by(lambda key, n, theta: (jnp.arange(n), jnp.zeros(n))), {}, 7)


BROKEN_BLOCKS = {
    "merge gives another normalizer of blocks of 3 items than of all items": multinomial()._replace(
        merge=lambda normalizers, total, theta: normalizers.sum()
    ),
    "merge gives another normalizer of blocks of 3 items than of all items at logits of ": (
        multinomial()._replace(
            merge=lambda normalizers, total, theta: (
                total * jnp.log(jnp.exp(normalizers / jnp.maximum(total, 1.0)).sum())
            )
        )
    ),
    "the gradient through merge of blocks of 3 items is not that of all items": (
        logistic()._replace(
            merge=lambda normalizers, total, theta: jax.lax.stop_gradient(normalizers.sum())
        )
    ),
    "merge gives another normalizer of blocks of 3 items ": negative_binomial()._replace(
        normalizer=lambda f, total, theta: jnp.sum(
            jnp.exp(theta["log_r"][: f.size]) * jax.nn.softplus(f - theta["log_r"][: f.size])
        )
    ),
}


@pytest.mark.nans
@pytest.mark.parametrize("message", BROKEN_BLOCKS)
def test_blocks_that_are_not_the_whole_are_found(message):
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(3, 7)), jnp.float32)
    theta = {"log_r": jnp.linspace(-1.0, 1.0, 7)}
    found = message_of(
        check_blocks, BROKEN_BLOCKS[message], theta, logits, jnp.array([0.0, 1.0, 4.0]), 1e4
    )
    assert found.startswith(message)

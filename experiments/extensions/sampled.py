"""Sampled softmax with logQ correction, and BPR with sampled negatives: likelihoods that draw.

    python -m experiments.extensions sampled --dataset ml-1m --hidden 100 --latent 32 --epochs 50
    python -m experiments.extensions bpr --dataset ml-1m --hidden 100 --latent 32 --epochs 50

Of the decoder's columns, only those of the draws and of the users' own items are computed.
With 20,000 items and 500 users, an update takes a twentieth of the floating-point operations. What
remains is to gather the columns, so that it pays for large catalogues and short histories.

The softmax's sum over all items is the exact sum over the user's own items, plus an estimate of the
rest by importance sampling (Bengio & Senecal, 2008): a draw counts 1 / Q times, with Q how often it
is drawn. The estimate of the sum has no bias, that of its logarithm one of the order of
1 / negatives. Own items make log p a log probability; without them it grows without bound.

BPR (Rendle et al., UAI 2009, https://arxiv.org/abs/1205.2618) is the mean log sigmoid of the
difference between the logit of an interaction and those of draws that the user does not have.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import multvae_jax as mv
from multvae_jax.likelihoods import Drawn
from multvae_jax.ops import logsumexp
from multvae_jax.types import Theta


def sampled_softmax(negatives: float = 200, weights: Any = None) -> mv.Likelihood:
    """The multinomial, with an estimate of its sum over all items; all users share the draws.

    Args:
        negatives: number of draws.
        weights: in proportion to which items are drawn, such as their counts; None: uniformly.
    """

    def click(f: Array, x: Array, theta: Theta) -> Array:
        return x * f

    def normalizer(f: Float[Array, " draws"], total: Array, theta: Theta, drawn: Drawn) -> Array:
        others = jnp.where(drawn.own, -1e30, f - drawn.log_q)
        return total * jnp.logaddexp(drawn.own_logsumexp, logsumexp(others))

    draw = mv.likelihoods.draws(negatives, weights)
    return mv.Likelihood(click, normalizer, draw=draw, draw_per="update")


def bpr(negatives: float = 20, weights: Any = None) -> mv.Likelihood:
    """Bayesian personalized ranking against negatives that are drawn for each user."""

    def click(f: Array, x: Array, theta: Theta, drawn: Drawn) -> Array:
        return x * jnp.where(drawn.own, 0.0, jax.nn.log_sigmoid(f - drawn.f)).mean()

    return mv.Likelihood(click, None, draw=mv.likelihoods.draws(negatives, weights))

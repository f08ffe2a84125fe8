"""A focal multinomial, after the focal loss (Lin et al., ICCV 2017).

    python -m experiments.extensions focal --dataset ml-1m --hidden 100 --latent 32 --epochs 50

NDCG@100 on ML-1M, five seeds: .3725 against .3712 of Mult-VAE, p .064.
All nine rows took 3,277 s on two shared cores of an AMD EPYC.

    log p(x | f) = sum_i x_i (1 - p_i)^gamma log p_i,  p = softmax(f)

An item that the user was certain to click counts for less. The factor of a click depends on all
logits, so the sum cannot be split into clicks and a normalizer, and `dense` is used. With gamma 0
it is the multinomial. A softmax over thousands of items makes p small, so gamma has to be larger
than for the few classes that the focal loss was made for.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import multvae_jax as mv


def focal(gamma: float = 10.0) -> mv.Likelihood:
    """The focal multinomial; `gamma` is 0, or 1 and above."""

    def log_prob(
        f: Float[Array, " items"], x: Float[Array, " items"], theta: mv.types.Theta
    ) -> Float[Array, ""]:
        log_p = jax.nn.log_softmax(f)
        return (x * (1.0 - jnp.exp(log_p)) ** theta["gamma"] * log_p).sum()

    return mv.likelihoods.dense(log_prob, {"gamma": gamma})

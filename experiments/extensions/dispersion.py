"""A negative binomial with a dispersion per item: parameters of an item in a likelihood.

    python -m experiments.extensions dispersion --dataset ml-1m --hidden 100 --latent 32 --epochs 50

The mean of item i's count is exp(f_i) and its variance mean + mean^2 / r_i, with a trained r_i, the
same for all users; as r_i grows, it becomes the Poisson likelihood. Unlike there, the mean of a
large logit costs only as much as the logit itself.

With s_i = softplus(f_i - log r_i), log p(x_i) - log p(0) is the term of an interaction, and
-log p(0) = r_i s_i that of every item. `click` and `normalizer` pick the items' parameters by
their parameters `item` and `items`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.lax import lgamma
from jaxtyping import Array, Float, Int

import multvae_jax as mv
from multvae_jax.types import Theta


def negative_binomial(dispersion: float = 1.0) -> mv.Likelihood:
    """The negative binomial with a trained r per item, which starts at `dispersion`."""

    def click(f: Array, x: Array, theta: Theta, item: Int[Array, ""]) -> Array:
        log_r = theta["log_r"][item]
        r, above = jnp.exp(log_r), f - log_r
        ways = lgamma(x + r) - lgamma(r) - lgamma(x + 1.0)
        return ways + x * (above - jax.nn.softplus(above))

    def normalizer(
        f: Float[Array, " items"], total: Array, theta: Theta, items: Int[Array, " items"]
    ) -> Array:
        log_r = theta["log_r"][items]
        return jnp.sum(jnp.exp(log_r) * jax.nn.softplus(f - log_r))

    def merge(normalizers: Float[Array, " blocks"], total: Array, theta: Theta) -> Array:
        return normalizers.sum()

    def init(key: Array, n_items: int) -> dict[str, Array]:
        return {"log_r": jnp.full(n_items, jnp.log(dispersion))}

    return mv.Likelihood(click, normalizer, init=init, merge=merge)

"""A ladder of two stochastic layers (Sønderby et al., NeurIPS 2016).

    python -m experiments.extensions ladder --dataset ml-1m --hidden 100 --latent 32

    p(x, z1, z2) = p(z2) p(z1 | z2) p(x | z1),    q(z1, z2 | x) = q(z2 | x) q(z1 | z2, x)

q(z1 | z2, x) is the product of what the encoder says and of the prior p(z1 | z2), two normals, by
their precisions. The weights of p(z1 | z2) are the network's; the posterior has them in a field
that all users share, so that it can draw z1, and the prior finds them there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

import multvae_jax as mv


class Ladder(NamedTuple):
    """The posterior of each user.

    Attributes:
        mu2: means of z2.
        logvar2: logarithms of the variances of z2.
        mu1: what the encoder says of z1.
        logvar1: logarithm of the variance of that.
        weights: kernel and bias of p(z1 | z2).
    """

    mu2: Float[Array, "*users top"]
    logvar2: Float[Array, "*users top"]
    mu1: Float[Array, "*users latent"]
    logvar1: Float[Array, "*users latent"]
    weights: Mapping[str, Array]
    shared = ("weights",)

    def given(self, z2: Array) -> mv.Posterior:
        """Return q(z1 | z2, x)."""
        prior = from_above(self.weights, z2)
        own, above = jnp.exp(-self.logvar1), jnp.exp(-prior.logvar)
        mu = (own * self.mu1 + above * prior.mu) / (own + above)
        return mv.Posterior(mu, -jnp.log(own + above))

    def sample(self, key: PRNGKeyArray) -> tuple[Array, Array]:
        """Draw z2, and z1 given z2."""
        first, second = jax.random.split(key)
        z2 = mv.Posterior(self.mu2, self.logvar2).sample(first)
        return z2, self.given(z2).sample(second)

    def mean(self) -> tuple[Array, Array]:
        """The mean of z2, and that of z1 there."""
        return self.mu2, self.given(self.mu2).mu


def from_above(weights: Mapping[str, Array], z2: Array) -> mv.Posterior:
    """Return p(z1 | z2)."""
    mu, logvar = jnp.split(z2 @ weights["kernel"] + weights["bias"], 2)
    return mv.Posterior(mu, logvar)


def ladder_prior() -> mv.Prior:
    """The prior of both layers: a standard normal for z2, and p(z1 | z2).

    The divergence is estimated at the drawn z2, and given that, in closed form.
    """

    def divergence(
        mu2: Array,
        logvar2: Array,
        mu1: Array,
        logvar1: Array,
        weights: Mapping[str, Array],
        z: tuple[Array, Array],
        theta: mv.types.Theta,
    ) -> Array:
        del theta
        q, p = Ladder(mu2, logvar2, mu1, logvar1, weights).given(z[0]), from_above(weights, z[0])
        squares = jnp.exp(q.logvar) + (q.mu - p.mu) ** 2
        of_z1 = 0.5 * (p.logvar - q.logvar + squares * jnp.exp(-p.logvar) - 1.0).sum()
        return mv.priors.kl_from_standard_normal(mu2, logvar2) + of_z1

    return mv.Prior(divergence)


def with_second_layer(network: mv.Network, latent: int, top: int) -> mv.Network:
    """A ladder whose lower layer is a network with a normal posterior.

    Args:
        network: encoder and decoder of the lower layer.
        latent: dimensions of its z.
        top: dimensions of z2.
    """
    glorot = jax.nn.initializers.glorot_uniform()

    def init(key: PRNGKeyArray, n_items: int) -> dict[str, Any]:
        own, up, down = jax.random.split(key, 3)
        layers = {
            "up": {"kernel": glorot(up, (latent, 2 * top)), "bias": jnp.zeros(2 * top)},
            "down": {"kernel": glorot(down, (top, 2 * latent)), "bias": jnp.zeros(2 * latent)},
        }
        return {**network.init(own, n_items), **layers}

    def encode(params: Any, batch: mv.Batch) -> Ladder:
        mu1, logvar1 = network.encode(params, batch)
        up = jnp.tanh(mu1) @ params["up"]["kernel"] + params["up"]["bias"][None]
        mu2, logvar2 = jnp.split(up, 2, axis=1)
        return Ladder(mu2, logvar2, mu1, logvar1, params["down"])

    def decode(params: Any, z: tuple[Array, Array]) -> Array:
        return network.decode(params, z[1])

    return mv.Network(init, encode, decode)

"""A posterior on the sphere: the power spherical distribution (De Cao & Aziz, 2020).

    python -m experiments.extensions power-spherical --dataset ml-1m --hidden 100 --latent 32

z is a direction. Its density falls with the angle to mu, as (1 + mu . z)^kappa, and the prior is
uniform on the sphere: no user's code can be far away from all others, and none shrinks to 0. The
sample is reparameterized, a beta variable and a direction that a reflection turns towards mu
(https://arxiv.org/abs/2006.04437).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, gammaln
from jaxtyping import Array, Float, PRNGKeyArray

import multvae_jax as mv


class PowerSpherical(NamedTuple):
    """The posterior of each user.

    Attributes:
        mu: directions of length 1, `users x latent`.
        kappa: concentrations, one per user.
    """

    mu: Float[Array, "*users latent"]
    kappa: Float[Array, "*users"]

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """Draw a direction around mu."""
        along, across = jax.random.split(key)
        half = (self.mu.size - 1) / 2
        t = 2 * jax.random.beta(along, half + self.kappa, jnp.float32(half)) - 1
        v = unit(jax.random.normal(across, (self.mu.size - 1,)))
        around_first = jnp.concatenate([t[None], jnp.sqrt(jnp.maximum(1 - t**2, 1e-12)) * v])
        # The reflection that exchanges mu and the first axis.
        u = unit(jnp.eye(1, self.mu.size)[0] - self.mu)
        return around_first - 2 * u * (u @ around_first)

    def mean(self) -> Float[Array, " latent"]:
        """The mean direction."""
        return self.mu


def unit(vectors: Float[Array, "*users latent"]) -> Float[Array, "*users latent"]:
    """Vectors scaled to length 1; one of zeros stays so."""
    return vectors * jax.lax.rsqrt((vectors**2).sum(axis=-1, keepdims=True) + 1e-12)


def uniform_on_sphere() -> mv.Prior:
    """The uniform prior on the sphere, with the divergence in closed form."""

    def divergence(mu: Array, kappa: Array, z: Array, theta: mv.types.Theta) -> Array:
        del z, theta
        latent = mu.size
        b = (latent - 1) / 2
        a = b + kappa
        log_constant = (a + b) * jnp.log(2) + b * jnp.log(jnp.pi) + gammaln(a) - gammaln(a + b)
        entropy = log_constant - kappa * (jnp.log(2) + digamma(a) - digamma(a + b))
        log_area = jnp.log(2) + latent / 2 * jnp.log(jnp.pi) - gammaln(latent / 2)
        return log_area - entropy

    return mv.Prior(divergence)


def on_sphere(network: mv.Network) -> mv.Network:
    """A network whose code is a direction, from one with a normal posterior.

    The concentration is the number of dimensions over the mean variance, as that of a normal in so
    many dimensions would be. The decoder gets entries of about 1, as from a standard normal.
    """

    def encode(params: Any, batch: mv.Batch) -> PowerSpherical:
        mu, logvar = network.encode(params, batch)
        return PowerSpherical(unit(mu), mu.shape[1] * jnp.exp(-logvar.mean(axis=1)))

    def decode(params: Any, z: Array) -> Array:
        return network.decode(params, jnp.sqrt(z.shape[1]) * z)

    return mv.Network(network.init, encode, decode)

"""A conditional VAE: the decoder sees the features of the user, such as gender and age.

    python -m experiments.extensions conditional --data ml-100k/u.data --hidden 100 --latent 32

The features are those of a file about users beside the data: users.dat or u.user of MovieLens, or
users.csv; or of the file of `--users-file`. z is a pair, the draw and the user's features, to which
the decoder adds a linear layer of its own; p(z) stays a standard normal. The features of the
held-out users go with them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

import multvae_jax as mv


class Conditional(NamedTuple):
    """The normal posterior of each user, with the user's features for the decoder."""

    mu: Float[Array, "*users latent"]
    logvar: Float[Array, "*users latent"]
    user: Float[Array, "*users features"]

    def sample(self, key: PRNGKeyArray) -> tuple[Array, Array]:
        """Draw z."""
        return mv.Posterior(self.mu, self.logvar).sample(key), self.user

    def mean(self) -> tuple[Array, Array]:
        """The mean of z."""
        return self.mu, self.user


def standard_normal_of_z() -> mv.Prior:
    """The standard normal, whatever the features."""

    def divergence(
        mu: Array, logvar: Array, user: Array, z: tuple[Array, Array], theta: mv.types.Theta
    ) -> Array:
        del user, z, theta
        return mv.priors.kl_from_standard_normal(mu, logvar)

    return mv.Prior(divergence)


def conditional(network: mv.Network, n_features: int) -> mv.Network:
    """A network whose decoder sees the features of users.

    Args:
        network: one with a normal posterior.
        n_features: number of features of a user.
    """

    def init(key: PRNGKeyArray, n_items: int) -> dict[str, Any]:
        return {**network.init(key, n_items), "of_user": jnp.zeros((n_features, n_items))}

    def encode(params: Any, batch: mv.Batch) -> Conditional:
        return Conditional(*network.encode(params, batch), batch.user_features)

    def decode(params: Any, z: tuple[Array, Array]) -> Array:
        return network.decode(params, z[0]) + z[1] @ params["of_user"]

    return mv.Network(init, encode, decode)

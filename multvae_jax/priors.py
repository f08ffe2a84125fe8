"""Priors over z."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.types import Theta, no_parameters


class Prior(NamedTuple):
    """A prior over z, given by the divergence of one user's posterior from it.

    Attributes:
        divergence: `(mu, logvar, z, theta) -> scalar`, KL(q || p), exact or estimated at the
            sample z; `mu`, `logvar` and `z` have length `latent`.
        constants: numbers that a sweep may vary; they are passed in `theta`.
        init: `(key, n_items) -> dict` of parameters to train; they are also passed in `theta`.
    """

    divergence: Callable[[Array, Array, Array, Theta], Array]
    constants: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never written to
    init: Callable[[PRNGKeyArray, int], dict[str, Any]] = no_parameters


def kl_from_standard_normal(
    mu: Float[Array, " latent"], logvar: Float[Array, " latent"]
) -> Float[Array, ""]:
    """KL(N(mu, exp(logvar)) || N(0, 1)), summed over the dimensions (section 2.2.2)."""
    return 0.5 * (jnp.exp(logvar) + mu**2 - 1.0 - logvar).sum()


def log_normal(z: Array, mu: Array, logvar: Array) -> Array:
    """The log density of a normal, entry by entry."""
    return -0.5 * (logvar + np.log(2 * np.pi) + (z - mu) ** 2 * jnp.exp(-logvar))


def standard_normal() -> Prior:
    """The paper's prior, with the divergence in closed form."""

    def divergence(mu: Array, logvar: Array, z: Array, theta: Theta) -> Array:
        del z, theta
        return kl_from_standard_normal(mu, logvar)

    return Prior(divergence)

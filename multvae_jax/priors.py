"""Priors over z."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.errors import InputError
from multvae_jax.posteriors import Posterior, fields_of, map_users, names_of
from multvae_jax.posteriors import log_normal as log_normal
from multvae_jax.types import Theta, missing_named, no_parameters


class Prior(NamedTuple):
    """A prior over z, given by the divergence of one user's posterior from it.

    Attributes:
        divergence: `(mu, logvar, z, theta) -> scalar`, KL(q || p), exact or estimated at the
            sample z; `mu`, `logvar` and `z` have length `latent`. For a posterior other than the
            normal, its fields are passed instead of `mu` and `logvar`.
        constants: numbers that a sweep may vary; they are passed in `theta`.
        init: `(key, n_items) -> dict` of parameters to train; they are also passed in `theta`.
    """

    divergence: Callable[..., Array]
    constants: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never written to
    init: Callable[[PRNGKeyArray, int], dict[str, Any]] = no_parameters


def kl_from_standard_normal(
    mu: Float[Array, " latent"], logvar: Float[Array, " latent"]
) -> Float[Array, ""]:
    """KL(N(mu, exp(logvar)) || N(0, 1)), summed over the dimensions (section 2.2.2).

    Example:
        >>> float(kl_from_standard_normal(jnp.ones(2), jnp.zeros(2)))
        1.0
    """
    return 0.5 * (jnp.exp(logvar) + mu**2 - 1.0 - logvar).sum()


def standard_normal() -> Prior:
    """The paper's prior, with the divergence in closed form.

    Example:
        >>> prior = mv.priors.standard_normal()
        >>> mu, logvar = jnp.ones(2), jnp.zeros(2)
        >>> float(prior.divergence(mu, logvar, mu, {}))
        1.0
    """

    def divergence(mu: Array, logvar: Array, z: Array, theta: Theta) -> Array:
        del z, theta
        return kl_from_standard_normal(mu, logvar)

    return Prior(divergence)


def divergences(prior: Prior, posterior: Any, z: Any, theta: Theta) -> Float[Array, " users"]:
    """The divergence of every user's posterior from a prior.

    Args:
        prior: the prior.
        posterior: a posterior with a row per user.
        z: samples of it.
        theta: constants and parameters of the prior.

    Raises:
        InputError: if the prior is one for another posterior, or reads something from theta that is
            not there.

    Example:
        >>> posterior = mv.Posterior(jnp.ones((3, 2)), jnp.zeros((3, 2)))
        >>> divergences(mv.priors.standard_normal(), posterior, posterior.mu, {}).tolist()
        [1.0, 1.0, 1.0]
    """
    check_fits(prior, posterior)

    def of_user(one: Any, z: Any) -> Array:
        return prior.divergence(*fields_of(one), z, theta)

    with missing_named(theta):
        each: Array = map_users(of_user, posterior, z)
    if each.ndim != 1:
        raise InputError(
            f"prior: its divergence returns an array of shape {each.shape[1:]} for one user "
            "instead of a scalar; sum over the dimensions of z"
        )
    return each


def check_fits(prior: Prior, posterior: Any) -> None:
    """Refuse a prior whose divergence does not take the fields of a posterior.

    Raises:
        InputError: naming both.
    """
    names = names_of(posterior)
    try:
        parameters = inspect.signature(prior.divergence).parameters.values()
    # A function in C may have no signature.
    except (TypeError, ValueError):
        return
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return
    taken = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    needed = sum(
        p.default is p.empty
        for p in parameters
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    )
    fits = needed <= len(names) + 2 <= len(taken)
    # Two fields of another meaning would be taken for those of a normal.
    is_for_normal = tuple(taken[:2]) == Posterior._fields
    if not fits or (is_for_normal and names[:2] != Posterior._fields):
        raise InputError(
            f"prior: its divergence takes ({', '.join(taken)}), but the posterior "
            f"{type(posterior).__name__} needs ({', '.join((*names, 'z', 'theta'))})"
        )

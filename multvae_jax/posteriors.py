"""Posteriors q(z | x) as values: how z is drawn, and the z that users are scored with.

A posterior is a `NamedTuple`, or a dataclass registered as a pytree, of arrays with a row per user,
whose class has pure functions of one user:

- `sample(key) -> z`, reparameterized, so that its gradient reaches the fields;
- `mean() -> z`, what the user is scored with, of the shapes of a sample;
- `log_prob(z) -> scalar`, if an objective needs it; the package's own do not.

z is one array per user, or a tuple of arrays, as in a ladder of several layers. A field named in
the attribute `shared` of the class has no row per user but is the same for all, such as weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from multvae_jax.errors import InputError, names_like
from multvae_jax.keys import user_keys


def log_normal(z: Array, mu: Array, logvar: Array) -> Array:
    """The log density of a normal, entry by entry."""
    return -0.5 * (logvar + np.log(2 * np.pi) + (z - mu) ** 2 * jnp.exp(-logvar))


class Posterior(NamedTuple):
    """q(z | x) of each user: a normal with diagonal covariance.

    Attributes:
        mu: means, `users x latent`.
        logvar: logarithms of the variances, `users x latent`.
    """

    mu: Float[Array, "*users latent"]
    logvar: Float[Array, "*users latent"]

    def sample(self, key: PRNGKeyArray) -> Float[Array, "*users latent"]:
        """The reparameterized sample z = mu + eps exp(logvar / 2), eps ~ N(0, 1)."""
        eps = jax.random.normal(key, self.mu.shape, self.mu.dtype)
        return self.mu + eps * jnp.exp(0.5 * self.logvar)

    def mean(self) -> Float[Array, "*users latent"]:
        """The mean."""
        return self.mu

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """The log density at one user's z."""
        return log_normal(z, self.mu, self.logvar).sum()


def as_posterior(code: Any) -> Any:
    """The posterior that an encoder returns; a pair of arrays is mu and logvar of a normal.

    Args:
        code: output of the encoder.

    Raises:
        InputError: if it is neither.

    Example:
        >>> as_posterior((jnp.zeros((2, 3)), jnp.ones((2, 3)))).mean().shape
        (2, 3)
    """
    if _is_posterior(code):
        return code
    if isinstance(code, tuple):
        _refuse_half(code)
    if isinstance(code, tuple) and len(code) == 2:
        return Posterior(*code)
    is_array = isinstance(code, jax.Array)
    got = f"an array of shape {code.shape}" if is_array else type(code).__name__
    raise InputError(
        f"network: its encoder returns {got}, but a variational autoencoder "
        "needs a posterior, such as Posterior(mu, logvar), or a class with sample(key) and mean()"
    )


def _refuse_half(code: Any) -> None:
    """Refuse a tuple whose class has only one function of a posterior, which would be unused."""
    has = {name for name in ("sample", "mean") if callable(getattr(code, name, None))}
    if has:
        (missing,) = {"sample", "mean"} - has
        raise InputError(
            f"network: {type(code).__name__} has {', '.join(has)} but no {missing}; a posterior "
            "has sample(key), from which z is drawn, and mean(), with which users are scored"
        )


def as_normal(code: Any, what: str) -> Posterior:
    """The posterior that an encoder returns, if it is a normal.

    Args:
        code: output of the encoder.
        what: what needs a normal, for the message.

    Raises:
        InputError: if it is another posterior, or none.
    """
    posterior = as_posterior(code)
    if isinstance(posterior, Posterior):
        return posterior
    raise InputError(
        f"network: {what} needs a normal posterior, Posterior(mu, logvar), and not "
        f"{type(posterior).__name__}"
    )


def as_code(code: Any) -> Any:
    """The code that an encoder returns, if it is an array and not a posterior.

    Raises:
        InputError: if it is a posterior, from which nothing would be drawn, or no array.
    """
    if _is_posterior(code) or (isinstance(code, tuple) and len(code) == 2):
        raise InputError(
            f"network: its encoder returns a posterior ({type(code).__name__}), but a denoising "
            "autoencoder needs an array; use vae(...), or denoising_mlp"
        )
    if not hasattr(code, "shape"):
        raise InputError(
            f"network: its encoder returns {type(code).__name__}, but a denoising autoencoder "
            "needs an array, users x latent"
        )
    return code


def _is_posterior(code: Any) -> bool:
    return callable(getattr(code, "sample", None)) and callable(getattr(code, "mean", None))


def is_code_of_arrays(code: Any) -> bool:
    """Return whether an encoder's output is neither a posterior nor a pair that stands for one."""
    return not _is_posterior(code) and not isinstance(code, tuple)


def names_of(posterior: Any) -> tuple[str, ...]:
    """The names of the fields of a posterior.

    Raises:
        InputError: if its class does not have any.
    """
    if dataclasses.is_dataclass(posterior):
        return tuple(field.name for field in dataclasses.fields(posterior))
    if isinstance(posterior, tuple) and hasattr(posterior, "_fields"):
        return tuple(posterior._fields)
    raise InputError(
        f"network: {type(posterior).__name__}, which its encoder returns, must be a NamedTuple of "
        "arrays, or a dataclass that is registered as a pytree"
    )


def fields_of(posterior: Any) -> tuple[Any, ...]:
    """The fields of a posterior, in their order."""
    return tuple(getattr(posterior, name) for name in names_of(posterior))


def map_users(function: Callable[..., Any], posterior: Any, *others: Any) -> Any:
    """Apply a function of one user's posterior, and of one row of each other array, to all users.

    Raises:
        InputError: if a field has no row per user.
    """
    shared = getattr(posterior, "shared", ())
    _check_rows(posterior)
    axes: Any = 0
    if shared:
        places = {name: None if name in shared else 0 for name in names_of(posterior)}
        is_dataclass = dataclasses.is_dataclass(posterior)
        replace: Any = dataclasses.replace if is_dataclass else type(posterior)._replace
        axes = replace(posterior, **places)
    return jax.vmap(function, (axes, *(0 for _ in others)))(posterior, *others)


def _check_rows(posterior: Any, n_users: int | None = None) -> None:
    """Refuse a field that has no row per user; by default, as many as the first field has."""
    names, shared = names_of(posterior), getattr(posterior, "shared", ())
    kind = type(posterior).__name__
    for name in shared:
        if name not in names:
            raise InputError(
                f"{kind}: `shared` names '{name}', which is not a field{names_like(name, names)}"
            )
    for name, field in zip(names, fields_of(posterior), strict=True):
        if name in shared:
            continue
        for shape in map(jnp.shape, jax.tree.leaves(field)):
            if n_users is None and shape:
                n_users = shape[0]
            if shape[:1] != (n_users,):
                raise InputError(
                    f"{kind}: the field '{name}' has the shape {shape} for {n_users} users; name "
                    "one that all users share in `shared` of the class"
                )


def _check_shapes(posterior: Any) -> None:
    """Refuse a posterior whose samples differ from its means in shape or structure."""

    def shapes_of(function: Callable[..., Any]) -> Any:
        found = jax.eval_shape(partial(map_users, function), posterior)
        return jax.tree.map(jnp.shape, found)

    drawn = shapes_of(lambda one: one.sample(jax.random.key(0)))
    scored = shapes_of(lambda one: one.mean())
    if drawn != scored:
        raise InputError(
            f"{type(posterior).__name__}: sample(key) and mean() return arrays of shapes {drawn} "
            f"and {scored}; both return the z of one user that the decoder takes"
        )


def sample_posterior(key: PRNGKeyArray, users: Int[Array, " users"], posterior: Any) -> Any:
    """Draw z for every user, each with a key of their own.

    Args:
        key: random key, folded with each user, so that a draw does not depend on the batch.
        users: `batch.users`.
        posterior: a posterior with a row per user.

    Raises:
        InputError: if a field has no row per user, or the samples are not of the shapes of the
            means.

    Example:
        >>> posterior = mv.Posterior(jnp.ones((2, 3)), jnp.zeros((2, 3)))
        >>> sample_posterior(key, jnp.arange(2), posterior).shape
        (2, 3)
    """
    _check_rows(posterior, users.shape[0])
    _check_shapes(posterior)
    return map_users(lambda one, key: one.sample(key), posterior, user_keys(key, users))


def posterior_mean(posterior: Any) -> Any:
    """The z that each user is scored with.

    Args:
        posterior: what the encoder of a variational autoencoder returns.

    Raises:
        InputError: as in `as_posterior` and `sample_posterior`.

    Example:
        >>> posterior_mean(mv.Posterior(jnp.ones((2, 3)), jnp.zeros((2, 3)))).shape
        (2, 3)
    """
    posterior = as_posterior(posterior)
    if not isinstance(posterior, Posterior):
        _check_shapes(posterior)
    return map_users(lambda one: one.mean(), posterior)

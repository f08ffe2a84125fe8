"""Checks of a likelihood, a prior or a network of one's own, for a test of one's own.

Each of the three functions runs what it is given on a handful of small histories, a full and an
empty one among them, and raises an `AssertionError` that says in one sentence what is broken.
They need no test framework: `check_likelihood(focal(2.0))` in a test is all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from multvae_jax.batching import Batch
from multvae_jax.likelihoods import Likelihood, log_likelihood
from multvae_jax.networks import Network
from multvae_jax.priors import Prior
from multvae_jax.testing.probes import (
    USERS,
    Arguments,
    RowFunction,
    batch_of,
    check_dtype,
    check_finite,
    check_gradient,
    check_places,
    check_scalar,
    check_transformations,
    initial_theta,
    matrix,
    parameters,
    run,
)


def check_likelihood(
    likelihood: Likelihood,
    *,
    n_items: int = 7,
    values: Sequence[float] = (1.0, 2.0),
    largest_logit: float = 1e4,
    finite_differences: bool = True,
) -> None:
    """Check a likelihood.

    Args:
        likelihood: what to check.
        n_items: size of the catalogue to try it on.
        values: that an interaction may have.
        largest_logit: up to where log p and its gradient have to be finite.
        finite_differences: whether the gradient has to be that of the value. It is not where a
            loss stops a gradient on purpose.

    Raises:
        AssertionError: saying what is broken.
    """
    theta = initial_theta(likelihood, n_items)
    x, draw = matrix(n_items, values), np.random.default_rng(1)
    batch, logits = batch_of(x), jnp.asarray(draw.normal(size=x.shape), jnp.float32)
    summary = run("summary", likelihood.summary, batch)
    if summary.shape[:1] != (len(x),):
        raise AssertionError(f"summary has the shape {summary.shape} for {len(x)} users")
    check_scalar("click", likelihood.click, (logits[0, 0], jnp.float32(values[0])), theta)
    check_scalar("normalizer", likelihood.normalizer, (logits[0], summary[0]), theta)

    def user_by_user() -> Array:
        def of(f: Array, row: np.ndarray, told: Array) -> Array:
            clicks = [likelihood.click(f[i], jnp.float32(row[i]), theta) for i in row.nonzero()[0]]
            return sum(clicks, jnp.float32(0)) - likelihood.normalizer(f, told, theta)

        return jnp.stack([of(*user) for user in zip(logits, x, summary, strict=True)])

    def function(arguments: Arguments, batch: Batch) -> Array:
        return log_likelihood(likelihood, arguments["theta"], arguments["logits"], batch)

    rows = RowFunction("log p", function, ("logits",))
    arguments = {"logits": logits, "theta": theta}
    check_transformations(rows, arguments, batch, user_by_user)
    check_places(rows, arguments, x)
    check_finite(rows, arguments, batch)
    signs = np.sign(draw.normal(size=x.shape))
    for extreme in (signs, -signs, np.ones(x.shape), -np.ones(x.shape)):
        far = {**arguments, "logits": jnp.asarray(largest_logit * extreme, jnp.float32)}
        check_finite(rows, far, batch, f" at logits of ±{largest_logit:g}")
    if finite_differences:
        check_gradient(rows, arguments, batch)


def check_prior(
    prior: Prior,
    *,
    latent: int = 4,
    n_items: int = 7,
    largest_mu: float = 100.0,
    largest_logvar: float = 20.0,
    finite_differences: bool = True,
) -> None:
    """Check a prior.

    Args:
        prior: what to check.
        latent: dimensions of z.
        n_items: size of the catalogue that `init` is told.
        largest_mu: up to where the divergence and its gradient have to be finite.
        largest_logvar: likewise, above and below 0.
        finite_differences: as of `check_likelihood`.

    Raises:
        AssertionError: saying what is broken.
    """
    theta = initial_theta(prior, n_items)
    mu, logvar, eps = np.random.default_rng(1).normal(size=(3, len(USERS), latent))
    # About what an encoder makes of an empty history; roots and quotients are at risk there.
    mu[-1] = logvar[-1] = eps[-1] = 0
    batch = batch_of(matrix(n_items, (1.0,)))

    def at(mu: np.ndarray, logvar: np.ndarray) -> Arguments:
        posterior = {"mu": mu, "logvar": logvar, "z": mu + eps * np.exp(logvar / 2)}
        named = {name: jnp.asarray(value, jnp.float32) for name, value in posterior.items()}
        return {**named, "theta": theta}

    arguments = at(mu, logvar)

    def of(user: int) -> tuple[Array, Array, Array]:
        return arguments["mu"][user], arguments["logvar"][user], arguments["z"][user]

    check_scalar("divergence", prior.divergence, of(0), theta)

    def user_by_user() -> Array:
        return jnp.stack([prior.divergence(*of(user), theta) for user in range(len(USERS))])

    def function(arguments: Arguments, batch: Batch) -> Array:
        mapped = jax.vmap(prior.divergence, (0, 0, 0, None))
        return mapped(arguments["mu"], arguments["logvar"], arguments["z"], arguments["theta"])

    rows = RowFunction("the divergence", function, ("mu", "logvar", "z"))
    check_transformations(rows, arguments, batch, user_by_user)
    check_finite(rows, arguments, batch)
    for sign in (1.0, -1.0):
        far = at(largest_mu * np.sign(eps), np.full(mu.shape, sign * largest_logvar))
        where = f" at mu = ±{largest_mu:g} and logvar = {sign * largest_logvar:g}"
        check_finite(rows, far, batch, where)
    if finite_differences:
        check_gradient(rows, arguments, batch)


def check_network(
    network: Network,
    *,
    n_items: int = 9,
    largest_z: float = 1e3,
    finite_differences: bool = True,
) -> None:
    """Check a network.

    Args:
        network: what to check, of a variational or of a denoising autoencoder.
        n_items: size of the catalogue to try it on.
        largest_z: up to where the logits and their gradient have to be finite.
        finite_differences: as of `check_likelihood`.

    Raises:
        AssertionError: saying what is broken.
    """
    params = parameters(network.init, n_items, may_ignore_key=False)
    x = matrix(n_items, (1.0,))
    # As training hands them over: of unit norm.
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
    batch, n_users = batch_of(x), len(USERS)

    def encode(arguments: Arguments, batch: Batch) -> Any:
        return network.encode(arguments["params"], batch)

    def decode(arguments: Arguments, batch: Batch) -> Array:
        return network.decode(arguments["params"], arguments["z"])

    code = run("encode", network.encode, params, batch)
    parts = code if isinstance(code, tuple) else (code,)
    shapes = [jnp.shape(part) for part in parts]
    if len(parts) > 2 or any(len(s) != 2 or s[0] != n_users or s != shapes[0] for s in shapes):
        raise AssertionError(
            f"encode returns the shapes {', '.join(map(str, shapes))} for {n_users} users, and "
            "not one array of users x latent or two of them, mu and logvar"
        )
    z = jnp.asarray(np.random.default_rng(1).normal(size=shapes[0]), jnp.float32)
    logits = run("decode", network.decode, params, z)
    if logits.shape != (n_users, n_items):
        raise AssertionError(
            f"decode returns the shape {logits.shape} for {n_users} users and {n_items} items"
        )
    encoder, decoder = (
        RowFunction("the code", encode),
        RowFunction("the output of decode", decode, ("z",)),
    )
    for name, rows in (("encode", encoder), ("decode", decoder)):
        arguments = {"params": params, "z": z}
        check_dtype(name, rows.function, arguments, batch)
        if rows is encoder:
            del arguments["z"]
        check_transformations(rows, arguments, batch)
        check_places(rows, arguments, x)
        check_finite(rows, arguments, batch)
        if finite_differences:
            check_gradient(rows, arguments, batch)
    for sign in (1.0, -1.0):
        far = {"params": params, "z": sign * largest_z * jnp.sign(z)}
        check_finite(decoder, far, batch, f" at a code of ±{largest_z:g}")

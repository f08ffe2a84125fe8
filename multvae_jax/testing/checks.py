"""Checks for your own likelihood, prior or network, to be called from your own tests.

Each function runs its argument on a few small histories, among them a full and an empty one. If
something is broken, it raises an `AssertionError` with a message of one sentence. No test
framework is needed: a call such as `check_likelihood(focal(2.0))` is a complete test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import check_kind
from multvae_jax.likelihoods import Likelihood, log_likelihood
from multvae_jax.networks import Network
from multvae_jax.posteriors import (
    Posterior,
    as_posterior,
    fields_of,
    is_code_of_arrays,
    names_of,
    sample_posterior,
)
from multvae_jax.priors import Prior, check_fits, divergences
from multvae_jax.testing.likelihood_checks import (
    KEY,
    check_blocks,
    check_bounded,
    check_draws,
    check_parts,
    check_probabilities,
    log_p_of_user,
)
from multvae_jax.testing.posterior_probes import check_sample, example_posterior, rows_of_code
from multvae_jax.testing.probes import (
    USERS,
    Arguments,
    RowFunction,
    call,
    check_dtype,
    check_finite,
    check_gradient,
    check_independence,
    check_init,
    check_scalar,
    check_signs,
    check_transformations,
    example_histories,
    initial_theta,
    make_batch,
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

    The checks cover shapes and precision; `jit` and `vmap`; that log p of a user depends neither
    on other users nor on the layout of the batch; finite values and gradients, also at extreme
    logits; the gradient against finite differences, and its sign: log p must not fall as the logit
    of an interaction rises, nor rise with the logits of the other items; and the keys of `init`.
    log p must not grow without bound as logits rise or fall together, and the probabilities of a
    softmax must not sum to more than one. If there is a `merge`, blocks of items must give the
    normalizer of all of them; if there is a `draw`, items must be drawn as often as its log_q says.

    Args:
        likelihood: the likelihood to check.
        n_items: number of items of the catalogue to run it on.
        values: values that an interaction may have.
        largest_logit: largest absolute logit at which log p and its gradient must be finite.
        finite_differences: whether to compare the gradient with finite differences. Set it to
            False if the likelihood stops a gradient on purpose.

    Raises:
        AssertionError: if something is broken; the message is one sentence.

    Example:
        >>> from multvae_jax.likelihoods import multinomial
        >>> check_likelihood(multinomial())
    """
    theta = initial_theta(likelihood, n_items)
    x, draw = example_histories(n_items, values), np.random.default_rng(1)
    batch, logits = make_batch(x), jnp.asarray(draw.normal(size=x.shape), jnp.float32)
    summary = call("summary", likelihood.summary, batch)
    if summary.shape[:1] != (len(x),):
        raise AssertionError(
            f"summary returns an array of shape {summary.shape} for {len(x)} users"
        )
    check_parts(likelihood, theta, logits[0], x[0], summary[0], values[0])
    check_draws(likelihood, theta, n_items)

    def user_by_user() -> Array:
        each = zip(logits, x, summary, range(len(x)), strict=True)
        return jnp.stack([log_p_of_user(likelihood, theta, *user) for user in each])

    def function(arguments: Arguments, batch: Batch) -> Array:
        theta, logits = arguments["theta"], arguments["logits"]
        return log_likelihood(likelihood, theta, logits, batch, jax.random.key(KEY))

    rows = RowFunction("log p", function, ("logits",))
    arguments = {"logits": logits, "theta": theta}
    check_transformations(rows, arguments, batch, user_by_user)
    check_independence(rows, arguments, x)
    check_finite(rows, arguments, batch)
    signs = np.sign(draw.normal(size=x.shape))
    for extreme in (signs, -signs, np.ones(x.shape), -np.ones(x.shape)):
        far = {**arguments, "logits": jnp.asarray(largest_logit * extreme, jnp.float32)}
        check_finite(rows, far, batch, f" at logits of ±{largest_logit:g}")
    if finite_differences:
        check_gradient(rows, arguments, batch)
        check_signs(rows, arguments, batch, x)
    check_bounded(likelihood, theta, logits, x)
    check_probabilities(likelihood, theta, n_items)
    check_blocks(likelihood, theta, logits, summary, largest_logit)


def check_prior(
    prior: Prior,
    *,
    posterior: Any = None,
    latent: int = 4,
    n_items: int = 7,
    largest_mu: float = 100.0,
    largest_logvar: float = 20.0,
    finite_differences: bool = True,
) -> None:
    """Check a prior.

    The checks are those of `check_likelihood`, applied to the divergence.

    Args:
        prior: the prior to check.
        posterior: examples of the posterior that the prior is for, with a row for each of some
            users; by default normals.
        latent: number of dimensions of z; of normals only, as are the two below.
        n_items: number of items to pass to `init`.
        largest_mu: largest absolute mu at which the divergence and its gradient must be finite.
        largest_logvar: largest absolute logvar at which they must be finite.
        finite_differences: as in `check_likelihood`.

    Raises:
        AssertionError: if something is broken; the message is one sentence.

    Example:
        >>> from multvae_jax.priors import standard_normal
        >>> check_prior(standard_normal())
    """
    theta = initial_theta(prior, n_items)
    mu, logvar, eps = np.random.default_rng(1).normal(size=(3, len(USERS), latent))
    # Similar to the code of an empty history, where roots and quotients may not be finite.
    mu[-1] = logvar[-1] = eps[-1] = 0
    batch = make_batch(example_histories(n_items, (1.0,)))

    def at(mu: np.ndarray, logvar: np.ndarray) -> Arguments:
        posterior = {"mu": mu, "logvar": logvar, "z": mu + eps * np.exp(logvar / 2)}
        named = {name: jnp.asarray(value, jnp.float32) for name, value in posterior.items()}
        return {**named, "theta": theta}

    if posterior is None:
        names: tuple[str, ...] = Posterior._fields
        arguments = at(mu, logvar)
        posterior = Posterior(*(arguments[name] for name in names))
        shared: tuple[str, ...] = ()
    else:
        names, shared = names_of(posterior), tuple(getattr(posterior, "shared", ()))
        posterior = example_posterior(posterior)
        z = call("sample", sample_posterior, jax.random.key(1), batch.users, posterior)
        fields = dict(zip(names, fields_of(posterior), strict=True))
        arguments = {**fields, "z": z, "theta": theta}
    call("divergence", check_fits, prior, posterior)
    own = tuple(name for name in names if name not in shared)

    def of(user: int) -> tuple[Any, ...]:
        return tuple(
            arguments[name]
            if name in shared
            else jax.tree.map(lambda leaf: leaf[user], arguments[name])
            for name in (*names, "z")
        )

    check_scalar("divergence", prior.divergence, of(0), theta)

    def user_by_user() -> Array:
        return jnp.stack([prior.divergence(*of(user), theta) for user in range(len(USERS))])

    def function(arguments: Arguments, batch: Batch) -> Array:
        of_users = type(posterior)(*(arguments[name] for name in names))
        return divergences(prior, of_users, arguments["z"], arguments["theta"])

    rows = RowFunction("the divergence", function, (*own, "z"))
    check_transformations(rows, arguments, batch, user_by_user)
    check_finite(rows, arguments, batch)
    if isinstance(posterior, Posterior):
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
    """Check a network of a variational or a denoising autoencoder.

    The checks are those of `check_likelihood`, applied to the code and to the logits; and, of a
    posterior other than the normal, to its sample and its mean.

    Args:
        network: the network to check.
        n_items: number of items of the catalogue to run it on.
        largest_z: largest absolute entry of z at which the logits and their gradient must be
            finite.
        finite_differences: as in `check_likelihood`.

    Raises:
        AssertionError: if something is broken; the message is one sentence.

    Example:
        >>> from multvae_jax.mlp import variational_mlp
        >>> check_network(variational_mlp(hidden=(5,), latent=3))
    """
    check_kind("network", network, Network, "variational_mlp((600,), 200)")
    params = check_init(network.init, n_items, may_ignore_key=False)
    x = example_histories(n_items, (1.0,))
    # Scaled to unit norm, as in training.
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-6)
    batch, n_users = make_batch(x), len(USERS)

    def encode(arguments: Arguments, batch: Batch) -> Any:
        return rows_of_code(network.encode(arguments["params"], batch))

    def decode(arguments: Arguments, batch: Batch) -> Array:
        return network.decode(arguments["params"], arguments["z"])

    code = call("encode", network.encode, params, batch)
    is_array = is_code_of_arrays(code)
    is_normal = not is_array and isinstance(call("encode", as_posterior, code), Posterior)
    if is_array or is_normal:
        parts = (code,) if is_array else tuple(code)
        shapes = [jnp.shape(part) for part in parts]
        if any(len(s) != 2 or s[0] != n_users or s != shapes[0] for s in shapes):
            raise AssertionError(
                f"encode returns arrays of shape {', '.join(map(str, shapes))} for {n_users} "
                "users, but must return one array of users x latent, or two: mu and logvar"
            )
        z = jnp.asarray(np.random.default_rng(1).normal(size=shapes[0]), jnp.float32)
    else:
        z = check_sample(network, params, batch, code)
    logits = call("decode", network.decode, params, z)
    if logits.shape != (n_users, n_items):
        raise AssertionError(
            f"decode returns an array of shape {logits.shape} for {n_users} users and "
            f"{n_items} items"
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
        check_independence(rows, arguments, x)
        check_finite(rows, arguments, batch)
        if finite_differences:
            check_gradient(rows, arguments, batch)
    # The z of another posterior may be bounded, such as to the unit sphere.
    for sign in (1.0, -1.0) if is_array or is_normal else ():
        far = {"params": params, "z": sign * largest_z * jnp.sign(z)}
        check_finite(decoder, far, batch, f" at a code of ±{largest_z:g}")

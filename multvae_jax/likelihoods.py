"""Likelihoods log p(x | f) of a user's interactions x, given the logits f of the decoder.

The likelihoods of the paper (section 2.1) have one form,

    log p(x | f) = sum over the interactions i of click(f_i, x_i)  -  normalizer(f, ...),

so that a loss over all items needs the user's interactions and one reduction over the logits,
but never the dense row x. Terms that depend only on x (the multinomial coefficient) are left out,
as in the paper. Only reverse-mode gradients are supported: `logsumexp` and `embedding_bag` define
their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.batching import Batch, dense_rows, sum_per_user, totals
from multvae_jax.errors import InputError
from multvae_jax.ops.logsumexp import logsumexp
from multvae_jax.types import Theta, missing_named, no_parameters


class Likelihood(NamedTuple):
    """A likelihood, from pure functions of one click and of one user's logits.

    Attributes:
        click: `(f, x, theta) -> scalar`, the term of one interaction of value x at logit f.
        normalizer: `(f, summary, theta) -> scalar`, the term to subtract for a user, given the
            logits `f` of all items.
        summary: `(batch) -> array` with one row per user, which the normalizer receives; by
            default the sum N of the user's interactions.
        constants: numbers that a sweep may vary; they are passed in `theta`.
        init: `(key, n_items) -> dict` of parameters to train; they are also passed in `theta`.
        merge: `(normalizers, summary, theta) -> scalar`, the normalizer of all items from the
            normalizers of blocks of items; None if the items cannot be split into blocks.
    """

    click: Callable[[Array, Array, Theta], Array]
    normalizer: Callable[[Array, Array, Theta], Array]
    summary: Callable[[Batch], Array] = totals
    constants: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never written to
    init: Callable[[PRNGKeyArray, int], dict[str, Any]] = no_parameters
    merge: Callable[[Array, Array, Theta], Array] | None = None


def log_likelihood(
    likelihood: Likelihood, theta: Theta, logits: Float[Array, "users items"], batch: Batch
) -> Float[Array, " users"]:
    """The log likelihood of every user of a ragged batch; padding counts as having no clicks."""
    summary = likelihood.summary(batch)
    clicks = sum_of_clicks(likelihood, theta, logits, batch)
    return clicks - normalizers_of(likelihood, theta, logits, summary)


def sum_of_clicks(
    likelihood: Likelihood, theta: Theta, logits: Float[Array, "users items"], batch: Batch
) -> Float[Array, " users"]:
    """Sum of the click terms of each user."""
    clicked = batch.values != 0
    # Padding also gets harmless arguments: where a click function is undefined (log 0) or
    # overflows, its gradient would turn the zero that masks it into NaN.
    at_clicks = jnp.where(
        clicked, logits.at[batch.owner[:, None], batch.items].get(mode="clip"), 0.0
    )
    values = jnp.where(clicked, batch.values, 1.0)
    per_click = jax.vmap(jax.vmap(likelihood.click, (0, 0, None)), (0, 0, None))
    with missing_named(theta):
        of_one = jax.ShapeDtypeStruct((), logits.dtype)
        shape = jax.eval_shape(likelihood.click, of_one, of_one, theta).shape
        if shape != ():
            raise InputError(
                f"click returns an array of shape {shape} for one interaction instead of a scalar; "
                "it sees one logit, and no item"
            )
        terms = jnp.where(clicked, per_click(at_clicks, values, theta), 0.0)
    return sum_per_user(batch, terms)


def normalizers_of(
    likelihood: Likelihood, theta: Theta, logits: Float[Array, "users items"], summary: Array
) -> Float[Array, " users"]:
    """Normalizer of each user, given the summaries of their interactions."""
    with missing_named(theta):
        return jax.vmap(likelihood.normalizer, (0, 0, None))(logits, summary, theta)


def dense_log_likelihood(
    likelihood: Likelihood, theta: Theta, logits: Float[Array, " items"], x: Float[Array, " items"]
) -> Float[Array, ""]:
    """The log likelihood of one user from the dense row x; a reference for the ragged form."""
    n_items = x.shape[0]
    batch = Batch(
        items=jnp.arange(n_items, dtype=jnp.int32)[None],
        values=x[None],
        owner=jnp.zeros(1, jnp.int32),
        part=jnp.zeros(1, jnp.int32),
        users=jnp.zeros(1, jnp.int32),
        n_items=n_items,
    )
    return log_likelihood(likelihood, theta, logits[None], batch)[0]


def _linear_click(f: Array, x: Array, theta: Theta) -> Array:
    del theta
    return x * f


def _sum(normalizers: Float[Array, " blocks"], summary: Array, theta: Theta) -> Array:
    del summary, theta
    return normalizers.sum()


def multinomial() -> Likelihood:
    """sum_i x_i log softmax(f)_i (equation 2), the likelihood of Mult-VAE and Mult-DAE."""

    def normalizer(f: Array, total: Array, theta: Theta) -> Array:
        del theta
        return total * logsumexp(f)

    def merge(normalizers: Array, total: Array, theta: Theta) -> Array:
        del theta
        # Without interactions all normalizers are 0, whatever the logits.
        return total * logsumexp(normalizers / jnp.where(total == 0, 1.0, total))

    return Likelihood(_linear_click, normalizer, merge=merge)


def logistic() -> Likelihood:
    """sum_i x_i log sigmoid(f_i) + (1 - x_i) log(1 - sigmoid(f_i)) (equation 4)."""

    def normalizer(f: Array, total: Array, theta: Theta) -> Array:
        del total, theta
        return jax.nn.softplus(f).sum()

    return Likelihood(_linear_click, normalizer, merge=_sum)


def gaussian(c1: float = 1.0, c0: float = 0.1) -> Likelihood:
    """-sum_i c_i / 2 (x_i - f_i)^2, c_i = c1 at an interaction and c0 elsewhere (equation 3).

    The paper requires c1 > c0 and gives no numbers.
    """

    def click(f: Array, x: Array, theta: Theta) -> Array:
        return -0.5 * (theta["c1"] * (x - f) ** 2 - theta["c0"] * f**2)

    def normalizer(f: Array, total: Array, theta: Theta) -> Array:
        del total
        return 0.5 * theta["c0"] * (f**2).sum()

    return Likelihood(click, normalizer, constants={"c1": c1, "c0": c0}, merge=_sum)


def poisson() -> Likelihood:
    """sum_i x_i f_i - exp(f_i): counts with rates exp(f), which overflow above f = 88."""

    def normalizer(f: Array, total: Array, theta: Theta) -> Array:
        del total, theta
        return jnp.exp(f).sum()

    return Likelihood(_linear_click, normalizer, merge=_sum)


def dense(
    log_prob: Callable[[Array, Array, Theta], Array],
    constants: dict[str, Any] | None = None,
    init: Callable[[PRNGKeyArray, int], dict[str, Any]] = no_parameters,
) -> Likelihood:
    """A likelihood that does not decompose, such as a ranking loss or a focal term.

    It costs a dense users x items matrix of the batch, in addition to the logits.

    Args:
        log_prob: `(logits, x, theta) -> scalar` for one user; logits and x have length `items`.
        constants: as in `Likelihood`.
        init: as in `Likelihood`.

    Example:
        >>> def log_prob(f, x, theta):
        ...     return -theta["c"] * jnp.sum((x - f) ** 2)
        >>> squared_error = dense(log_prob, constants={"c": 0.5})
    """

    def nothing(f: Array, x: Array, theta: Theta) -> Array:
        del x, theta
        return jnp.zeros_like(f)

    def normalizer(f: Array, x: Array, theta: Theta) -> Array:
        return -log_prob(f, x, theta)

    return Likelihood(nothing, normalizer, dense_rows, constants or {}, init)

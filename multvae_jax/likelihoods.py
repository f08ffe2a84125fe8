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
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from multvae_jax.batching import dense_rows
from multvae_jax.checks.bounds import NotNegative, check_function, check_mapping, check_number
from multvae_jax.checks.signatures import checked, has_parameter, or_none
from multvae_jax.log_probability import Likelihood as Likelihood
from multvae_jax.log_probability import dense_log_likelihood as dense_log_likelihood
from multvae_jax.log_probability import log_likelihood as log_likelihood
from multvae_jax.log_probability import normalizers_of as normalizers_of
from multvae_jax.log_probability import sum_of_clicks as sum_of_clicks
from multvae_jax.ops.logsumexp import logsumexp
from multvae_jax.sampling import Drawn as Drawn
from multvae_jax.sampling import draws as draws
from multvae_jax.types import Theta, no_parameters


def _linear_click(f: Array, x: Array, theta: Theta) -> Array:
    del theta
    return x * f


def _sum(normalizers: Float[Array, " blocks"], summary: Array, theta: Theta) -> Array:
    del summary, theta
    return normalizers.sum()


def multinomial(gravity: float | None = None) -> Likelihood:
    """sum_i x_i log softmax(f)_i (equation 2), the likelihood of Mult-VAE and Mult-DAE.

    Args:
        gravity: weight of the sum of the squared logits, a penalty that pulls them towards 0; None
            for the paper's likelihood. The name is that of Krichene et al., "Efficient Training on
            Very Large Corpora via Gramian Estimation", ICLR 2019; implicit matrix factorization
            has the same term.

    Raises:
        InputError: the weight is negative.

    Example:
        >>> likelihood = mv.likelihoods.multinomial()
        >>> f, total = jnp.zeros(4), jnp.float32(2.0)
        >>> round(float(likelihood.normalizer(f, total, {})), 4)  # 2 log 4
        2.7726
    """

    def normalizer(f: Array, total: Array, theta: Theta) -> Array:
        del theta
        return total * logsumexp(f)

    def merge(normalizers: Array, total: Array, theta: Theta) -> Array:
        del theta
        # Without interactions all normalizers are 0, whatever the logits.
        return total * logsumexp(normalizers / jnp.where(total == 0, 1.0, total))

    if gravity is None:
        return Likelihood(_linear_click, normalizer, merge=merge)
    check_number("gravity", gravity, NotNegative)

    def sums(f: Array, total: Array, theta: Theta) -> tuple[Array, Array]:
        del total, theta
        return logsumexp(f), (f**2).sum()

    def merge_sums(sums: tuple[Array, Array], total: Array, theta: Theta) -> Array:
        of_logits, squares = sums
        return total * logsumexp(of_logits) + theta["gravity"] * squares.sum()

    return Likelihood(_linear_click, sums, constants={"gravity": gravity}, merge=merge_sums)


def logistic() -> Likelihood:
    """sum_i x_i log sigmoid(f_i) + (1 - x_i) log(1 - sigmoid(f_i)) (equation 4).

    Example:
        >>> model = mv.mult_vae(likelihood=mv.likelihoods.logistic())
    """

    def normalizer(f: Array, total: Array, theta: Theta) -> Array:
        del total, theta
        return jax.nn.softplus(f).sum()

    return Likelihood(_linear_click, normalizer, merge=_sum)


def gaussian(c1: float = 1.0, c0: float = 0.1) -> Likelihood:
    """-sum_i c_i / 2 (x_i - f_i)^2, c_i = c1 at an interaction and c0 elsewhere (equation 3).

    The paper requires c1 > c0 and gives no numbers.

    Args:
        c1: weight of the squared error of an interaction, not negative.
        c0: weight of the squared error of every other item, not negative.

    Raises:
        InputError: a weight is negative or not a number.

    Example:
        >>> likelihood = mv.likelihoods.gaussian(c1=1.0, c0=0.05)
        >>> likelihood.constants
        {'c1': 1.0, 'c0': 0.05}
    """
    check_number("c1", c1, NotNegative)
    check_number("c0", c0, NotNegative)

    def click(f: Array, x: Array, theta: Theta) -> Array:
        return -0.5 * (theta["c1"] * (x - f) ** 2 - theta["c0"] * f**2)

    def normalizer(f: Array, total: Array, theta: Theta) -> Array:
        del total
        return 0.5 * theta["c0"] * (f**2).sum()

    return Likelihood(click, normalizer, constants={"c1": c1, "c0": c0}, merge=_sum)


def poisson() -> Likelihood:
    """sum_i x_i f_i - exp(f_i): counts with rates exp(f), which overflow above f = 88.

    Example:
        >>> model = mv.mult_vae(likelihood=mv.likelihoods.poisson())
    """

    def normalizer(f: Array, total: Array, theta: Theta) -> Array:
        del total, theta
        return jnp.exp(f).sum()

    return Likelihood(_linear_click, normalizer, merge=_sum)


@checked(
    log_prob=partial(check_function, what="a function of (logits, x, theta)"),
    constants=or_none(partial(check_mapping, what="constants by name, such as {'gamma': 2.0}")),
    init=partial(check_function, what="a function of (key, n_items)"),
)
def dense(
    log_prob: Callable[..., Array],
    constants: dict[str, Any] | None = None,
    init: Callable[[PRNGKeyArray, int], dict[str, Any]] = no_parameters,
) -> Likelihood:
    """A likelihood that does not decompose, such as a ranking loss or a focal term.

    It costs a dense users x items matrix of the batch, in addition to the logits.

    Args:
        log_prob: `(logits, x, theta) -> scalar` for one user; logits and x have length `items`. A
            fourth parameter `key` receives a key of the user, for random numbers.
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

    def with_key(f: Array, x: Array, theta: Theta, key: PRNGKeyArray) -> Array:
        return -log_prob(f, x, theta, key=key)

    chosen = with_key if has_parameter(log_prob, "key") else normalizer
    return Likelihood(nothing, chosen, dense_rows, constants or {}, init)

"""Predicted probabilities of items, compared with the held-out clicks."""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from multvae_jax.batching import take
from multvae_jax.evaluation.evaluation_set import EvaluationSet
from multvae_jax.evaluation.ranking import item_mask
from multvae_jax.likelihoods import Likelihood, dense_log_likelihood
from multvae_jax.log_probability import further_parameters, needs_key
from multvae_jax.types import Scorer, Theta, scores_of

EDGES = tuple(10.0 ** (half / 2) for half in range(-10, 0))
"""Upper ends of the bins of probability but the last: half decades from 1e-5 on."""


class Calibration(NamedTuple):
    """Held-out clicks by the probability that was predicted for them.

    Attributes:
        predicted: clicks that are predicted of the items in each bin of probability; the bins end
            at `EDGES` and at 1.
        observed: clicks on these items.
        error: expected calibration error: the sum of |observed - predicted| over the bins, divided
            by the clicks; 0 if each bin has as many clicks as predicted.
        by_chance: the error, about, that probabilities without fault would have with so few clicks.
    """

    predicted: list[float]
    observed: list[float]
    error: float
    by_chance: float


def likelihood_of(model: Any) -> Likelihood | None:
    """The likelihood of a model that the package has made; None if it is not known."""
    found = (getattr(model, "made_by", None) or {}).get("likelihood")
    return found if isinstance(found, Likelihood) else None


_LOGITS = (0.5, -1.0, 0.25)
"""Logits at which a likelihood is tried."""


def problem_of_probabilities(likelihood: Likelihood | None) -> str | None:
    """Return why a likelihood does not give probabilities of items; None if it does.

    It is tried on three items. It gives probabilities if exp(log p) sums to 1, either over single
    clicks, as with the multinomial, or over all sets of clicks, as with the logistic; and if the
    normalizer of a single click is the same for all items.
    """
    if likelihood is None:
        return "the likelihood is not known"
    n = len(_LOGITS)
    logits = jnp.array(_LOGITS)
    rows = np.array(list(itertools.product((0, 1), repeat=n)), np.float32)
    # Rows of a single click, in the order of the items.
    single = [2 ** (n - 1 - item) for item in range(n)]
    try:
        if needs_key(likelihood):
            return "the likelihood draws random numbers"
        theta = {**likelihood.constants, **likelihood.init(jax.random.key(0), n)}
        log_p = jax.vmap(lambda x: dense_log_likelihood(likelihood, theta, logits, x))(
            jnp.asarray(rows)
        )
        clicks = _clicks(likelihood, theta, logits)
    # Whatever a likelihood of a certain number of items does with three.
    except Exception:
        return "the likelihood cannot be tried on three items"
    singles = np.asarray(log_p)[single]
    normalizers = np.asarray(clicks) - singles
    sums = (np.exp(singles).sum(), np.exp(np.asarray(log_p)).sum())
    if not any(math.isclose(total, 1.0, abs_tol=1e-4) for total in sums):
        return "exp(log p) does not sum to 1"
    if np.ptp(normalizers) > 1e-4:
        return "the normalizer depends on the items"
    return None


def _clicks(
    likelihood: Likelihood, theta: Theta, logits: Float[Array, " items"]
) -> Float[Array, " items"]:
    """The term of a single click on each item."""
    takes_item = "item" in further_parameters(likelihood, "click")

    def click(f: Array, item: Array) -> Array:
        of_item = {"item": item} if takes_item else {}
        term: Array = likelihood.click(f, jnp.float32(1), theta, **of_item)
        return term

    return jax.vmap(click)(logits, jnp.arange(len(logits), dtype=jnp.int32))


def calibration(
    scorer: Scorer, likelihood: Likelihood, theta: Theta, users: EvaluationSet
) -> Calibration:
    """Compare predicted probabilities with the held-out clicks of some users.

    Given that the next click is on an item that the user has not seen, item i has the probability

        p_i = exp(click(f_i)) / sum over the unseen items j of exp(click(f_j))

    and a user with n held-out clicks is expected to have n p_i of them there.

    Args:
        scorer: a scorer whose scores are the logits f.
        likelihood: a likelihood without a `problem_of_probabilities`.
        theta: its constants and trained parameters.
        users: held-out users.
    """
    predicted, observed = jax.jit(partial(_by_bin, likelihood))(scorer, theta, users)
    predicted, observed = np.asarray(predicted, np.float64), np.asarray(observed, np.float64)
    total = float(predicted.sum())
    chance = np.sqrt(2 / np.pi * predicted).sum() / total
    error = np.abs(observed - predicted).sum() / total
    return Calibration(predicted.tolist(), observed.tolist(), float(error), float(chance))


def _by_bin(
    likelihood: Likelihood, scorer: Scorer, theta: Theta, users: EvaluationSet
) -> tuple[Float[Array, " bins"], Float[Array, " bins"]]:
    """The clicks that are predicted, and those that are observed, in each bin."""
    edges = jnp.array(EDGES)

    def add(
        found: tuple[Array, Array], rows: Int[Array, " users"]
    ) -> tuple[tuple[Array, Array], None]:
        history = take(users.history, rows, users.capacities[0])
        targets = item_mask(take(users.targets, rows, users.capacities[1]))
        log_p = jax.vmap(lambda f: _clicks(likelihood, theta, f))(scores_of(scorer, history))
        p = jax.nn.softmax(jnp.where(item_mask(history), -jnp.inf, log_p), axis=1)
        expected = targets.sum(axis=1, keepdims=True).astype(p.dtype) * p
        bins = jnp.searchsorted(edges, p)
        predicted, observed = found
        predicted = predicted.at[bins].add(expected)
        return (predicted, observed.at[bins].add(targets.astype(jnp.float32))), None

    nothing = jnp.zeros(len(EDGES) + 1)
    return jax.lax.scan(add, (nothing, nothing), users.order)[0]

"""The dimensions of z: their divergences from the prior, and which of them are active."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from multvae_jax.batching import Histories, take
from multvae_jax.checks.bounds import take_rows
from multvae_jax.models import Model
from multvae_jax.posteriors import Posterior
from multvae_jax.sizes import request_of, users_at_once
from multvae_jax.types import Params, as_scorer

ACTIVE = 0.01
"""Variance of a mean over the users above which a dimension is active (Burda, Grosse and
Salakhutdinov, ICLR 2016)."""


class Latent(NamedTuple):
    """The dimensions of z over some users.

    Attributes:
        kl: mean over the users of KL(q(z | x) || N(0, 1)), in nats, of each dimension.
        variance: variance over the users of the mean of q(z | x), of each dimension.
    """

    kl: Float[np.ndarray, " latent"]
    variance: Float[np.ndarray, " latent"]

    @property
    def active(self) -> int:
        """Number of dimensions that are active."""
        return int((self.variance > ACTIVE).sum())


def latent_of(
    model: Model, params: Params, histories: sp.csr_array, user_features: Any = None
) -> Latent | None:
    """Encode users as for their scores, and describe each dimension of z.

    Args:
        model: a model with a `posterior`.
        params: its parameters.
        histories: users x items.
        user_features: data about the users, if the model reads any, with a row per user.

    Returns:
        The dimensions; None if the posterior is not a normal with diagonal covariance.
    """
    encode = as_scorer(Partial(model.posterior, params))
    at_once = users_at_once(500, histories.shape[1])
    n_users = histories.shape[0]
    parts = []
    for start in range(0, n_users, at_once):
        rows = slice(start, start + at_once)
        features = take_rows(user_features, rows)
        request, capacity = request_of(histories[rows], at_once, features)
        posterior = _encoded(encode, request, capacity=capacity)
        if type(posterior) is not Posterior:
            return None
        n_real = histories[rows].shape[0]
        parts.append([np.asarray(field, np.float64)[:n_real] for field in posterior])
    mu, logvar = (np.concatenate(field) for field in zip(*parts, strict=True))
    kl = 0.5 * (np.exp(logvar) + mu**2 - 1.0 - logvar)
    return Latent(kl.mean(axis=0), mu.var(axis=0))


@partial(jax.jit, static_argnames="capacity")
def _encoded(encode: Any, request: Histories, capacity: int) -> Array | Posterior:
    users = jnp.arange(request.n_users, dtype=jnp.int32)
    return encode(take(request, users, capacity))

"""Weighted matrix factorization, the WMF of the paper's tables.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008. The
item factors are those of the package `implicit`; what is ours is that a user never seen in
training gets his factor from one solve, as in the paper (section 4.3).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from multvae_jax.baselines._implicit import as_implicit_takes_it, from_implicit
from multvae_jax.batching import Batch
from multvae_jax.errors import InputError
from multvae_jax.types import Scorer


def fold_in(
    item_factors: Float[Array, "items factors"],
    regularization: Float[Array, ""],
    alpha: Float[Array, ""],
    batch: Batch,
) -> Float[Array, "users factors"]:
    """The factor of each user that fits his history best while the items' stay as they are.

    It minimizes sum_i c_i (p_i - u y_i)^2 + regularization |u|^2 over all items, with p_i = 1
    and c_i = alpha x_i for an item of the history, p_i = 0 and c_i = 1 for another: the normal
    equations (Y'Y + Y'(C - I)Y + regularization I) u = Y'C p. An empty history gets 0.

    Args:
        item_factors: Y.
        regularization: of the squared norm of a factor.
        alpha: confidence in an interaction of value 1.
        batch: the histories. Its users x factors x factors equations are in memory at once.
    """
    n_users, n_factors = batch.users.shape[0], item_factors.shape[1]
    confidence = alpha * batch.values
    extra = jnp.where(batch.values != 0, confidence - 1.0, 0.0)

    def add_chunk(sums: tuple[Array, Array], chunk: tuple[Array, ...]) -> tuple[Any, None]:
        items, c, more, owner = chunk
        y = item_factors[items]
        left = jnp.matmul((more[:, None] * y).T, y, precision="highest")
        right = jnp.matmul(c, y, precision="highest")
        # A chunk that is padding belongs to no user, and is dropped.
        return (
            sums[0].at[owner].add(left, mode="drop"),
            sums[1].at[owner].add(right, mode="drop"),
        ), None

    gram = jnp.matmul(item_factors.T, item_factors, precision="highest")
    everyone = gram + regularization * jnp.eye(n_factors, dtype=gram.dtype)
    nothing = (
        jnp.broadcast_to(everyone, (n_users, n_factors, n_factors)),
        jnp.zeros((n_users, n_factors), gram.dtype),
    )
    chunks = (batch.items, confidence, extra, batch.owner)
    (left, right), _ = jax.lax.scan(add_chunk, nothing, chunks)
    return jax.vmap(_solve)(left, right)


def _solve(
    left: Float[Array, "factors factors"], right: Float[Array, " factors"]
) -> Float[Array, " factors"]:
    return jax.scipy.linalg.solve(left, right, assume_a="pos")


def _score(
    item_factors: Float[Array, "items factors"],
    regularization: Float[Array, ""],
    alpha: Float[Array, ""],
    batch: Batch,
) -> Float[Array, "users items"]:
    return fold_in(item_factors, regularization, alpha, batch) @ item_factors.T


def wmf(
    train: sp.csr_array,
    factors: int = 64,
    regularization: float = 1.0,
    alpha: float = 10.0,
    iterations: int = 15,
    seed: int = 0,
) -> Scorer:
    """Alternating least squares on the training users; scores by the folded-in user's factor.

    Args:
        train: users x items.
        factors: dimensions of a factor.
        regularization: of the squared norms of the factors, the same for every user and item.
        alpha: confidence in an interaction of value 1, where one that is missing has 1.
        iterations: passes over users and items.
        seed: of the initial factors.

    Raises:
        InputError: if an option is out of bounds, or the package `implicit` is missing.
    """
    if factors < 1 or iterations < 1 or not regularization > 0 or not alpha > 0:
        raise InputError(
            f"WMF: {factors} factors, regularization {regularization}, alpha {alpha} and "
            f"{iterations} iterations: all must be positive"
        )
    package = from_implicit("als")
    # It solves users in threads of its own, and warns where BLAS has some, too.
    with import_module("threadpoolctl").threadpool_limits(1, "blas"):
        als = package.AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=alpha,
            iterations=iterations,
            random_state=seed,
            use_gpu=False,
        )
        als.fit(as_implicit_takes_it(train, np.float32), show_progress=False)
    return Partial(
        _score,
        jnp.asarray(als.item_factors),
        jnp.float32(regularization),
        jnp.float32(alpha),
    )

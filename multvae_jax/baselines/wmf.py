"""Weighted matrix factorization, the WMF of the paper's tables.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008. The
package `implicit` fits the item factors; `fold_in` computes the factors of users who were not
seen in training, as in the paper (section 4.3).
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from multvae_jax.baselines.baseline import Baseline
from multvae_jax.baselines.implicit_package import import_implicit, to_implicit
from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import LeastCount, check_is_number, check_matrix
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.networks import Head
from multvae_jax.types import Params, Scorer


def fold_in(
    item_factors: Float[Array, "items factors"],
    regularization: Float[Array, ""],
    alpha: Float[Array, ""],
    batch: Batch,
) -> Float[Array, "users factors"]:
    """Return the factor u of each user that best fits the user's history, given item factors.

    It minimizes sum_i c_i (p_i - u y_i)^2 + regularization |u|^2 over all items i, where p_i = 1
    and c_i = alpha x_i for items of the history, and p_i = 0 and c_i = 1 for all others. The
    normal equations are (Y'Y + Y'(C - I)Y + regularization I) u = Y'C p. The factor of an empty
    history is 0.

    Args:
        item_factors: Y.
        regularization: weight of the squared norm of a factor.
        alpha: confidence in an interaction of value 1.
        batch: the histories. Memory holds a `users x factors x factors` array.
    """
    n_users, n_factors = batch.users.shape[0], item_factors.shape[1]
    confidence = alpha * batch.values
    extra = jnp.where(batch.values != 0, confidence - 1.0, 0.0)

    def add_chunk(sums: tuple[Array, Array], chunk: tuple[Array, ...]) -> tuple[Any, None]:
        items, confidence, extra, owner = chunk
        y = item_factors[items]
        left = jnp.matmul((extra[:, None] * y).T, y, precision="highest")
        right = jnp.matmul(confidence, y, precision="highest")
        # Chunks of padding have no user and are dropped.
        return (
            sums[0].at[owner].add(left, mode="drop"),
            sums[1].at[owner].add(right, mode="drop"),
        ), None

    gram = jnp.matmul(item_factors.T, item_factors, precision="highest")
    shared = gram + regularization * jnp.eye(n_factors, dtype=gram.dtype)
    start = (
        jnp.broadcast_to(shared, (n_users, n_factors, n_factors)),
        jnp.zeros((n_users, n_factors), gram.dtype),
    )
    chunks = (batch.items, confidence, extra, batch.owner)
    (left, right), _ = jax.lax.scan(add_chunk, start, chunks)
    return jax.vmap(_solve)(left, right)


def _solve(
    left: Float[Array, "factors factors"], right: Float[Array, " factors"]
) -> Float[Array, " factors"]:
    return jax.scipy.linalg.solve(left, right, assume_a="pos")


def score(params: Params, batch: Batch) -> Float[Array, "users items"]:
    """Score the items by the product of their factors and the user's."""
    last = head(params, batch)
    return last.logits(last.h, last.columns)


def head(params: Params, batch: Batch) -> Head:
    """The factors of the users and of the items, whose products are the scores."""
    item_factors = params["item_factors"]
    factors = fold_in(item_factors, params["regularization"], params["alpha"], batch)
    return Head(factors, item_factors.T, jnp.matmul)


@checked(
    train=check_matrix,
    factors=int,
    regularization=check_is_number,
    alpha=check_is_number,
    iterations=int,
    seed=LeastCount,
)
def wmf(
    train: sp.csr_array,
    factors: int = 64,
    regularization: float = 1.0,
    alpha: float = 10.0,
    iterations: int = 15,
    seed: int = 0,
) -> Scorer:
    """Fit by alternating least squares; score by the item factors and the user's `fold_in`.

    Args:
        train: users x items.
        factors: number of dimensions of a factor.
        regularization: weight of the squared norm of each user's and each item's factor.
        alpha: confidence in an interaction of value 1; that in a missing interaction is 1.
        iterations: number of passes over users and items.
        seed: seed of the initial factors.

    Raises:
        InputError: if an option is not positive, or the package `implicit` is missing.

    Example:
        >>> scorer = wmf(split.train, factors=8)
        >>> evaluation = mv.evaluate(scorer, split.test)
    """
    return Partial(score, fit(train, factors, regularization, alpha, iterations, seed))


def fit(
    train: sp.csr_array,
    factors: int,
    regularization: float,
    alpha: float,
    iterations: int,
    seed: int,
) -> Params:
    """Fit the item factors; the arguments are those of `wmf`."""
    if factors < 1 or iterations < 1 or not regularization > 0 or not alpha > 0:
        raise InputError(
            f"WMF: {factors} factors, regularization {regularization}, alpha {alpha} and "
            f"{iterations} iterations: all must be positive"
        )
    package = import_implicit("als")
    # `implicit` solves users in its own threads, and warns if BLAS uses threads as well.
    with import_module("threadpoolctl").threadpool_limits(1, "blas"):
        als = package.AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            alpha=alpha,
            iterations=iterations,
            random_state=seed,
            use_gpu=False,
        )
        als.fit(to_implicit(train, np.float32), show_progress=False)
    return {
        "item_factors": jnp.asarray(als.item_factors),
        "regularization": jnp.float32(regularization),
        "alpha": jnp.float32(alpha),
    }


WMF = Baseline(
    "wmf",
    fit,
    score,
    constants={
        "factors": 64,
        "regularization": 1.0,
        "alpha": 10.0,
        "iterations": 15,
        "seed": 0,
    },
    grid={
        "factors": (16, 32, 64, 128),
        "regularization": (0.1, 1.0, 10.0, 30.0, 100.0),
        "alpha": (1.5, 4.0, 10.0, 30.0),
    },
    head=head,
    check=partial(import_implicit, "als"),
)

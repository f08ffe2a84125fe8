"""EASE: a linear item-item model with a closed-form solution.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import scipy.linalg
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Float

from multvae_jax.errors import InputError
from multvae_jax.host.memory import physical_memory
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.types import Scorer

BLOCK = 1024
"""Number of rows of an items x items matrix that are processed at once."""


def ease(
    train: sp.csr_array,
    regularization: float = 500.0,
    dtype: type[np.floating[Any]] = np.float64,
    max_memory: float | None = None,
) -> Scorer:
    """Fit EASE; score the items for a user with history x by x B, with B from `item_weights`.

    Args:
        train: users x items.
        regularization: lambda, the weight of B's squared Frobenius norm; positive. The default
            is Steck's choice for ML-20M.
        dtype: precision of the matrix inverse, float64 or float32; B is float32 in either case.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.

    Raises:
        InputError: as in `item_weights`.

    Example:
        >>> from multvae_jax.batching import take, to_device
        >>> train = sp.csr_array(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        >>> scorer = ease(train, regularization=1.0)
        >>> history = take(to_device(train[:1]), jax.numpy.array([0]), 1)
        >>> np.asarray(scorer(history), np.float64).round(3).tolist()
        [[0.667, 0.667, 0.0]]
    """
    return Partial(
        embedding_bag, jax.device_put(item_weights(train, regularization, dtype, max_memory))
    )


def item_weights(
    train: sp.csr_array,
    regularization: float,
    dtype: type[np.floating[Any]] = np.float64,
    max_memory: float | None = None,
) -> Float[np.ndarray, "items items"]:
    """Return the B that minimizes |X - X B|^2 + lambda |B|^2 subject to a zero diagonal.

    B = I - P / diag(P), column by column, with P = (X'X + lambda I)^-1 (equation 8 of Steck). The
    matrix is inverted on the host, by LAPACK and in place: float64 in jax would need a global
    setting, and a third of the memory is saved. With fewer users than items, a users x users
    matrix is inverted instead.

    Args:
        train: X, users x items.
        regularization: lambda, positive.
        dtype: precision of the matrix inverse, float64 or float32.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.

    Returns:
        B in float32; row i is what item i in the history adds to the score of every item.

    Raises:
        InputError: if lambda is not positive, or too small for the precision; or if the matrices
            do not fit in the memory.
    """
    if not 0 < regularization < np.inf:
        raise InputError(f"EASE: the regularization {regularization} is not a positive number")
    n_users, n_items = train.shape
    smaller = min(n_users, n_items)
    needed = np.dtype(dtype).itemsize * smaller**2 + np.dtype(np.float32).itemsize * n_items**2
    available = physical_memory() if max_memory is None else max_memory
    if needed > available:
        raise InputError(
            f"EASE: {n_items:,} items and {n_users:,} users need {needed:,} bytes of memory, but "
            f"only {int(available):,} are available"
        )
    solve = _solve_by_users if n_users < n_items else _solve_by_items
    return solve(sp.csr_array(train, dtype=dtype), regularization)


def _solve_by_items(x: sp.csr_array, regularization: float) -> Float[np.ndarray, "items items"]:
    inverse = _inverse(_gram(x, regularization), regularization)
    inverse /= -inverse.diagonal().copy()
    np.fill_diagonal(inverse, 0.0)
    weights = _empty_for_device(inverse.shape)
    weights[:] = inverse
    return weights


def _solve_by_users(x: sp.csr_array, regularization: float) -> Float[np.ndarray, "items items"]:
    """Solve with the smaller inverse: lambda P = I - X' (X X' + lambda I)^-1 X."""
    inverse = _inverse(_gram(sp.csr_array(x.T), regularization), regularization)
    users_by_item = sp.csr_array(x.T)
    weights = _empty_for_device((x.shape[1], x.shape[1]))
    for start in range(0, x.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        projection = users_by_item @ (users_by_item[block] @ inverse).T
        diagonal = projection[block].diagonal().copy()
        np.fill_diagonal(projection[block], 0.0)
        weights[:, block] = projection / (1.0 - diagonal)
    return weights


def _empty_for_device(shape: tuple[int, int]) -> Float[np.ndarray, "items items"]:
    """Allocate a float32 matrix, aligned so that jax on a CPU can use it without a copy."""
    alignment, size = 64, 4 * shape[0] * shape[1]
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size].view(np.float32).reshape(shape)


def _gram(x: sp.csr_array, regularization: float) -> Float[np.ndarray, "columns columns"]:
    """Return X'X + lambda I."""
    users_by_item = sp.csr_array(x.T)
    # LAPACK needs the order of Fortran to work in place; the matrix is symmetric.
    gram = np.empty((x.shape[1], x.shape[1]), x.dtype, order="F")
    # In blocks, since the whole product would take more memory sparse than dense.
    for start in range(0, x.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        gram[:, block] = (users_by_item[block] @ x).toarray().T
    np.fill_diagonal(gram, gram.diagonal() + regularization)
    return gram


def _inverse(
    gram: Float[np.ndarray, "columns columns"], regularization: float
) -> Float[np.ndarray, "columns columns"]:
    """Invert in place, by a Cholesky factorization."""
    factor, invert = scipy.linalg.get_lapack_funcs(("potrf", "potri"), (gram,))
    inverse, failed = factor(gram, lower=True, overwrite_a=True)
    if not failed:
        inverse, failed = invert(inverse, lower=True, overwrite_c=True)
    if failed:
        raise InputError(
            f"EASE: X'X + {regularization:g} I cannot be inverted in {gram.dtype.name}; "
            "a larger regularization may help"
        )
    # LAPACK fills in only the lower triangle.
    for start in range(0, len(inverse), BLOCK):
        stop = start + BLOCK
        square = inverse[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
    return inverse

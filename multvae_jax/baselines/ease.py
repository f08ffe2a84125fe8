"""EASE: the linear item-item model with a closed form.

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
"""Rows of an items x items matrix that are worked on at once."""


def ease(
    train: sp.csr_array,
    regularization: float = 500.0,
    dtype: type[np.floating[Any]] = np.float64,
    memory: float | None = None,
) -> Scorer:
    """Scores a user's items by x B, with the B of `item_weights`.

    Args:
        train: users x items.
        regularization: lambda, the weight of B's squared Frobenius norm; positive. Steck's
            choice for ML-20M unless given.
        dtype: of the inverse, float64 or float32; what scores is float32 either way.
        memory: bytes it may take; all of the machine's unless given.

    Raises:
        InputError: as `item_weights` says.
    """
    return Partial(
        embedding_bag, jax.device_put(item_weights(train, regularization, dtype, memory))
    )


def item_weights(
    train: sp.csr_array,
    regularization: float,
    dtype: type[np.floating[Any]] = np.float64,
    memory: float | None = None,
) -> Float[np.ndarray, "items items"]:
    """The B that minimizes |X - X B|^2 + lambda |B|^2 with a diagonal of zeros.

    B = I - P / diag(P), column by column, with P = (X'X + lambda I)^-1 (equation 8). The inverse
    is taken on the host, by LAPACK in the place of its argument: float64 would take a global
    setting in jax, and a third of the memory is saved. Where there are fewer users than items, it
    is that of a users x users matrix.

    Args:
        train: X, users x items.
        regularization: lambda, positive.
        dtype: of the inverse, float64 or float32.
        memory: bytes it may take; all of the machine's unless given.

    Returns:
        B in float32; row i holds what having item i adds to every item's score.

    Raises:
        InputError: if lambda is not positive, or too small for the precision; or if the matrices
            are larger than the memory.
    """
    if not 0 < regularization < np.inf:
        raise InputError(f"EASE: the regularization {regularization} is not a positive number")
    n_users, n_items = train.shape
    smaller = min(n_users, n_items)
    needed = np.dtype(dtype).itemsize * smaller**2 + np.dtype(np.float32).itemsize * n_items**2
    available = physical_memory() if memory is None else memory
    if needed > available:
        raise InputError(
            f"EASE: {n_items:,} items and {n_users:,} users take {needed:,} bytes, more than the "
            f"{int(available):,} there are"
        )
    through = _through_users if n_users < n_items else _through_items
    return through(sp.csr_array(train, dtype=dtype), regularization)


def _through_items(x: sp.csr_array, regularization: float) -> Float[np.ndarray, "items items"]:
    inverse = _inverse(_gram(x, regularization), regularization)
    inverse /= -inverse.diagonal().copy()
    np.fill_diagonal(inverse, 0.0)
    weights = _empty_for_device(inverse.shape)
    weights[:] = inverse
    return weights


def _through_users(x: sp.csr_array, regularization: float) -> Float[np.ndarray, "items items"]:
    """The same by lambda P = I - X' (X X' + lambda I)^-1 X: the smaller inverse."""
    inverse = _inverse(_gram(sp.csr_array(x.T), regularization), regularization)
    users_by_item = sp.csr_array(x.T)
    weights = _empty_for_device((x.shape[1], x.shape[1]))
    for start in range(0, x.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        reached = users_by_item @ (users_by_item[block] @ inverse).T
        own = reached[block].diagonal().copy()
        np.fill_diagonal(reached[block], 0.0)
        weights[:, block] = reached / (1.0 - own)
    return weights


def _empty_for_device(shape: tuple[int, int]) -> Float[np.ndarray, "items items"]:
    """Memory for float32 that begins where jax on a CPU can use it as it is, and need not copy."""
    alignment, size = 64, 4 * shape[0] * shape[1]
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size].view(np.float32).reshape(shape)


def _gram(x: sp.csr_array, regularization: float) -> Float[np.ndarray, "columns columns"]:
    """X'X + lambda I."""
    users_by_item = sp.csr_array(x.T)
    # Columns one after another, as LAPACK wants them; the matrix is symmetric.
    gram = np.empty((x.shape[1], x.shape[1]), x.dtype, order="F")
    # By blocks: the sparse product of all items at once would be larger than the dense one.
    for start in range(0, x.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        gram[:, block] = (users_by_item[block] @ x).toarray().T
    np.fill_diagonal(gram, gram.diagonal() + regularization)
    return gram


def _inverse(
    gram: Float[np.ndarray, "columns columns"], regularization: float
) -> Float[np.ndarray, "columns columns"]:
    """The inverse by Cholesky, in the place of its argument."""
    factor, invert = scipy.linalg.get_lapack_funcs(("potrf", "potri"), (gram,))
    inverse, failed = factor(gram, lower=True, overwrite_a=True)
    if not failed:
        inverse, failed = invert(inverse, lower=True, overwrite_c=True)
    if failed:
        raise InputError(
            f"EASE: X'X + {regularization:g} I cannot be inverted in {gram.dtype.name}; "
            "a larger regularization may help"
        )
    # Only the lower triangle is filled in.
    for start in range(0, len(inverse), BLOCK):
        stop = start + BLOCK
        square = inverse[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
    return inverse

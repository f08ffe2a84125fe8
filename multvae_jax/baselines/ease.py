"""EASE: the linear item-item model with a closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from __future__ import annotations

import os
from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Float

from multvae_jax.bags import bag
from multvae_jax.errors import InputError
from multvae_jax.models import Scorer

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
    return Partial(bag, jnp.asarray(item_weights(train, regularization, dtype, memory)))


def item_weights(
    train: sp.csr_array,
    regularization: float,
    dtype: type[np.floating[Any]] = np.float64,
    memory: float | None = None,
) -> Float[np.ndarray, "items items"]:
    """The B that minimizes |X - X B|^2 + lambda |B|^2 with a diagonal of zeros.

    B = I - P / diag(P), column by column, with P = (X'X + lambda I)^-1 (equation 8). The inverse
    is taken on the host, by LAPACK in the place of its argument: float64 would take a global
    setting in jax, and a third of the memory is saved.

    Args:
        train: X, users x items.
        regularization: lambda, positive.
        dtype: of the inverse, float64 or float32.
        memory: bytes it may take; all of the machine's unless given.

    Returns:
        B in float32; row i holds what having item i adds to every item's score.

    Raises:
        InputError: if lambda is not positive, or too small for the precision; or if the item
            count makes the matrices larger than the memory.
    """
    if not 0 < regularization < np.inf:
        raise InputError(f"EASE: the regularization {regularization} is not a positive number")
    n_items = train.shape[1]
    bytes_per_pair = np.dtype(dtype).itemsize + np.dtype(np.float32).itemsize
    _refuse_too_large(n_items, bytes_per_pair, _physical_memory() if memory is None else memory)

    inverse = _inverse(_gram(train, regularization, dtype))
    if inverse is None:
        raise InputError(
            f"EASE: X'X + {regularization:g} I cannot be inverted in {np.dtype(dtype).name}; "
            "a larger regularization may help"
        )
    inverse /= -inverse.diagonal().copy()
    np.fill_diagonal(inverse, 0.0)
    return inverse.astype(np.float32, order="C")


def _gram(
    train: sp.csr_array, regularization: float, dtype: type[np.floating[Any]]
) -> Float[np.ndarray, "items items"]:
    """X'X + lambda I."""
    users_by_item = sp.csr_array(train.T, dtype=dtype)
    x = sp.csr_array(train, dtype=dtype)
    # Columns one after another, as LAPACK wants them; the matrix is symmetric.
    gram = np.empty((x.shape[1], x.shape[1]), dtype, order="F")
    # By blocks: the sparse product of all items at once would be larger than the dense one.
    for start in range(0, x.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        gram[:, block] = (users_by_item[block] @ x).toarray().T
    np.fill_diagonal(gram, gram.diagonal() + regularization)
    return gram


def _inverse(
    gram: Float[np.ndarray, "items items"],
) -> Float[np.ndarray, "items items"] | None:
    """The inverse by Cholesky, in the place of its argument; None if there is none."""
    factor, invert = scipy.linalg.get_lapack_funcs(("potrf", "potri"), (gram,))
    cholesky, failed = factor(gram, lower=True, overwrite_a=True)
    if failed:
        return None
    inverse, failed = invert(cholesky, lower=True, overwrite_c=True)
    if failed:
        return None
    # Only the lower triangle is filled in.
    for start in range(0, len(inverse), BLOCK):
        stop = start + BLOCK
        square = inverse[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
    return inverse


def _refuse_too_large(n_items: int, bytes_per_pair: int, memory: float) -> None:
    needed = bytes_per_pair * n_items**2
    if needed > memory:
        raise InputError(
            f"EASE: {n_items:,} items take {needed:,} bytes ({bytes_per_pair} for each pair of "
            f"items), more than the {int(memory):,} there are"
        )


def _physical_memory() -> float:
    """Bytes of memory of the machine; without limit where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return np.inf

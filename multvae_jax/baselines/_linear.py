"""Closed-form item-item models: the weights of all items from one matrix inverse, on the host.

LAPACK inverts in place: float64 in jax would need a global setting, and a third of the memory is
saved.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from jaxtyping import Float

from multvae_jax.batching import Batch
from multvae_jax.errors import InputError
from multvae_jax.host.memory import physical_memory
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.types import Params

BLOCK = 1024
"""Number of rows of an items x items matrix that are processed at once."""


def score(params: Params, batch: Batch) -> Any:
    """Score the items by x B: row i of B is what item i of a history x adds to every score."""
    return embedding_bag(params["item_weights"], batch)


def check_memory(
    name: str, shape: tuple[int, ...], needed: int, max_memory: float | None = None
) -> None:
    """Refuse matrices that do not fit in the memory.

    Args:
        name: name of the baseline.
        shape: number of users and of items.
        needed: number of bytes that the baseline needs.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.

    Raises:
        InputError: naming the bytes that are needed, and those that are there.
    """
    available = physical_memory() if max_memory is None else max_memory
    if needed > available:
        raise InputError(
            f"{name}: {shape[1]:,} items and {shape[0]:,} users need {needed:,} bytes of memory, "
            f"but only {int(available):,} are available"
        )


def zero_diagonal_weights(
    name: str,
    x: sp.csr_array,
    penalty: Float[np.ndarray, " items"],
    dtype: type[np.floating[Any]] = np.float64,
    max_memory: float | None = None,
) -> Float[np.ndarray, "items items"]:
    """Return the B that minimizes |X - X B|^2 + |L^(1/2) B|^2 subject to a zero diagonal.

    B = I - C / diag(C), column by column, with C = (X'X + L)^-1 and L the diagonal matrix of the
    penalty. With fewer users than items, a users x users matrix is inverted instead.

    Args:
        name: name of the baseline, for messages.
        x: X, users x items.
        penalty: diagonal of L, positive.
        dtype: precision of the matrix inverse, float64 or float32.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.

    Returns:
        B in float32.

    Raises:
        InputError: the matrices do not fit in the memory, or the penalty is too small for the
            precision.
    """
    n_users, n_items = x.shape
    smaller = min(n_users, n_items)
    needed = np.dtype(dtype).itemsize * smaller**2 + np.dtype(np.float32).itemsize * n_items**2
    check_memory(name, x.shape, needed, max_memory)
    solve = _solve_by_users if n_users < n_items else _solve_by_items
    try:
        return solve(sp.csr_array(x, dtype=dtype), penalty.astype(dtype))
    except np.linalg.LinAlgError:
        raise InputError(
            f"{name}: X'X with a penalty of {penalty.min():g} cannot be inverted in "
            f"{np.dtype(dtype).name}; a larger regularization may help"
        ) from None


def _solve_by_items(
    x: sp.csr_array, penalty: Float[np.ndarray, " items"]
) -> Float[np.ndarray, "items items"]:
    inverse = _inverse(gram(x, penalty))
    inverse /= -inverse.diagonal().copy()
    np.fill_diagonal(inverse, 0.0)
    weights = _empty_for_device(inverse.shape)
    weights[:] = inverse
    return weights


def _solve_by_users(
    x: sp.csr_array, penalty: Float[np.ndarray, " items"]
) -> Float[np.ndarray, "items items"]:
    """Solve with the smaller inverse.

    With S = L^(1/2) and Z = X S^-1 it is S C S = I - Z' (Z Z' + I)^-1 Z.
    """
    scale = np.sqrt(penalty)
    z = sp.csr_array(x @ sp.diags_array(1 / scale))
    users_by_item = sp.csr_array(z.T)
    inverse = _inverse(gram(users_by_item, np.ones(x.shape[0], x.dtype)))
    weights = _empty_for_device((x.shape[1], x.shape[1]))
    for start in range(0, x.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        projection = users_by_item @ (users_by_item[block] @ inverse).T
        diagonal = projection[block].diagonal().copy()
        np.fill_diagonal(projection[block], 0.0)
        projection *= scale[block] / (1.0 - diagonal)
        weights[:, block] = projection / scale[:, None]
    return weights


def _empty_for_device(shape: tuple[int, int]) -> Float[np.ndarray, "items items"]:
    """Allocate a float32 matrix, aligned so that jax on a CPU can use it without a copy."""
    alignment, size = 64, 4 * shape[0] * shape[1]
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size].view(np.float32).reshape(shape)


def gram(
    x: sp.csr_array, penalty: Float[np.ndarray, " columns"]
) -> Float[np.ndarray, "columns columns"]:
    """Return X'X, with a penalty added to the diagonal."""
    rows_of_columns = sp.csr_array(x.T)
    # LAPACK needs the order of Fortran to work in place; the matrix is symmetric.
    product = np.empty((x.shape[1], x.shape[1]), x.dtype, order="F")
    # In blocks, since the whole product would take more memory sparse than dense.
    for start in range(0, x.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        product[:, block] = (rows_of_columns[block] @ x).toarray().T
    np.fill_diagonal(product, product.diagonal() + penalty)
    return product


def _inverse(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """Invert a positive definite matrix in place, by a Cholesky factorization.

    Raises:
        LinAlgError: it is not positive definite in its precision.
    """
    factor, invert = scipy.linalg.get_lapack_funcs(("potrf", "potri"), (matrix,))
    inverse, failed = factor(matrix, lower=True, overwrite_a=True)
    if not failed:
        inverse, failed = invert(inverse, lower=True, overwrite_c=True)
    if failed:
        raise np.linalg.LinAlgError
    # LAPACK fills in only the lower triangle.
    for start in range(0, len(inverse), BLOCK):
        stop = start + BLOCK
        square = inverse[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
        inverse[start:stop, stop:] = inverse[stop:, start:stop].T
    return inverse

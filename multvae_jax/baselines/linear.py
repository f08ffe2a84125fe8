"""Closed-form item-item models: the weights of all items from one matrix inverse, on the host.

LAPACK inverts in place: float64 in jax would need a global setting, and a third of the memory is
saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import scipy
import scipy.sparse as sp
from jaxtyping import Float

from multvae_jax.baselines.cost import bytes_to_fit
from multvae_jax.batching import Batch
from multvae_jax.errors import InputError
from multvae_jax.host.memory import physical_memory
from multvae_jax.host.processor import available_cores
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.types import Params

BLOCK = 1024
"""Number of rows of an items x items matrix that are processed at once."""

ROWS = 64
"""Number of rows of a product that is sparse on one side: few enough for the processor's cache."""


def score(params: Params, batch: Batch) -> Any:
    """Score the items by x B: row i of B is what item i of a history x adds to every score."""
    return embedding_bag(params["item_weights"], batch)


def on_device(weights: Float[np.ndarray, "items items"]) -> Params:
    """The parameters of `score`; on a CPU they are the given array, which is not copied."""
    return {"item_weights": jax.device_put(weights)}


def check_precision(name: str, dtype: Any) -> None:
    """Refuse what is neither float32 nor float64."""
    try:
        known = np.dtype(dtype) in (np.float32, np.float64)
    except (TypeError, ValueError):
        known = False
    if not known:
        raise InputError(f"{name}: {dtype!r:.40}; give np.float64 or np.float32")


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
    penalties: Sequence[Float[np.ndarray, " items"]],
    dtype: type[np.floating[Any]] = np.float64,
    max_memory: float | None = None,
) -> Iterator[Float[np.ndarray, "items items"]]:
    """Return the B that minimizes |X - X B|^2 + |L^(1/2) B|^2 with a zero diagonal, for each L.

    B = I - C / diag(C), column by column, with C = (X'X + L)^-1 and L the diagonal matrix of a
    penalty. X'X is computed once. With fewer users than items, a users x users matrix is inverted
    instead.

    Args:
        name: name of the baseline, for messages.
        x: X, users x items.
        penalties: diagonals of L, positive.
        dtype: precision of the matrix inverse, float64 or float32.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.

    Returns:
        An iterator of B in float32.

    Raises:
        InputError: the matrices do not fit in the memory, or a penalty is too small for the
            precision.
    """
    check_memory(name, x.shape, bytes_to_fit(x.shape, np.dtype(dtype).itemsize), max_memory)
    solve = _solve_by_users if x.shape[0] < x.shape[1] else _solve_by_items
    solutions = solve(sp.csr_array(x, dtype=dtype), [each.astype(dtype) for each in penalties])
    for penalty in penalties:
        try:
            yield next(solutions)
        except np.linalg.LinAlgError:
            raise InputError(
                f"{name}: X'X with a penalty of {penalty.min():g} cannot be inverted in "
                f"{np.dtype(dtype).name}; a larger regularization may help"
            ) from None


def _solve_by_items(
    x: sp.csr_array, penalties: Sequence[Float[np.ndarray, " items"]]
) -> Iterator[Float[np.ndarray, "items items"]]:
    """Solve in the memory of one matrix: X'X stays below its diagonal, inverses come above it."""
    matrix = gram(x)
    squares = matrix.diagonal().copy()
    for penalty in penalties:
        _fill(matrix, upper=matrix.T)
        np.fill_diagonal(matrix, squares + penalty)
        matrix = _inverted(matrix)
        yield _weights(matrix)


def _weights(inverse: Float[np.ndarray, "items items"]) -> Float[np.ndarray, "items items"]:
    """B from the upper triangle of C."""
    weights = _empty_for_device(inverse.shape)
    diagonal = inverse.diagonal()
    for block in _blocks(len(inverse)):
        columns = _columns(inverse, block) / -diagonal[block]
        np.fill_diagonal(columns[block], 0.0)
        weights[:, block] = columns
    return weights


def _solve_by_users(
    x: sp.csr_array, penalties: Sequence[Float[np.ndarray, " items"]]
) -> Iterator[Float[np.ndarray, "items items"]]:
    """Solve with the smaller inverse.

    With S = L^(1/2) and Z = X S^-1 it is S C S = I - Z' (Z Z' + I)^-1 Z.
    """
    for penalty in penalties:
        scale = np.sqrt(penalty)
        users_by_item = sp.csr_array((x @ sp.diags_array(1 / scale)).T)
        inverse = gram(users_by_item)
        _fill(inverse, upper=inverse.T)
        np.fill_diagonal(inverse, inverse.diagonal() + 1.0)
        inverse = _inverted(inverse)
        _fill(inverse, upper=inverse)
        yield _weights_by_users(users_by_item, inverse, scale)


def _weights_by_users(
    users_by_item: sp.csr_array,
    inverse: Float[np.ndarray, "users users"],
    scale: Float[np.ndarray, " items"],
) -> Float[np.ndarray, "items items"]:
    """B from Z', (Z Z' + I)^-1 and the diagonal of S.

    B = S^-1 Z' W without its diagonal, with W = (Z Z' + I)^-1 Z S / (1 - diagonal of the product).
    """
    n_items = len(scale)
    projection = users_by_item @ inverse
    diagonal = users_by_item.multiply(projection).sum(axis=1)
    projection *= (scale / (1.0 - diagonal))[:, None]
    # Nothing is subtracted from here on, so that the precision of the result is enough.
    by_user = np.ascontiguousarray(projection.T, np.float32)
    rows = sp.csr_array(sp.diags_array(1 / scale) @ users_by_item, dtype=np.float32)
    weights = _empty_for_device((n_items, n_items))

    def fill(block: slice) -> None:
        weights[block] = rows[block] @ by_user

    # scipy multiplies on one core, and lets other threads run meanwhile.
    with ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(fill, _blocks(n_items, ROWS)))
    np.fill_diagonal(weights, 0.0)
    return weights


def _empty_for_device(shape: tuple[int, int]) -> Float[np.ndarray, "items items"]:
    """Allocate a float32 matrix, aligned so that jax on a CPU can use it without a copy."""
    alignment, size = 64, 4 * shape[0] * shape[1]
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + size].view(np.float32).reshape(shape)


def gram(x: sp.csr_array) -> Float[np.ndarray, "columns columns"]:
    """Return the lower triangle of X'X, with zeros above it."""
    rows_of_columns = sp.csr_array(x.T)
    # LAPACK needs the order of Fortran to work in place.
    product = np.zeros((x.shape[1], x.shape[1]), x.dtype, order="F")
    # In blocks, since the whole product would take more memory sparse than dense.
    for block in _blocks(x.shape[1]):
        rows = slice(block.start, None)
        product[rows, block] = (rows_of_columns[block] @ x[:, rows]).toarray().T
    return product


def _blocks(size: int, step: int = BLOCK) -> Iterator[slice]:
    for start in range(0, size, step):
        yield slice(start, start + step)


def _columns(upper: Float[np.ndarray, "n n"], block: slice) -> Float[np.ndarray, "n block"]:
    """Columns of the symmetric matrix that has the given upper triangle."""
    square = np.triu(upper[block, block])
    square += np.triu(square, 1).T
    return np.concatenate([upper[: block.start, block], square, upper[block, block.stop :].T])


def _fill(matrix: Float[np.ndarray, "n n"], upper: Float[np.ndarray, "n n"]) -> None:
    """Make a matrix symmetric in place; `upper` is a view of it with the triangle to keep."""
    for block in _blocks(len(matrix)):
        matrix[:, block] = _columns(upper, block)


def _inverted(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """Invert the upper triangle of a positive definite matrix in place, and keep the rest.

    Raises:
        LinAlgError: it is not positive definite in its precision.
    """
    factorize, invert = scipy.linalg.get_lapack_funcs(("potrf", "potri"), (matrix,))
    # `clean` would set the other triangle to 0.
    inverse, failed = factorize(matrix, lower=False, overwrite_a=True, clean=False)
    if not failed:
        inverse, failed = invert(inverse, lower=False, overwrite_c=True)
    if failed:
        raise np.linalg.LinAlgError
    return inverse

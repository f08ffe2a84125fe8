"""EASE: a linear item-item model with a closed-form solution.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Float

from multvae_jax.baselines.baseline import Baseline, Setting
from multvae_jax.baselines.linear import check_precision, on_device, score, zero_diagonal_weights
from multvae_jax.checks.bounds import check_is_number, check_matrix
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.types import Params, Scorer


@checked(
    train=check_matrix,
    regularization=check_is_number,
    dtype=check_precision,
    max_memory=float | None,
)
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
        >>> import jax.numpy as jnp
        >>> from multvae_jax.batching import take, to_device
        >>> train = sp.csr_array(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        >>> scorer = ease(train, regularization=1.0)
        >>> history = take(to_device(train[:1]), jnp.array([0]), 1)
        >>> np.asarray(scorer(history), np.float64).round(3).tolist()
        [[0.667, 0.667, 0.0]]
    """
    return Partial(score, fit(train, regularization, dtype, max_memory))


def item_weights(
    train: sp.csr_array,
    regularization: float,
    dtype: type[np.floating[Any]] = np.float64,
    max_memory: float | None = None,
) -> Float[np.ndarray, "items items"]:
    """Return the B that minimizes |X - X B|^2 + lambda |B|^2 subject to a zero diagonal.

    B = I - P / diag(P), column by column, with P = (X'X + lambda I)^-1 (equation 8 of Steck).

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
    penalty = _penalty(train, regularization)
    return next(zero_diagonal_weights("EASE", train, [penalty], dtype, max_memory))


def _penalty(train: sp.csr_array, regularization: float) -> Float[np.ndarray, " items"]:
    """The diagonal of L; raises `InputError` as in `item_weights`."""
    if not 0 < regularization < np.inf:
        raise InputError(f"EASE: the regularization {regularization} is not a positive number")
    return np.full(train.shape[1], regularization)


def fit(train: sp.csr_array, *arguments: Any, **constants: Any) -> Params:
    """Return B on the device; the arguments are those of `item_weights`."""
    return on_device(item_weights(train, *arguments, **constants))


def fit_each(train: sp.csr_array, settings: Sequence[Setting]) -> Iterator[Params]:
    """Return B of each setting, with X'X in common."""
    penalties = [_penalty(train, **setting) for setting in settings]
    return map(on_device, zero_diagonal_weights("EASE", train, penalties))


EASE = Baseline(
    "ease",
    fit,
    score,
    constants={"regularization": 500.0},
    grid={"regularization": (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)},
    fit_each=fit_each,
)

"""EDLAE: EASE with the penalty that dropout of the input amounts to.

Steck, "Autoencoders that don't overfit towards the Identity", NeurIPS 2020; the solution of full
rank with a zero diagonal.
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
    dropout=check_is_number,
    regularization=check_is_number,
    dtype=check_precision,
    max_memory=float | None,
)
def edlae(
    train: sp.csr_array,
    dropout: float = 0.33,
    regularization: float = 100.0,
    dtype: type[np.floating[Any]] = np.float64,
    max_memory: float | None = None,
) -> Scorer:
    """Fit EDLAE; score the items for a user with history x by x B, with B from `item_weights`.

    Args:
        train: users x items.
        dropout: p, the dropout rate of the input, from 0 to below 1.
        regularization: lambda, the weight of B's squared Frobenius norm; positive.
        dtype: precision of the matrix inverse, float64 or float32; B is float32 in either case.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.

    Raises:
        InputError: as in `item_weights`.

    Example:
        >>> import jax.numpy as jnp
        >>> from multvae_jax.batching import take, to_device
        >>> train = sp.csr_array(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        >>> scorer = edlae(train, dropout=0.5, regularization=1.0)
        >>> history = take(to_device(train[:1]), jnp.array([0]), 1)
        >>> np.asarray(scorer(history), np.float64).round(3).tolist()
        [[0.4, 0.4, 0.0]]
    """
    return Partial(score, fit(train, dropout, regularization, dtype, max_memory))


def item_weights(
    train: sp.csr_array,
    dropout: float,
    regularization: float,
    dtype: type[np.floating[Any]] = np.float64,
    max_memory: float | None = None,
) -> Float[np.ndarray, "items items"]:
    """Return the B that reconstructs each item best from the others, of which some are dropped.

    B minimizes the expectation of |X - Z B|^2 + lambda |B|^2 subject to a zero diagonal, where Z
    is X with each entry dropped with probability p and the others divided by 1 - p. With

        L = p / (1 - p) diag(X'X) + lambda I   and   C = (X'X + L)^-1

    it is B = I - C / diag(C), column by column. Items with many users have a larger penalty than
    those with few; with p = 0 this is EASE.

    Args:
        train: X, users x items.
        dropout: p, from 0 to below 1.
        regularization: lambda, positive.
        dtype: precision of the matrix inverse, float64 or float32.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.

    Returns:
        B in float32; row i is what item i in the history adds to the score of every item.

    Raises:
        InputError: if p or lambda is out of its bounds, or lambda too small for the precision; or
            if the matrices do not fit in the memory.
    """
    penalty = _penalty(train, dropout, regularization)
    return next(zero_diagonal_weights("EDLAE", train, [penalty], dtype, max_memory))


def _penalty(
    train: sp.csr_array, dropout: float, regularization: float
) -> Float[np.ndarray, " items"]:
    """The diagonal of L; raises `InputError` as in `item_weights`."""
    if not 0 <= dropout < 1:
        raise InputError(f"EDLAE: the dropout rate {dropout} is not from 0 to below 1")
    if not 0 < regularization < np.inf:
        raise InputError(f"EDLAE: the regularization {regularization} is not a positive number")
    squares = np.asarray(train.multiply(train).sum(axis=0, dtype=np.float64)).ravel()
    return dropout / (1 - dropout) * squares + regularization


def fit(train: sp.csr_array, *arguments: Any, **constants: Any) -> Params:
    """Return B on the device; the arguments are those of `item_weights`."""
    return on_device(item_weights(train, *arguments, **constants))


def fit_each(train: sp.csr_array, settings: Sequence[Setting]) -> Iterator[Params]:
    """Return B of each setting, with X'X in common."""
    penalties = [_penalty(train, **setting) for setting in settings]
    return map(on_device, zero_diagonal_weights("EDLAE", train, penalties))


EDLAE = Baseline(
    "edlae",
    fit,
    score,
    constants={"dropout": 0.33, "regularization": 100.0},
    grid={
        "dropout": (0.1, 0.2, 0.33, 0.5, 0.7),
        "regularization": (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0),
    },
    fit_each=fit_each,
)

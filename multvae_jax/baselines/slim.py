"""SLIM: a sparse item-item model with weights that are not negative.

Ning, Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011. scikit-learn
fits the weights to each item by coordinate descent.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Float

from multvae_jax.baselines.baseline import Baseline
from multvae_jax.baselines.linear import check_memory, on_device, score
from multvae_jax.checks.bounds import check_is_number, check_matrix
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.host.optional import import_optional
from multvae_jax.host.processor import available_cores
from multvae_jax.types import Params, Scorer


@checked(train=check_matrix, l1=check_is_number, l2=check_is_number, max_memory=float | None)
def slim(
    train: sp.csr_array, l1: float = 3.0, l2: float = 100.0, max_memory: float | None = None
) -> Scorer:
    """Fit SLIM; score the items for a user with history x by x W, with W from `item_weights`.

    Args:
        train: users x items.
        l1: weight of the sum of the weights, which makes them sparse; positive.
        l2: weight of half of their squares; not negative.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.

    Raises:
        InputError: as in `item_weights`.

    Example:
        >>> scorer = slim(split.train, l1=1.0, l2=10.0)
        >>> evaluation = mv.evaluate(scorer, split.test)
    """
    return Partial(score, fit(train, l1, l2, max_memory))


def item_weights(
    train: sp.csr_array,
    l1: float,
    l2: float,
    max_memory: float | None = None,
    tolerance: float = 1e-3,
) -> Float[np.ndarray, "items items"]:
    """Return the W >= 0 that minimizes |X - X W|^2 / 2 + l2 |W|^2 / 2 + l1 sum W, W_jj = 0.

    The columns are fitted in threads, one per core. An item i can only have a weight in column j
    if x_i x_j > l1, since predictions are not negative; the others are left out beforehand.

    Args:
        train: X, users x items, not negative.
        l1: weight of the sum of the weights, positive.
        l2: weight of half of their squares, not negative.
        max_memory: number of bytes that may be used; all of the machine's memory unless given.
        tolerance: duality gap at which the descent ends, relative to |x_j|^2.

    Returns:
        W in float32. Most weights are 0, but a popular item has weights in most columns; the dense
        matrix is what scores fastest.

    Raises:
        InputError: if a number is out of its bounds, a value of X is negative, the matrix does not
            fit in the memory, or the package scikit-learn is missing.
    """
    if not 0 < l1 < np.inf or not 0 <= l2 < np.inf:
        raise InputError(
            f"SLIM: l1 {l1}, l2 {l2}: l1 must be positive, and l2 must not be negative"
        )
    n_users, n_items = train.shape
    check_memory("SLIM", train.shape, 4 * n_items**2, max_memory)
    linear_model = _linear_model()
    x = sp.csc_array(train, dtype=np.float64)
    if x.nnz and x.data.min() < 0:
        raise InputError("SLIM: the data has negative values")
    # scikit-learn takes matrices with 32-bit indices only.
    x = sp.csc_matrix((x.data, x.indices.astype(np.int32), x.indptr.astype(np.int32)), x.shape)
    by_user = sp.csr_matrix(x)
    weights = np.zeros((n_items, n_items), np.float32)
    penalty = {"alpha": (l1 + l2) / n_users, "l1_ratio": l1 / (l1 + l2)}

    def fit_column(item: int) -> None:
        own = x.indptr[item], x.indptr[item + 1]
        target = np.zeros(n_users)
        target[x.indices[slice(*own)]] = x.data[slice(*own)]
        together = by_user.T @ target
        together[item] = 0.0
        (candidates,) = np.nonzero(together > l1)
        if candidates.size == 0:
            return
        net = linear_model.ElasticNet(
            **penalty, fit_intercept=False, positive=True, max_iter=200, tol=tolerance
        )
        net.fit(x[:, candidates], target)
        weights[candidates, item] = net.coef_

    with warnings.catch_warnings():
        # The last digits of the weights do not change a ranking.
        warnings.simplefilter("ignore", _convergence_warning())
        with ThreadPoolExecutor(available_cores()) as pool:
            list(pool.map(fit_column, range(n_items)))
    return weights


def _linear_model() -> Any:
    return import_optional("sklearn.linear_model", "baselines", "SLIM")


def _convergence_warning() -> type[Warning]:
    found: Any = import_optional("sklearn.exceptions", "baselines", "SLIM").ConvergenceWarning
    return found


def fit(train: sp.csr_array, *arguments: Any, **constants: Any) -> Params:
    """Return W on the device; the arguments are those of `item_weights`."""
    return on_device(item_weights(train, *arguments, **constants))


SLIM = Baseline(
    "slim",
    fit,
    score,
    constants={"l1": 3.0, "l2": 100.0},
    grid={"l1": (1.0, 3.0, 10.0), "l2": (30.0, 100.0, 300.0)},
    check=_linear_model,
)

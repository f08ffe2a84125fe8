"""RP3beta: random walks of three steps from the user, with a discount for popular items.

Paudel, Christoffel, Newell, Bernstein, "Updatable, Accurate, Diverse, and Scalable Recommendations
for Interactive Applications", ACM TiiS 7(1), 2017. With alpha, the exponent of the transition
probabilities, of P3alpha (Cooper, Lee, Radzik, Siantos, "Random Walks in Recommender Systems", WWW
2014 Companion), which is RP3beta with beta = 0.
"""

from __future__ import annotations

import itertools

import numpy as np
import scipy.sparse as sp
from jax.tree_util import Partial

from multvae_jax.baselines.baseline import Baseline
from multvae_jax.baselines.linear import BLOCK
from multvae_jax.baselines.neighbors import padded, score
from multvae_jax.checks.bounds import check_is_number, check_matrix
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.types import Params, Scorer


@checked(train=check_matrix, alpha=check_is_number, beta=check_is_number, neighbors=int)
def rp3beta(
    train: sp.csr_array, alpha: float = 0.7, beta: float = 0.4, neighbors: int = 100
) -> Scorer:
    """Score item j by the sum of w_ij over the items i of the user's history.

    w_ij = sum_u p(u given i)^alpha p(j given u)^alpha / d_j^beta, where the walk goes from an item
    to one of its users, and from the user to one of the user's items, each in proportion to the
    value of the interaction, and d_j is the number of users of j. For each i, only the largest
    weights to other items are kept.

    Args:
        train: users x items.
        alpha: exponent of the transition probabilities; positive.
        beta: exponent of the discount for popular items; not negative.
        neighbors: number of weights of each item; may exceed the catalogue.

    Raises:
        InputError: if a number is out of its bounds.

    Example:
        >>> import jax.numpy as jnp
        >>> from multvae_jax.batching import take, to_device
        >>> train = sp.csr_array(np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]))
        >>> history = take(to_device(train[:1]), jnp.array([0]), 1)
        >>> rp3beta(train, alpha=1.0, beta=0.0)(history).tolist()
        [[0.5, 0.25, 0.25]]
    """
    return Partial(score, fit(train, alpha, beta, neighbors))


def fit(train: sp.csr_array, alpha: float, beta: float, neighbors: int) -> Params:
    """Find the largest weights of each item, as `rp3beta`."""
    if not 0 < alpha < np.inf or not 0 <= beta < np.inf or neighbors < 1:
        raise InputError(
            f"RP3beta: alpha {alpha}, beta {beta} and {neighbors} neighbors: alpha must be "
            "positive, beta not negative, and at least 1 neighbor is needed"
        )
    x = sp.csr_array(train, dtype=np.float64)
    x.eliminate_zeros()
    n_items = x.shape[1]
    item_of_user = _probabilities(x) ** alpha
    user_of_item = _probabilities(sp.csr_array(x.T)) ** alpha
    degrees = np.maximum(np.bincount(x.indices, minlength=n_items), 1.0)
    discounted = sp.csr_array(item_of_user @ sp.diags_array(degrees**-beta))
    found = []
    for start in range(0, n_items, BLOCK):
        block = sp.csr_array(user_of_item[start : start + BLOCK] @ discounted)
        for row, (begin, end) in enumerate(itertools.pairwise(block.indptr), start):
            cells = slice(begin, end)
            items, values = _largest(block.indices[cells], block.data[cells], row, neighbors)
            found.append((np.full(items.size, row), items, values))
    rows, columns, values = (np.concatenate(cells) for cells in zip(*found, strict=True))
    return padded(rows, columns, values, n_items, neighbors)


def _largest(
    items: np.ndarray, values: np.ndarray, item: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """The largest values of a row and their items, without the item itself."""
    is_other = items != item
    items, values = items[is_other], values[is_other]
    if values.size > number:
        kept = np.argpartition(values, -number)[-number:]
        items, values = items[kept], values[kept]
    return items, values


def _probabilities(x: sp.csr_array) -> sp.csr_array:
    """Divide each row by its sum."""
    sums = np.asarray(x.sum(axis=1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros(sums.shape), where=sums > 0)
    return sp.csr_array(sp.diags_array(scale) @ x)


RP3BETA = Baseline(
    "rp3beta",
    fit,
    score,
    constants={"alpha": 0.7, "beta": 0.4, "neighbors": 100},
    grid={
        "alpha": (0.4, 0.7, 1.0, 1.4),
        "beta": (0.0, 0.2, 0.4, 0.6, 0.8),
        "neighbors": (30, 100, 300),
    },
)

"""A linear autoencoder of low rank, in closed form.

Jin, Li, Gao, Liu, Chen, Zhou, "Towards a Better Understanding of Linear Models for
Recommendation", KDD 2021: low-rank regression (LRR, section 3.2). With no regularization it is
PureSVD (Cremonesi, Koren, Turrin, RecSys 2010).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy
import scipy.sparse as sp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from multvae_jax.baselines.baseline import Baseline, Setting
from multvae_jax.baselines.linear import check_memory, gram
from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import check_is_number, check_matrix
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError
from multvae_jax.networks import Head
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.types import Params, Scorer

DENSE = 1000
"""Users or items up to which the singular vectors come from a dense matrix."""


@checked(train=check_matrix, rank=int, regularization=check_is_number)
def linear_autoencoder(
    train: sp.csr_array, rank: int = 128, regularization: float = 100.0
) -> Scorer:
    """Score the items for a user with history x by x V S V', with a code of `rank` numbers.

    V has the leading right singular vectors of the training matrix X, and S on its diagonal
    s^2 / (s^2 + lambda) for their singular values s. V S V' minimizes
    `|X - X B|^2 + lambda |B|^2` over the B of this rank.

    Args:
        train: X, users x items.
        rank: number of singular vectors; those beyond the users or the items do not exist.
        regularization: lambda, not negative.

    Raises:
        InputError: if a number is out of its bounds, or the matrices do not fit in the memory.

    Example:
        >>> from multvae_jax.batching import take, to_device
        >>> train = sp.csr_array(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        >>> scorer = linear_autoencoder(train, rank=1, regularization=1.0)
        >>> history = take(to_device(train[:1]), jnp.array([0]), 1)
        >>> np.asarray(scorer(history), np.float64).round(3).tolist()
        [[0.8, 0.8, 0.0]]
    """
    return Partial(score, fit(train, rank, regularization))


def score(params: Params, batch: Batch) -> Float[Array, "users items"]:
    """Score the items by the user's code and their vectors."""
    last = head(params, batch)
    return last.logits(last.h, last.columns)


def head(params: Params, batch: Batch) -> Head:
    """The codes of the users and the vectors of the items, whose products are the scores."""
    code = embedding_bag(params["vectors"], batch) * params["shrinkage"][None]
    return Head(code, params["vectors"].T, partial(jnp.matmul, precision="highest"))


def fit(train: sp.csr_array, rank: int, regularization: float) -> Params:
    """Return V and the diagonal of S; the arguments are those of `linear_autoencoder`."""
    (params,) = fit_each(train, [{"rank": rank, "regularization": regularization}])
    return params


def fit_each(train: sp.csr_array, settings: Sequence[Setting]) -> Iterator[Params]:
    """Return the parameters of each setting, from one decomposition."""
    for setting in settings:
        if setting["rank"] < 1 or not 0 <= setting["regularization"] < np.inf:
            raise InputError(
                "linear autoencoder: rank {rank}, regularization {regularization}: the rank must "
                "be at least 1, and the regularization not negative".format(**setting)
            )
    highest = int(max(setting["rank"] for setting in settings))
    values, vectors = _right_singular_vectors(sp.csr_array(train, dtype=np.float64), highest)
    for setting in settings:
        squares = values[: int(setting["rank"])] ** 2
        # In directions without data, nothing is reconstructed.
        shrinkage = squares / np.maximum(squares + setting["regularization"], 1e-30)
        yield {
            "vectors": jax.device_put(vectors[:, : squares.size].astype(np.float32)),
            "shrinkage": jnp.asarray(shrinkage, jnp.float32),
        }


def _right_singular_vectors(
    x: sp.csr_array, rank: int
) -> tuple[Float[np.ndarray, " rank"], Float[np.ndarray, "items rank"]]:
    """The largest singular values, in descending order, and their vectors."""
    n_users, n_items = x.shape
    smaller = min(n_users, n_items)
    rank = min(rank, smaller)
    # Lanczos' method is slow where much of the spectrum is asked for.
    if smaller <= DENSE or 8 * rank > smaller:
        check_memory("linear autoencoder", x.shape, 3 * 8 * smaller**2)
        short = x if n_items <= n_users else sp.csr_array(x.T)
        squares, vectors = scipy.linalg.eigh(
            gram(short),
            overwrite_a=True,
            subset_by_index=(smaller - rank, smaller - 1),
        )
        values, vectors = np.sqrt(np.maximum(squares[::-1], 0.0)), vectors[:, ::-1]
        if n_items > n_users:
            # From left vectors to right ones; a singular value of 0 has no direction.
            vectors = (x.T @ vectors) / np.where(values > 0, values, np.inf)
        return values, vectors
    check_memory("linear autoencoder", x.shape, 3 * 8 * rank * (n_users + n_items))
    # A fixed start, so that the same data gives the same digits.
    start = np.random.default_rng(0).normal(size=smaller)
    _, values, rows = scipy.sparse.linalg.svds(x, k=rank, v0=start, return_singular_vectors="vh")
    order = np.argsort(-values, kind="stable")
    return values[order], rows[order].T


LINEAR_AUTOENCODER = Baseline(
    "linear-autoencoder",
    fit,
    score,
    constants={"rank": 128, "regularization": 100.0},
    grid={
        "rank": (32, 64, 128, 256, 512),
        "regularization": (0.0, 100.0, 300.0, 1000.0, 3000.0),
    },
    fit_each=fit_each,
    head=head,
)

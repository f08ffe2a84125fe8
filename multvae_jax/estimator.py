"""Mult-VAE as an estimator of scikit-learn, for its grid searches and pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import scipy.sparse as sp

from multvae_jax.data.splits import FEWEST_TO_HOLD_OUT, hold_out_interactions, train_on_all
from multvae_jax.evaluation.evaluator import evaluate
from multvae_jax.evaluation.metrics import Metric, ndcg
from multvae_jax.fitting import fit
from multvae_jax.mlp import bounded_mlp
from multvae_jax.models import Model, mult_vae, scorer
from multvae_jax.recommending.top_k import recommend_lists
from multvae_jax.types import Scorer

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("MultVAE needs scikit-learn: pip install 'multvae-jax[sklearn]'") from error


@dataclass(eq=False, repr=False)
class MultVAE(BaseEstimator):  # type: ignore[misc]
    """Mult-VAE for users x items matrices, sparse or dense, whose entries are not negative.

    Args:
        hidden: widths of the layers between the items and the code.
        latent: dimensions of the code.
        dropout: dropout rate of the input.
        beta: weight of the KL term; None for the rise of the recipe.
        epochs: passes over the users.
        k: number of items that `predict` returns, and cutoff of `score`.
        held_out: share of each row's items that `score` hides and asks for.
        random_state: seed, or random state of NumPy.

    Example:
        >>> estimator = mv.MultVAE(latent=8, epochs=2, k=5).fit(data.csr())
        >>> estimator.predict(data.csr()[:3]).shape
        (3, 5)
    """

    hidden: Sequence[int] | int = ()
    latent: int = 200
    dropout: float = 0.5
    beta: float | None = None
    epochs: int = 50
    k: int = 20
    held_out: float = 0.2
    random_state: Any = 0

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.positive_only = True
        # The columns of k items.
        tags.target_tags.multi_output, tags.target_tags.single_output = True, False
        return tags

    def fit(self, X: Any, y: Any = None) -> MultVAE:  # noqa: N803
        """Train on all rows of a users x items matrix; `y` is ignored."""
        split = train_on_all(self._matrix(X, reset=True))
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        run = fit(jax.random.key(seed), self._model(), split, epochs=self.epochs, beta=self.beta)
        self.params_, self.catalogue_ = jax.tree.map(np.asarray, run.params), split.catalogue
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the columns of the k best items that each row does not have; -1 after the last."""
        matrix = self._matrix(X)
        users = np.arange(matrix.shape[0])
        return recommend_lists(self._scorer(), self.catalogue_, matrix, users, self.k).items

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Return NDCG@k for hidden items of each row; NaN if no row has five to hide some of."""
        matrix = self._matrix(X)
        if np.diff(matrix.indptr).max() < FEWEST_TO_HOLD_OUT:
            return float("nan")
        users = hold_out_interactions(train_on_all(matrix), self.held_out).validation
        assert users is not None
        metric = Metric(ndcg, min(self.k, self.n_features_in_))
        return evaluate(self._scorer(), users, {"ndcg": metric}).mean("ndcg")

    def _matrix(self, X: Any, reset: bool = False) -> sp.csr_array:  # noqa: N803
        if not reset:
            check_is_fitted(self)
        how: dict[str, Any] = {"accept_sparse": "csr", "ensure_non_negative": True}
        return sp.csr_array(validate_data(self, X, reset=reset, dtype=np.float32, **how))

    def _model(self) -> Model:
        return mult_vae(self.hidden, self.latent, network=bounded_mlp, dropout=self.dropout)

    def _scorer(self) -> Scorer:
        return scorer(self._model(), self.params_)

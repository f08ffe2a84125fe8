"""`Model`: init, loss, score, and the hyperparameters of the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import optax
from jax.tree_util import Partial
from jaxtyping import Array, PRNGKeyArray

from multvae_jax.batching import Batch
from multvae_jax.checks.bounds import check_kind
from multvae_jax.networks import Head
from multvae_jax.objectives import Loss
from multvae_jax.parallel.partition import Partition
from multvae_jax.types import Params, Scorer

ModelOptimizer = Callable[[optax.GradientTransformation, int], optax.GradientTransformation]
"""`(optimizer, updates per epoch) -> optimizer`, see `Model`."""


class Model(NamedTuple):
    """A trainable recommender.

    Attributes:
        init: `(key, n_items) -> params`.
        loss: the objective, see `multvae_jax.objectives.Loss`.
        score: `(params, batch) -> users x items`, higher is better; deterministic.
        hyper: the numbers of the objective, see `multvae_jax.types.Hyper`.
        made_by: name and arguments of `mult_vae`, `mult_dae` or another model of the package, by
            which a saved run makes the model again; None for a model of other parts.
        optimizer: `(optimizer, updates per epoch) -> optimizer`, for a model whose parts are
            updated in their own way; `fit` and `sweep` apply it to the optimizer that they are
            given. None if all parameters are updated in every update.
        has_beta: whether the loss has a term that the schedule of beta weights.
        head: `(params, batch) -> Head`, the last layer of `score`, not yet applied, from which
            vectors of users and items are taken; None if it cannot be separated.
        posterior: `(params, batch) -> q(z | x)` of each user, as `score` sees it; None for a model
            without, such as `mult_dae`.
    """

    init: Callable[[PRNGKeyArray, int], Params]
    loss: Loss
    score: Callable[[Params, Batch], Array]
    hyper: dict[str, Any]
    made_by: Mapping[str, Any] | None = None
    optimizer: ModelOptimizer | None = None
    has_beta: bool = True
    head: Callable[[Params, Batch], Head] | None = None
    posterior: Callable[[Params, Batch], Any] | None = None


def scorer(model: Model, params: Params) -> Scorer:
    """The scorer of a model with its parameters, for `evaluate` and `recommend`.

    Args:
        model: the model.
        params: its parameters, such as those of a `TrainState`.

    Example:
        >>> scorer = mv.models.scorer(run.model, run.params)
        >>> mv.evaluate(scorer, split.test).users == mv.evaluate(run.scorer, split.test).users
        True
    """
    if not hasattr(model, "score"):
        check_kind("model", model, Model, "mult_vae()")
    return Partial(model.score, params)


def divided_scorer(
    score: Callable[[Params, Batch], Array], partition: Partition, params: Params
) -> Scorer:
    """The scorer of parameters that are divided over devices, as the partition has placed them."""
    if partition.mesh is None:
        return Partial(score, params)

    def divided(params: Params, batch: Batch) -> Array:
        return score(partition.plain(params), batch)

    return Partial(divided, params)

"""`Blend`: a model and a baseline whose scores are added."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from multvae_jax.baselines.baseline import Baseline
from multvae_jax.batching import Batch
from multvae_jax.models.model import Model
from multvae_jax.types import Params


class Blend(NamedTuple):
    """A model and a baseline whose scores are added.

    Attributes:
        model: the model.
        baseline: the baseline.
        score: `(params, batch) -> users x items`; the parameters are those of the `model`, those of
            the `baseline`, and the `weight` of the baseline, from 0 to 1.
    """

    model: Model
    baseline: Baseline
    score: Callable[[Params, Batch], Array]


def blend_of(model: Model, baseline: Baseline) -> Blend:
    """Add the scores of a model and of a baseline, each standardized over the items of a user.

    With s the scores of a user, and w the weight of the baseline, the score is

        (1 - w) (s_model - mean) / std  +  w (s_baseline - mean) / std

    A user whom one of them scores alike for all items is ranked by the other.
    """

    def score(params: Params, batch: Batch) -> Array:
        weight = params["weight"]
        of_model = standardize(model.score(params["model"], batch))
        of_baseline = standardize(baseline.score(params["baseline"], batch))
        return (1.0 - weight) * of_model + weight * of_baseline

    return Blend(model, baseline, score)


def standardize(scores: Float[Array, "users items"]) -> Float[Array, "users items"]:
    """Shift and scale each user's scores to mean 0 and standard deviation 1; equal scores to 0."""
    centered = scores - scores.mean(axis=1, keepdims=True)
    spread = jnp.sqrt((centered**2).mean(axis=1, keepdims=True))
    return centered / jnp.where(spread > 0, spread, 1.0)

"""A check that the model reads the features of users that the options name."""

from __future__ import annotations

from functools import partial

from multvae_jax.batching import empty_batch
from multvae_jax.config.options import TrainConfig
from multvae_jax.errors import InputError
from multvae_jax.models import Model
from multvae_jax.training.model_checks import trial_scores
from multvae_jax.types import reads_user_features


def refuse_unread(model: Model, config: TrainConfig, n_items: int) -> None:
    """Refuse features of users that have no effect, since the model does not read them.

    Raises:
        InputError: naming the options.
    """
    if config.data.user_features and not reads_user_features(
        partial(trial_scores, model), empty_batch(n_items)
    ):
        raise InputError(
            "--user-features: the model reads no features of users (batch.user_features); leave "
            "the option out, or give a --network or --objective that reads them"
        )

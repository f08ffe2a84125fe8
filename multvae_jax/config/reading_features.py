"""Whether a model reads the features of users that the options name."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from multvae_jax.batching import empty_batch
from multvae_jax.config.options import TrainConfig
from multvae_jax.errors import InputError
from multvae_jax.models import Model


def refuse_unread(model: Model, config: TrainConfig, n_items: int) -> None:
    """Refuse features of users that have no effect, since the model does not read them.

    Raises:
        InputError: naming the options.
    """
    if config.data.user_features and not reads_user_features(model, n_items):
        raise InputError(
            "--user-features: the model reads no features of users (batch.user_features); leave "
            "the option out, or give a --network or --objective that reads them"
        )


def reads_user_features(model: Model, n_items: int) -> bool:
    """Whether the loss or the score of a model fails without features; nothing is computed."""

    def used() -> None:
        key = jax.random.key(0)
        params, batch = model.init(key, n_items), empty_batch(n_items)
        model.score(params, batch)
        hyper = {**model.hyper, "beta": lambda step: jnp.float32(0)}
        hyper = {
            name: v if name == "beta" else jax.tree.map(jnp.float32, v) for name, v in hyper.items()
        }
        model.loss(params, hyper, batch, jax.random.clone(key), jnp.int32(0))

    try:
        jax.eval_shape(used)
    except InputError as error:
        return str(error).startswith("user_features:")
    # Whatever else is wrong with the model is for the training to say.
    except Exception:
        return True
    return False

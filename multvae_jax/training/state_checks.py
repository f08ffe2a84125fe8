"""Checks of a training state that is resumed, and of the parameters that are evaluated."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from multvae_jax.averages import Evaluated
from multvae_jax.errors import InputError, first_line
from multvae_jax.parallel.partition import Partition
from multvae_jax.training.updates import TrainState
from multvae_jax.types import shapes_of


def check_state(
    train: TrainState, key: PRNGKeyArray, like: TrainState, partition: Partition
) -> None:
    """Refuse a state of another training.

    Raises:
        InputError: if the key or a shape differs.
    """
    if not np.array_equal(jax.random.key_data(key), jax.random.key_data(train.key)):
        raise InputError("state: it belongs to a training with another key")
    # The partition maps only states of the same structure.
    is_like = shapes_of(train)[0] == shapes_of(like)[0]
    if not is_like or shapes_of(partition.shapes(train)) != shapes_of(like):
        raise InputError("state: it belongs to another model, optimizer or catalogue")


def check_evaluated(evaluated: Evaluated, state: TrainState) -> None:
    """Refuse a function from the state to anything other than parameters of the model.

    Raises:
        InputError: if a name or a shape differs.
    """
    try:
        found = shapes_of(jax.eval_shape(evaluated, state))
    except InputError:
        raise
    # Any exception of the caller's function is reported in one line.
    except Exception as error:
        raise InputError(f"evaluated: {first_line(error, with_type=True)}") from error
    if found != shapes_of(state.params):
        raise InputError("evaluated: returns something other than parameters of the model")

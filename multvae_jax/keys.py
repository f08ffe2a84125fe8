"""Random keys of a run.

The root key of a run is never advanced. Each draw folds it with its purpose, then with the epoch,
the update or the user, so that no draw depends on the draws before it.
"""

from __future__ import annotations

import jax
from jaxtyping import Array, Int, Key, PRNGKeyArray

# Purposes that the root key is folded with, so that no two draws share a stream.
INIT, ORDER, NOISE = range(3)

# Purposes that the key of an update is folded with.
DROPOUT, SAMPLE, LIKELIHOOD = range(3)

# Purposes that the key of a likelihood is folded with.
DRAW, CLICK, NORMALIZER = range(3)


def order_key(key: PRNGKeyArray, epoch: int) -> PRNGKeyArray:
    """Key for the order of the users in an epoch."""
    return jax.random.fold_in(jax.random.fold_in(key, ORDER), epoch)


def user_keys(key: PRNGKeyArray, users: Int[Array, " users"]) -> Key[Array, " users"]:
    """One key per user, independent of the user's position in the batch."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, users)

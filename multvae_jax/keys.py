"""Keys: the root key of a run is folded with what a draw is for, and never advanced."""

from __future__ import annotations

import jax
from jaxtyping import Array, Int, Key, PRNGKeyArray

# What the root key is folded with, so that no two uses share a stream.
INIT, ORDER, NOISE = range(3)


def order_key(key: PRNGKeyArray, epoch: int) -> PRNGKeyArray:
    """The key that the order of an epoch's users is drawn from."""
    return jax.random.fold_in(jax.random.fold_in(key, ORDER), epoch)


def user_keys(key: PRNGKeyArray, users: Int[Array, " users"]) -> Key[Array, " users"]:
    """A key for each user that does not depend on its place in the batch."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, users)

"""Random keys of a run.

The root key of a run is never advanced. Each draw folds it with its purpose, then with the epoch,
the update or the user, so that no draw depends on the draws before it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, PRNGKeyArray

from multvae_jax.checks.bounds import LeastCount
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError

# Purposes that the root key is folded with, so that no two draws share a stream.
INIT, ORDER, NOISE = range(3)

# Purposes that the key of an update is folded with.
DROPOUT, SAMPLE, LIKELIHOOD = range(3)

# Purposes that the key of a likelihood is folded with.
DRAW, CLICK, NORMALIZER = range(3)


def check_key(name: str, key: Any) -> None:
    """Refuse what is not a typed key."""
    check_keys(name, key)
    if key.shape != ():
        raise InputError(f"{name}: keys of shape {key.shape}; use jax.random.key(0)")


def check_keys(name: str, key: Any) -> None:
    """Refuse what is neither a typed key nor an array of them."""
    if isinstance(key, int | np.integer):
        raise InputError(f"{name}: {key} is an integer; use jax.random.key({key})")
    if not isinstance(key, jax.Array):
        raise InputError(f"{name}: of type {type(key).__name__}; use jax.random.key(0)")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise InputError(
            f"{name}: an array of {key.dtype} and shape {key.shape}; use jax.random.key(0)"
        )


@checked(key=check_key, epoch=LeastCount)
def order_key(key: PRNGKeyArray, epoch: int) -> PRNGKeyArray:
    """Key for the order of the users in an epoch.

    Example:
        >>> order = jax.random.permutation(order_key(key, epoch=3), 60)
    """
    return jax.random.fold_in(jax.random.fold_in(key, ORDER), epoch)


@partial(jax.jit, static_argnums=1)
def split_key(key: PRNGKeyArray, number: int) -> tuple[PRNGKeyArray, ...]:
    """The keys of `jax.random.split` as a tuple, by one program; unpacking them would be another.

    Example:
        >>> first, second = split_key(key, 2)
    """
    return tuple(jax.random.split(key, number))


def user_keys(key: PRNGKeyArray, users: Int[Array, " users"]) -> Key[Array, " users"]:
    """One key per user, independent of the user's position in the batch.

    Example:
        >>> user_keys(key, jnp.array([0, 5])).shape
        (2,)
    """
    return jax.vmap(jax.random.fold_in, (None, 0))(key, users)

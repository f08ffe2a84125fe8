"""Means over the items of a user's history, without a pass over the catalogue.

A metric is a function of one user, and `vmap` makes it one of a batch. There the mean over a mask
of items would read users x items x d numbers; the ragged batch holds a few dozen items per user.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from multvae_jax.batching import Batch, sum_per_user


def _means(
    histories: Batch, values: Float[Array, "... items *any"], per_user: bool
) -> Float[Array, " users *any"]:
    """Return the mean of every user; `per_user` says that each user has values of its own."""
    owner = (histories.owner[:, None],) if per_user else ()
    found = values.at[(*owner, histories.items)].get(mode="clip")
    is_item = histories.values != 0
    kept = is_item.reshape(*is_item.shape, *(1,) * (found.ndim - 2))
    sums = sum_per_user(histories, jnp.where(kept, found, 0.0))
    lengths = jnp.maximum(sum_per_user(histories, is_item.astype(jnp.float32)), 1.0)
    return sums / lengths.reshape(-1, *(1,) * (sums.ndim - 1))


@jax.custom_batching.custom_vmap
def mean_of_history(
    place: Int[Array, ""], histories: Batch, values: Float[Array, " items *any"]
) -> Float[Array, " *any"]:
    """Return the mean of the values over the history of one user; 0 if it is empty.

    Under `vmap` over the places, the means of the whole batch are computed together.

    Args:
        place: position of the user in the batch.
        histories: the histories of a batch of users.
        values: one value per item, or one array.
    """
    return _means(histories, values, per_user=False)[place]


@mean_of_history.def_vmap
def _means_at(
    axis_size: int, in_batched: list[Any], place: Array, histories: Batch, values: Array
) -> tuple[Array, bool]:
    places_differ, histories_differ, values_differ = in_batched
    if any(jax.tree.leaves(histories_differ)) or not places_differ:
        raise ValueError("users are a batch of histories and a place in it")
    if not values_differ:
        return _means(histories, values, per_user=False)[place], True
    # Row of a user in the values -> place of the user in the batch.
    at_place = jnp.zeros((histories.users.shape[0], *values.shape[1:]), values.dtype)
    return _means(histories, at_place.at[place].set(values), per_user=True)[place], True

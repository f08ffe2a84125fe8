"""Ragged batches: the chunks of some users, and sums over them.

A batch gathers the chunks of its users and nothing else, so that no users x items array is ever
formed. A value of 0 marks padding.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from multvae_jax.batching.histories import Histories
from multvae_jax.checks.bounds import Size
from multvae_jax.checks.signatures import checked
from multvae_jax.errors import InputError


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Batch:
    """The histories of some users.

    Attributes:
        items: item of each interaction, 0 for padding.
        values: value of each interaction, 0 for padding.
        owner: position in the batch of the user that a chunk belongs to; the number of users in
            the batch for a chunk that is padding.
        part: number of chunks of the same user before this one.
        users: row of each user in the histories, -1 for padding. It tells users apart, but the
            rows are those of whichever histories: look nothing up by it, but use `user_features`.
        n_items: size of the catalogue.
        per_user: data about the users of the batch, see `user_features`; None for none.
        mesh: the devices that the batch is divided over; None for one device. Each of its parts
            along `data` has as many users and as many chunks as the others, and the chunks of its
            own users.
    """

    items: Int[Array, "chunks width"]
    values: Float[Array, "chunks width"]
    owner: Int[Array, " chunks"]
    part: Int[Array, " chunks"]
    users: Int[Array, " users"]
    n_items: int = dataclasses.field(metadata={"static": True})
    per_user: Any = None
    mesh: Mesh | None = dataclasses.field(default=None, metadata={"static": True})

    @property
    def user_features(self) -> Any:
        """Data about the users, a pytree of arrays with a row per user of the batch.

        Raises:
            InputError: there are none, in the split or for the users to recommend to.
        """
        if self.per_user is None:
            raise InputError(
                "user_features: the model reads them, and these users have none; attach them with "
                "with_user_features(split, ...) or --user-features, or give recommend(..., "
                "user_features=...)"
            )
        return self.per_user

    @property
    def real(self) -> Float[Array, " users"]:
        """1 for a user, 0 for padding."""
        return (self.users >= 0).astype(self.values.dtype)


def gathered(histories: Histories, users: Int[Array, " users"], capacity: int) -> Batch:
    """The chunks of some users, gathered as `take` does on one device."""
    real = users >= 0
    numbers = users
    if histories.rows is not None:
        numbers = jnp.where(real, histories.rows[users], -1)
    first = jnp.where(real, histories.starts[users], 0)
    ends = jnp.cumsum(jnp.where(real, histories.starts[users + 1], 0) - first)
    needed = jnp.max(ends, initial=0)
    fits = needed <= capacity
    if not isinstance(fits, jax.core.Tracer) and not fits:
        raise InputError(
            f"capacity: {capacity} chunks, but the users have {int(needed)}; use the capacity of "
            "plan_epoch or capacity_of"
        )
    slot = jnp.arange(capacity, dtype=jnp.int32)
    owner = jnp.searchsorted(ends, slot, side="right").astype(jnp.int32)
    begins = jnp.concatenate([jnp.zeros(1, ends.dtype), ends])
    part = slot - begins[owner]
    used = owner < users.shape[0]
    chunk = jnp.where(used, first.at[owner].get(mode="clip") + part, 0)
    return Batch(
        items=histories.items.at[chunk].get(mode="clip"),
        values=jnp.where(
            fits,
            jnp.where(used[:, None], histories.values.at[chunk].get(mode="clip"), 0.0),
            jnp.nan,
        ),
        owner=owner,
        part=part,
        users=numbers,
        n_items=histories.n_items,
        # Padding gets the data of a real user, at which any function is defined.
        per_user=jax.tree.map(
            lambda leaf: leaf.at[jnp.where(real, users, 0)].get(mode="clip"), histories.per_user
        ),
    )


def sum_per_user(
    batch: Batch, summand: Float[Array, "chunks width *any"]
) -> Float[Array, " users *any"]:
    """Sum one number, or one array, per interaction over each user's interactions.

    Example:
        >>> squares = sum_per_user(batch, batch.values**2)
        >>> squares.tolist() == [float(number) for number in np.diff(split.train.indptr)[:2]]
        True
    """
    return jax.ops.segment_sum(
        summand.sum(axis=1),
        batch.owner,
        num_segments=batch.users.shape[0],
        indices_are_sorted=True,
    )


def totals(batch: Batch) -> Float[Array, " users"]:
    """Sum of each user's values (the paper's N_u).

    Example:
        >>> totals(batch).tolist() == split.train[[0, 1]].sum(axis=1).tolist()
        True
    """
    return sum_per_user(batch, batch.values)


def dense_rows(batch: Batch) -> Float[Array, "users items"]:
    """The batch as a dense matrix, for losses that need every item of a user.

    Example:
        >>> x = dense_rows(batch)
        >>> x.shape == (2, split.train.shape[1])
        True
    """
    empty = jnp.zeros((batch.users.shape[0], batch.n_items), batch.values.dtype)
    return empty.at[batch.owner[:, None], batch.items].add(batch.values, mode="drop")


@checked(n_items=Size)
def empty_batch(n_items: int) -> Batch:
    """One user without interactions."""
    return Batch(
        items=jnp.zeros((1, 1), jnp.int32),
        values=jnp.zeros((1, 1)),
        owner=jnp.zeros(1, jnp.int32),
        part=jnp.zeros(1, jnp.int32),
        users=jnp.zeros(1, jnp.int32),
        n_items=n_items,
    )

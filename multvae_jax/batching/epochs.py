"""The batches of an epoch: the order of the users, and the room that the program needs."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from multvae_jax.batching.histories import HISTORIES, Histories
from multvae_jax.checks.bounds import Count, LeastCount, Size, check_array
from multvae_jax.checks.signatures import checked
from multvae_jax.keys import check_keys
from multvae_jax.parallel.meshes import parts_of_users
from multvae_jax.parallel.shares import Shares


@checked(n_users=LeastCount, batch_size=Size)
def sequential_order(n_users: int, batch_size: int) -> np.ndarray:
    """Users 0, 1, ... in batches, `batches x users`, the last batch padded with -1."""
    padded = -(-n_users // batch_size) * batch_size
    order = np.full(padded, -1, np.int32)
    order[:n_users] = np.arange(n_users)
    return order.reshape(-1, batch_size)


_permutation = jax.jit(jax.random.permutation, static_argnums=1)


def shuffled_order(key: Array, n_users: int, batch_size: int) -> np.ndarray:
    """All users once, in an order drawn from the key, in batches padded with -1."""
    order = sequential_order(n_users, batch_size)
    order.ravel()[:n_users] = _permutation(key, n_users)
    return order


def divided_order(
    order: np.ndarray, parts: int, shares: Shares | None = None, n_users: int = 0
) -> np.ndarray:
    """The same batches, with as much padding as the parts of a mesh need.

    Their users become a multiple of the parts, or are dealt to the shares of several processes.

    Args:
        order: users of each batch, -1 where padded.
        parts: number of parts.
        shares: the shares of several processes; None for one process.
        n_users: number of all users, if there are shares.
    """
    size = order.shape[-1]
    if shares is not None:
        return shares.dealt(order, shares.users_per_part(size, n_users))
    missing = -size % parts
    room = [(0, 0)] * (order.ndim - 1) + [(0, missing)]
    return np.pad(order, room, constant_values=-1) if missing else order


@checked(histories=HISTORIES, order=check_array)
def capacity_of(histories: Histories, order: np.ndarray) -> int:
    """Number of chunks that the largest batch of an epoch needs, at least 1.

    On a mesh, it is that of the largest part of a batch.

    Args:
        histories: histories of all users.
        order: users of each batch, `... x batches x users`, -1 where padded.
    """
    return _capacity(histories.chunks_of_users(), order, parts_of_users(histories.mesh))


def _capacity(chunks: np.ndarray, order: np.ndarray, parts: int) -> int:
    """`capacity_of`, given the number of chunks of each user and that of the parts of a batch."""
    counts = np.append(chunks, chunks.dtype.type(0))
    in_parts = order.reshape(-1, order.shape[-1] // parts)
    # Some at a time: the users may be more than their number times eight bytes should take.
    some = range(0, len(in_parts), _AT_ONCE)
    most = [counts[in_parts[start : start + _AT_ONCE]].sum(axis=-1).max() for start in some]
    return max(1, int(max(most, default=0)))


_AT_ONCE = 1024
"""Parts of batches whose chunks are counted at once."""


class EpochPlan(NamedTuple):
    """The batches of an epoch.

    Attributes:
        order: users of each batch, `batches x users`, -1 where padded; with a first axis of
            members if the plan is for several.
        capacity: number of chunks to compile the epoch for; static.
    """

    order: np.ndarray
    capacity: int


SPARE_ROOM = 1.1
"""Ratio of a new capacity to the number of chunks that are needed now."""


@checked(key=check_keys, histories=HISTORIES, batch_size=Size, capacity=LeastCount)
def plan_epoch(
    key: Key[Array, "*members"], histories: Histories, batch_size: int, capacity: int = 0
) -> EpochPlan:
    """Draw the batches of an epoch, and decide how many chunks the program must hold.

    A batch with more chunks than any before makes jax compile the epoch again. A new capacity
    therefore leaves some room, and the capacity of the epoch before is kept as long as it suffices.

    Args:
        key: key of the epoch, see `multvae_jax.keys.order_key`; an array of keys plans the epoch of
            several members at once, with one capacity for all of them.
        histories: histories of the training users.
        batch_size: users in a batch.
        capacity: capacity of the epoch before; 0 for the first.

    Example:
        >>> histories = mv.batching.to_device(split.train)
        >>> plan = plan_epoch(mv.keys.order_key(key, 1), histories, batch_size=10)
        >>> plan.order.shape
        (5, 10)
    """
    shares = None if histories.dealt is None else histories.dealt.shares
    chunks, parts = histories.chunks_of_users(), parts_of_users(histories.mesh)
    return plan_of_chunks(key, chunks, batch_size, capacity, parts, shares)


def plan_of_chunks(
    key: Key[Array, "*members"],
    chunks: Int[np.ndarray, " users"],
    batch_size: int,
    capacity: int = 0,
    parts: int = 1,
    shares: Shares | None = None,
) -> EpochPlan:
    """Plan an epoch as `plan_epoch`, given the number of chunks of each user.

    Args:
        key: as in `plan_epoch`.
        chunks: number of chunks of each user.
        batch_size: as in `plan_epoch`.
        capacity: as in `plan_epoch`.
        parts: number of parts that a batch is divided into.
        shares: shares of several processes, to which the users are dealt; None for one process.
    """
    if key.ndim:
        order = np.stack([shuffled_order(one, len(chunks), batch_size) for one in key])
    else:
        order = shuffled_order(key, len(chunks), batch_size)
    order = divided_order(order, parts, shares, len(chunks))
    needed = _capacity(chunks, order, parts)
    return EpochPlan(order, math.ceil(SPARE_ROOM * needed) if needed > capacity else capacity)


UPDATES_AT_ONCE = 10
"""Updates of one program run: training can stop, and be saved, between two runs."""


@checked(n_updates=LeastCount, size=Count | None)
def parts_of_epoch(n_updates: int, size: int | None = None) -> list[slice]:
    """Cut the updates of an epoch into runs of at most `UPDATES_AT_ONCE`, or of a given size.

    The runs are of one size if the number allows it, since each size is compiled.

    Example:
        >>> parts_of_epoch(24)
        [slice(0, 8, None), slice(8, 16, None), slice(16, 24, None)]
    """
    if size is None:
        sizes = range(UPDATES_AT_ONCE, UPDATES_AT_ONCE // 2, -1)
        size = next((size for size in sizes if n_updates % size == 0), UPDATES_AT_ONCE)
    return [slice(start, min(start + size, n_updates)) for start in range(0, n_updates, size)]

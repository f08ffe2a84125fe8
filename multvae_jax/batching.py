"""Histories that live on the device, and ragged batches of them.

A history is a user's set of interactions. The device holds every history cut into chunks of
a fixed width, the last chunk of a user padded; a batch gathers the chunks of its users and
nothing else, so that no users x items array is ever formed. A value of 0 marks padding.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Float, Int, Key

from multvae_jax.bounds import (
    Count,
    LeastCount,
    Size,
    check_array,
    check_matrix,
    check_rows,
)
from multvae_jax.errors import InputError
from multvae_jax.host.stored_matrix import StoredMatrix
from multvae_jax.keys import check_keys
from multvae_jax.parallel.meshes import DATA, on_parts, parts_of_users, placed
from multvae_jax.parallel.shares import Shares, joined, shares_of
from multvae_jax.signatures import checked

CHUNK_WIDTH = 16


@dataclasses.dataclass(frozen=True)
class Dealt:
    """Histories that are dealt to several processes.

    Attributes:
        shares: the shares of the users.
        n_users: number of all users.
        chunks: number of chunks of each of them; not compared, as no program depends on it.
    """

    shares: Shares
    n_users: int
    chunks: np.ndarray = dataclasses.field(compare=False)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Histories:
    """Every user's interactions, in chunks.

    Attributes:
        items: item of each interaction, 0 for padding.
        values: value of each interaction, 0 for padding.
        starts: user u has the chunks from `starts[u]` up to `starts[u + 1]`.
        n_items: size of the catalogue.
        per_user: data about the users, a pytree of arrays with a row per user; None for none.
        mesh: the devices that batches are divided over; None for one device.
        rows: number of each user among those of the whole data, if these are only some of them.
        dealt: how the users are dealt to several processes; None for one process. The arrays are
            then those of each part of the mesh along `data`, one after the other, which has the
            users of its share alone: user u is in row u // number.
    """

    items: Int[Array, "chunks width"]
    values: Float[Array, "chunks width"]
    starts: Int[Array, " users_plus_1"]
    n_items: int = dataclasses.field(metadata={"static": True})
    per_user: Any = None
    mesh: Mesh | None = dataclasses.field(default=None, metadata={"static": True})
    rows: Int[Array, " users"] | None = None
    dealt: Dealt | None = dataclasses.field(default=None, metadata={"static": True})

    @property
    def n_users(self) -> int:
        """The number of users."""
        return self.starts.shape[0] - 1 if self.dealt is None else self.dealt.n_users

    def chunks_of_users(self) -> np.ndarray:
        """The number of chunks of each user, on the host."""
        return np.diff(np.asarray(self.starts)) if self.dealt is None else self.dealt.chunks


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


def chunk_counts(lengths: np.ndarray, width: int = CHUNK_WIDTH) -> np.ndarray:
    """Number of chunks that histories of the given lengths take."""
    return -(-lengths // width)


@checked(matrix=check_matrix, width=Size, n_chunks=LeastCount | None)
def to_device(
    matrix: sp.csr_array,
    width: int = CHUNK_WIDTH,
    n_chunks: int | None = None,
    user_features: Any = None,
    mesh: Mesh | None = None,
    rows: Int[np.ndarray, " users"] | None = None,
) -> Histories:
    """Put a users x items matrix on the device as histories.

    Args:
        matrix: one row per user; explicit zeros count as no interaction.
        width: interactions in a chunk. Wider chunks mean fewer index operations and more
            padding, about half a chunk per user.
        n_chunks: number of chunks to make, at least as many as the users have, so that matrices
            of several sizes share a compiled program; by default as many as the users have.
        user_features: data about the users, a pytree of arrays with a row per user.
        mesh: devices over which batches are divided. Each holds all histories; if they are of
            several processes, those of the share of its process.
        rows: number of each user in the whole data, if the matrix has only some of its users.

    Example:
        >>> histories = mv.batching.to_device(split.train)
        >>> histories.n_users == split.train.shape[0]
        True
    """
    check_rows(user_features, matrix.shape[0])
    shares = shares_of(mesh)
    if shares is not None:
        assert mesh is not None
        return deal_to_devices(matrix, shares, mesh, width, n_chunks, user_features)
    items, values, starts = _in_chunks(matrix, width, n_chunks)
    # Arrays of numpy are put there as they are, where `jnp.asarray` compiles a program per shape.
    histories = Histories(
        items=jax.device_put(items),
        values=jax.device_put(values),
        starts=jax.device_put(starts),
        n_items=matrix.shape[1],
        per_user=jax.tree.map(jnp.asarray, user_features),
        mesh=mesh,
        rows=None if rows is None else jax.device_put(rows.astype(np.int32)),
    )
    return placed(mesh, histories)


def _in_chunks(
    matrix: sp.csr_array, width: int, n_chunks: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The items, the values and the starts of histories."""
    matrix = sp.csr_array(matrix, copy=True)
    matrix.eliminate_zeros()
    lengths = np.diff(matrix.indptr)
    starts = np.concatenate([[0], np.cumsum(chunk_counts(lengths, width))])
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
    flat = np.repeat(starts[:-1], lengths) * width + place
    if n_chunks is not None and n_chunks < starts[-1]:
        raise InputError(f"n_chunks: {n_chunks:,}, and the histories take {starts[-1]:,}")
    # At least one chunk: XLA refuses to gather from an array without rows.
    items = np.zeros((n_chunks or max(1, int(starts[-1]))) * width, np.int32)
    values = np.zeros(items.shape, np.float32)
    items[flat] = matrix.indices
    values[flat] = matrix.data
    return items.reshape(-1, width), values.reshape(-1, width), starts.astype(np.int32)


def deal_to_devices(
    matrix: sp.csr_array | StoredMatrix,
    shares: Shares,
    mesh: Mesh,
    width: int = CHUNK_WIDTH,
    n_chunks: int | None = None,
    user_features: Any = None,
) -> Histories:
    """Put the histories of the share of this process on its devices, see `Histories.dealt`.

    Args:
        matrix: one row per user; of a stored one, the rows of the share are read.
        shares: the shares of the mesh.
        mesh: devices of several processes.
        width: as in `to_device`.
        n_chunks: number of chunks to make for all shares together.
        user_features: as in `to_device`.
    """
    n_users = matrix.shape[0]
    own, n_rows = shares.rows_of(n_users), -(-n_users // shares.number)
    counts = _lengths(matrix)
    chunks = chunk_counts(counts, width)
    most = max(int(chunks[share :: shares.number].sum()) for share in range(shares.number))
    room = most if n_chunks is None else max(most, -(-n_chunks // shares.number))
    rows = matrix.rows(own) if isinstance(matrix, StoredMatrix) else matrix[own]
    items, values, starts = _in_chunks(rows, width, max(1, room))
    starts = np.pad(starts, (0, n_rows + 1 - len(starts)), mode="edge")
    parts = parts_of_users(mesh)

    def features(leaf: Any) -> Array:
        mine = np.asarray(leaf)[own]
        room = [(0, n_rows - len(mine))] + [(0, 0)] * (mine.ndim - 1)
        return joined(mesh, np.pad(mine, room), parts)

    return Histories(
        items=joined(mesh, items, parts),
        values=joined(mesh, values, parts),
        starts=joined(mesh, starts, parts),
        n_items=matrix.shape[1],
        per_user=jax.tree.map(features, user_features),
        mesh=mesh,
        dealt=Dealt(shares, n_users, chunks.astype(np.int32)),
    )


def _lengths(matrix: sp.csr_array | StoredMatrix) -> np.ndarray:
    """Number of interactions of each user, without explicit zeros."""
    if isinstance(matrix, StoredMatrix) or matrix.data.all():
        return np.diff(matrix.indptr)
    return np.diff(np.concatenate([[0], np.cumsum(matrix.data != 0)])[matrix.indptr])


_HISTORIES = (Histories, "to_device(split.train)")


@checked(histories=_HISTORIES, users=check_array, capacity=Count)
def take(histories: Histories, users: Int[Array, " users"], capacity: int) -> Batch:
    """Gather the chunks of some users.

    Args:
        histories: the histories to gather from.
        users: rows of the histories; -1 for padding.
        capacity: number of chunks in the batch, at least as many as the users have; use the
            capacity of `plan_epoch` or `capacity_of`. On a mesh, that of each part of the users.

    Raises:
        InputError: if the capacity is too small. In a compiled program, which cannot raise, all
            values are NaN.

    Example:
        >>> histories = mv.batching.to_device(split.train)
        >>> batch = take(histories, jnp.array([0, 5]), capacity=8)
        >>> batch.users.tolist()
        [0, 5]
    """
    mesh = histories.mesh
    if mesh is None:
        return _take(histories, users, capacity)
    if histories.dealt is not None:
        return _take_dealt(histories, users, capacity, mesh, histories.dealt.shares.number)
    parts, n_users = parts_of_users(mesh), users.shape[0]
    alone = dataclasses.replace(histories, mesh=None)
    in_parts = placed(mesh, users.reshape(parts, n_users // parts), DATA)
    batch = jax.vmap(lambda mine: _take(alone, mine, capacity))(in_parts)
    # A chunk that is padding gets the last user of its part, whom its zeros do not change.
    own = jnp.minimum(batch.owner, n_users // parts - 1)
    first = jnp.arange(parts, dtype=jnp.int32) * (n_users // parts)
    batch = dataclasses.replace(batch, owner=own + first[:, None])
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch)
    return dataclasses.replace(placed(mesh, flat, DATA), mesh=mesh)


def _take_dealt(
    histories: Histories, users: Int[Array, " users"], capacity: int, mesh: Mesh, n_shares: int
) -> Batch:
    """Gather the chunks of some users, each device those of its own; see `Histories.dealt`."""
    names = ("items", "values", "starts", "per_user")

    def of_part(arrays: tuple[Any, ...], mine: Array) -> tuple[Any, ...]:
        fields = dict(zip(names, arrays, strict=True))
        alone = dataclasses.replace(histories, **fields, mesh=None, dealt=None)
        batch = _take(alone, jnp.where(mine >= 0, mine // n_shares, -1), capacity)
        # A chunk that is padding gets the last user, whom its zeros do not change.
        own = jnp.minimum(batch.owner, mine.shape[0] - 1)
        owner = own + jax.lax.axis_index(DATA).astype(own.dtype) * mine.shape[0]
        return batch.items, batch.values, owner, batch.part, batch.per_user

    arrays = tuple(getattr(histories, name) for name in names)
    gather = on_parts(of_part, mesh, (P(DATA), P(DATA)), P(DATA))
    items, values, owner, part, per_user = gather(arrays, users)
    users = placed(mesh, users, DATA)
    return Batch(items, values, owner, part, users, histories.n_items, per_user, mesh)


def _take(histories: Histories, users: Int[Array, " users"], capacity: int) -> Batch:
    """Gather the chunks of some users, as `take` for one device does."""
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


@checked(histories=_HISTORIES, order=check_array)
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


@checked(n_users=LeastCount, batch_size=Size)
def sequential_order(n_users: int, batch_size: int) -> np.ndarray:
    """Users 0, 1, ... in batches, `batches x users`, the last batch padded with -1."""
    padded = -(-n_users // batch_size) * batch_size
    order = np.full(padded, -1, np.int32)
    order[:n_users] = np.arange(n_users)
    return order.reshape(-1, batch_size)


def shuffled_order(key: Array, n_users: int, batch_size: int) -> np.ndarray:
    """All users once, in an order drawn from the key, in batches padded with -1."""
    order = sequential_order(n_users, batch_size)
    order.ravel()[:n_users] = jax.random.permutation(key, n_users)
    return order


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
"""How much larger a new capacity is than what is needed now."""


@checked(key=check_keys, histories=_HISTORIES, batch_size=Size, capacity=LeastCount)
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

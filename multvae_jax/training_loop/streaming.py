"""Sources of the batches of a training: the device, or files larger than its memory.

Histories in memory are put on the device all at once. Those of a `StoredMatrix` are read and put
there a few batches at a time, in another thread, while the model is trained on the batches before.
Either way the same program makes the updates, from the same batches. With several processes, the
devices of each have all histories of its share, stored or not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jax.sharding import Mesh
from jaxtyping import Int

from multvae_jax.batching import Histories, chunk_counts, deal_to_devices, to_device
from multvae_jax.checks.bounds import take_rows
from multvae_jax.host.stored_matrix import StoredMatrix
from multvae_jax.parallel.meshes import parts_of_users
from multvae_jax.parallel.shares import Shares, shares_of
from multvae_jax.sizes import Room, with_users

IN_FLIGHT = 2
"""Parts of an epoch that are on the device at once, including the one that is trained on."""

ROWS = 2**20
"""Users whose chunks are counted at once."""


class Loaded(NamedTuple):
    """Some batches of an epoch, on the device.

    Attributes:
        part: which batches of the epoch they are.
        histories: histories of the users of these batches, and perhaps of others.
        order: rows of the histories in each batch, `batches x users`, -1 where padded.
    """

    part: slice
    histories: Histories
    order: Int[np.ndarray, "batches users"]


class Source(NamedTuple):
    """A source of batches.

    Attributes:
        chunks: number of chunks of each user.
        shares: shares of several processes, to which the users are dealt; None for one process.
        batches: `(order, parts, capacity) -> Loaded, ...`: the batches of an epoch, some at a time.
            `order` holds the users of each batch, `batches x users`; `parts` are the slices of it
            to load; `capacity` is the number of chunks in a batch. Close the generator that it
            returns.
    """

    chunks: Int[np.ndarray, " users"]
    shares: Shares | None
    batches: Callable[[np.ndarray, Sequence[slice], int], Generator[Loaded]]


def source_of(
    train: sp.csr_array | StoredMatrix,
    room: Room,
    user_features: Any = None,
    mesh: Mesh | None = None,
) -> Source:
    """The batches of a users x items matrix, in memory or stored.

    Args:
        train: the matrix.
        room: sizes of histories on the device; without effect on stored ones.
        user_features: data about the users, a pytree of arrays with a row per user.
        mesh: devices over which batches are divided.
    """
    shares = shares_of(mesh)
    if isinstance(train, StoredMatrix) and shares is None:
        load = partial(_load, train, user_features, mesh)
        return Source(_chunks(train), None, partial(_stream, load))
    if shares is not None and mesh is not None:
        dealt = deal_to_devices(
            train, shares, mesh, n_chunks=room.chunks, user_features=user_features
        )
        return Source(dealt.chunks_of_users(), shares, partial(_on_device, dealt))
    assert not isinstance(train, StoredMatrix)
    histories = to_device(train, n_chunks=room.chunks, user_features=user_features, mesh=mesh)
    chunks = histories.chunks_of_users()
    return Source(chunks, None, partial(_on_device, with_users(histories, room.users)))


def _chunks(train: StoredMatrix) -> Int[np.ndarray, " users"]:
    """The number of chunks of each user, in four bytes."""
    return np.concatenate(
        [
            chunk_counts(np.diff(train.indptr[start : start + ROWS + 1])).astype(np.int32)
            for start in range(0, train.shape[0], ROWS)
        ]
    )


def _on_device(
    histories: Histories, order: np.ndarray, parts: Sequence[slice], capacity: int
) -> Generator[Loaded]:
    del capacity
    for part in parts:
        yield Loaded(part, histories, order[part])


def _stream(
    load: Callable[[np.ndarray, slice, int], Loaded],
    order: np.ndarray,
    parts: Sequence[slice],
    capacity: int,
) -> Generator[Loaded]:
    """Load the next part in another thread while the one before is trained on."""
    ahead: deque[Future[Loaded]] = deque()
    with ThreadPoolExecutor(1, "histories") as reader:
        try:
            for part in parts:
                ahead.append(reader.submit(load, order, part, capacity))
                if len(ahead) == IN_FLIGHT:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _load(
    train: StoredMatrix,
    user_features: Any,
    mesh: Mesh | None,
    order: np.ndarray,
    part: slice,
    capacity: int,
) -> Loaded:
    """Read the histories of the users of some batches, and put them on the device."""
    users = order[part].ravel()
    histories = to_device(
        train.rows(users),
        # The most that the batches may have, so that all parts of an epoch share a program.
        n_chunks=len(order[part]) * parts_of_users(mesh) * capacity,
        user_features=take_rows(user_features, np.maximum(users, 0)),
        mesh=mesh,
        rows=users,
    )
    rows = np.where(users >= 0, np.arange(users.size, dtype=np.int32), -1)
    return Loaded(part, histories, rows.reshape(order[part].shape).astype(np.int32))

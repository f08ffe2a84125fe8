"""Histories that are dealt to the devices of several processes, and batches of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Int

from multvae_jax.batching.batches import Batch, gathered
from multvae_jax.batching.histories import CHUNK_WIDTH, Dealt, Histories, chunk_counts, in_chunks
from multvae_jax.host.stored_matrix import StoredMatrix
from multvae_jax.parallel.meshes import DATA, on_parts, parts_of_users, placed
from multvae_jax.parallel.shares import Shares, joined


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
    items, values, starts = in_chunks(rows, width, max(1, room))
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


def gathered_of_dealt(
    histories: Histories, users: Int[Array, " users"], capacity: int, mesh: Mesh, n_shares: int
) -> Batch:
    """Gather the chunks of some users, each device those of its own; see `Histories.dealt`."""
    names = ("items", "values", "starts", "per_user")

    def of_part(arrays: tuple[Any, ...], mine: Array) -> tuple[Any, ...]:
        fields = dict(zip(names, arrays, strict=True))
        alone = dataclasses.replace(histories, **fields, mesh=None, dealt=None)
        batch = gathered(alone, jnp.where(mine >= 0, mine // n_shares, -1), capacity)
        # A chunk that is padding gets the last user, whom its zeros do not change.
        own = jnp.minimum(batch.owner, mine.shape[0] - 1)
        owner = own + jax.lax.axis_index(DATA).astype(own.dtype) * mine.shape[0]
        return batch.items, batch.values, owner, batch.part, batch.per_user

    arrays = tuple(getattr(histories, name) for name in names)
    gather = on_parts(of_part, mesh, (P(DATA), P(DATA)), P(DATA))
    items, values, owner, part, per_user = gather(arrays, users)
    users = placed(mesh, users, DATA)
    return Batch(items, values, owner, part, users, histories.n_items, per_user, mesh)

"""Histories put on the device, and batches gathered from them there."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jax.sharding import Mesh
from jaxtyping import Array, Int

from multvae_jax.batching.batches import Batch, gathered
from multvae_jax.batching.dealing import deal_to_devices, gathered_of_dealt
from multvae_jax.batching.histories import CHUNK_WIDTH, HISTORIES, Histories, in_chunks
from multvae_jax.checks.bounds import Count, LeastCount, Size, check_array, check_matrix, check_rows
from multvae_jax.checks.signatures import checked
from multvae_jax.parallel.meshes import DATA, parts_of_users, placed
from multvae_jax.parallel.shares import shares_of


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
    items, values, starts = in_chunks(matrix, width, n_chunks)
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


@checked(histories=HISTORIES, users=check_array, capacity=Count)
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
        return gathered(histories, users, capacity)
    if histories.dealt is not None:
        return gathered_of_dealt(histories, users, capacity, mesh, histories.dealt.shares.number)
    parts, n_users = parts_of_users(mesh), users.shape[0]
    alone = dataclasses.replace(histories, mesh=None)
    in_parts = placed(mesh, users.reshape(parts, n_users // parts), DATA)
    batch = jax.vmap(lambda mine: gathered(alone, mine, capacity))(in_parts)
    # A chunk that is padding gets the last user of its part, whom its zeros do not change.
    own = jnp.minimum(batch.owner, n_users // parts - 1)
    first = jnp.arange(parts, dtype=jnp.int32) * (n_users // parts)
    batch = dataclasses.replace(batch, owner=own + first[:, None])
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), batch)
    return dataclasses.replace(placed(mesh, flat, DATA), mesh=mesh)

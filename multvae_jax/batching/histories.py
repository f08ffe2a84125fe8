"""Histories: every user's interactions, cut into chunks.

Every history is cut into chunks of a fixed width, the last chunk of a user padded. A value of 0
marks padding.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
import scipy.sparse as sp
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from multvae_jax.errors import InputError
from multvae_jax.parallel.shares import Shares

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


HISTORIES = (Histories, "to_device(split.train)")
"""The type of an argument for histories, and how to make one; for `signatures.checked`."""


def chunk_counts(lengths: np.ndarray, width: int = CHUNK_WIDTH) -> np.ndarray:
    """Number of chunks that histories of the given lengths take."""
    return -(-lengths // width)


def in_chunks(
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

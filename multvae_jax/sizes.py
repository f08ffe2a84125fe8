"""Sizes of arrays, rounded up so that similar data shares compiled programs.

A program is compiled for shapes. The folds of a cross-validation, or data sets with the same
numbers of users and items, differ a little in all other sizes; with some room, one program serves
them all.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.sparse as sp
from jax.sharding import Mesh

from multvae_jax.batching import CHUNK_WIDTH, Histories, chunk_counts, to_device
from multvae_jax.checks.bounds import take_rows
from multvae_jax.data.types import Split
from multvae_jax.host.stored_matrix import StoredMatrix
from multvae_jax.parallel.meshes import parts_of_users

STEPS = 8
"""Sizes from a power of two to the next: a size is rounded up by at most an eighth."""

CHEAP = 2**14
"""Chunks up to which an array is rounded up to a power of two: 2 MB."""

FEWEST = 32
"""Chunks that an array always has room for: 4 KB."""

SPREADS = 3.0
"""Standard deviations of room in a batch. One or two in a thousand random batches need more, and
the epoch is compiled again for them; more room would slow down every update."""

OF_OTHERS = 2.0
"""The sizes of the training and validation users together are used, so that all folds of a
cross-validation have the same ones, if they are at most this many times those of the training
users."""


def rounded_up(number: int, steps: int = STEPS) -> int:
    """The smallest of `steps` sizes per power of two that is not less than a number.

    Example:
        >>> [rounded_up(number) for number in (5, 94, 95, 1_000)]
        [5, 96, 96, 1024]
    """
    step = max(1, 2 ** max(0, (number - 1).bit_length() - 1) // steps)
    return math.ceil(number / step) * step


def with_margin(chunks: int) -> int:
    """A number of chunks rounded up, to a power of two where it is small; at least `FEWEST`."""
    return rounded_up(max(FEWEST, chunks), steps=1 if chunks <= CHEAP else STEPS)


FEW_SCORES = 2**22
"""Scores, 16 MB of them, up to which all validation users are ranked at once: users of one batch
share programs with the evaluation of other recommenders."""

MOST_SCORES = 2**24
"""Most users times items that are ranked at once: 64 MiB for each array of scores."""


def users_at_once(batch_size: int, n_items: int) -> int:
    """Number of users of a batch whose scores of all items fit in memory."""
    return max(1, min(batch_size, MOST_SCORES // n_items))


AT_ONCE = (1, 8, 64, 512)
"""Numbers of users in a request; any other is rounded up to one of them."""

FEWEST_IN_REQUEST = 8
"""Chunks that the smallest request has room for."""


def size_of_request(number: int, smallest: int = FEWEST_IN_REQUEST) -> int:
    """The first of the sizes `smallest`, 4 times as many, 16 times, ... that is large enough.

    Example:
        >>> [size_of_request(number) for number in (1, 8, 9, 100)]
        [8, 8, 32, 128]
    """
    while smallest < number:
        smallest *= 4
    return smallest


def sizes_of_requests(most: int, largest: int, smallest: int = FEWEST_IN_REQUEST) -> list[int]:
    """All sizes that `size_of_request` gives for numbers up to `most`, none above `largest`.

    Example:
        >>> sizes_of_requests(100, 1000), sizes_of_requests(100, 20)
        ([8, 32, 128], [8, 20])
    """
    sizes = [min(smallest, largest)]
    while sizes[-1] < min(most, largest):
        sizes.append(min(4 * sizes[-1], largest))
    return sizes


def request_of(
    rows: sp.csr_array, most_users: int, user_features: Any = None, mesh: Mesh | None = None
) -> tuple[Histories, int]:
    """Histories of some users on the device, of a size that many requests share.

    Args:
        rows: users x items, at most `most_users` of them.
        most_users: the largest number of users in a request.
        user_features: data about the users, a pytree of arrays with a row per user.
        mesh: devices over which the users and the items are divided; None for one.

    Returns:
        The histories, followed by empty ones, and the capacity to take all of them with.
    """
    n_users, parts = rows.shape[0], parts_of_users(mesh)
    size = min(next((size for size in AT_ONCE if size >= n_users), most_users), most_users)
    size += -size % parts
    starts = np.pad(rows.indptr, (0, size - n_users), mode="edge")
    padded = sp.csr_array((rows.data, rows.indices, starts), shape=(size, rows.shape[1]))
    smallest = max(FEWEST_IN_REQUEST, size // parts)
    in_parts = chunk_counts(np.diff(starts)).reshape(parts, -1).sum(axis=1)
    # At most what whole catalogues take: the next size may be up to four times as large.
    most = max(smallest, size // parts * -(-rows.shape[1] // CHUNK_WIDTH))
    capacity = min(most, size_of_request(int(in_parts.max()), smallest))
    # The users that are added have the features of the last one.
    user_features = take_rows(user_features, np.minimum(np.arange(size), n_users - 1))
    histories = to_device(padded, n_chunks=parts * capacity, user_features=user_features, mesh=mesh)
    return histories, capacity


def requests_of_all_sizes(
    n_users: int, n_items: int, longest: int | None = None
) -> Iterator[sp.csr_array]:
    """Histories of a number of users that need every capacity of `request_of`, once each.

    Args:
        n_users: number of users.
        n_items: size of the catalogue.
        longest: number of items of the longest history; by default, the catalogue's.
    """
    most = n_items if longest is None else min(longest, n_items)
    capacity = max(FEWEST_IN_REQUEST, n_users)
    last, needed = size_of_request(n_users * -(-most // CHUNK_WIDTH), capacity), 1
    while capacity <= last:
        counts = np.full(n_users, needed // n_users)
        counts[: needed % n_users] += 1
        lengths = np.minimum(CHUNK_WIDTH * counts, n_items)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        items = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        values = np.ones(len(items), np.float32)
        yield sp.csr_array((values, items, starts), shape=(n_users, n_items))
        needed, capacity = capacity + 1, 4 * capacity


def room_for(matrix: sp.csr_array) -> int:
    """The number of chunks to make room for in histories of a users x items matrix."""
    return with_margin(int(chunk_counts(_lengths(matrix)).sum()))


class Room(NamedTuple):
    """Sizes of the training data on the device.

    Attributes:
        chunks: number of chunks of all histories.
        users: number of users.
        capacity: number of chunks of a batch.
    """

    chunks: int
    users: int
    capacity: int


def room_of(split: Split, batch_size: int) -> Room:
    """Sizes for a training, which do not depend on the order of the users.

    The test users do not matter.

    Args:
        split: the split. Folds of the same data have nearly the same sizes, which are rounded up
            to the same.
        batch_size: users in a batch.
    """
    others = split.validation
    lengths = _lengths(split.train)
    if others is None:
        return room_of_lengths(lengths, lengths[:0], batch_size)
    pooled = _lengths(others.history) + _lengths(others.targets)
    return room_of_lengths(lengths, pooled, batch_size)


def room_of_lengths(lengths: np.ndarray, others: np.ndarray, batch_size: int) -> Room:
    """Sizes for a training, as in `room_of`.

    Args:
        lengths: number of items of each training user.
        others: number of items of each validation user.
        batch_size: users in a batch.
    """
    own = _sums(lengths)
    pooled = own + _sums(others)
    if pooled[0] > OF_OTHERS * own[0] or pooled[1] > OF_OTHERS * own[1]:
        pooled = own
    n, total, squares = map(int, pooled)
    mean = total / max(1, n)
    spread = math.sqrt(
        batch_size * max(0.0, squares / max(1, n) - mean**2) * max(0.0, 1 - batch_size / max(1, n))
    )
    needed = max(1, math.ceil(batch_size * mean + SPREADS * spread))
    capacity = rounded_up(needed)
    return Room(with_margin(total), rounded_up(n), capacity)


def _sums(lengths: np.ndarray) -> np.ndarray:
    """Number of histories, of their chunks, and the sum of the squares of these."""
    chunks = chunk_counts(lengths)
    return np.array([len(chunks), chunks.sum(), np.dot(chunks, chunks)], np.int64)


def _lengths(matrix: sp.csr_array | StoredMatrix) -> np.ndarray:
    return np.diff(matrix.indptr).astype(np.int64, copy=False)


def with_users(histories: Histories, n_users: int) -> Histories:
    """Append empty histories up to a number of users.

    Histories that are dealt to several processes stay as they are.
    """
    if histories.dealt is not None:
        return histories
    starts = np.asarray(histories.starts)
    padded = np.pad(starts, (0, max(0, n_users + 1 - len(starts))), mode="edge")
    return dataclasses.replace(histories, starts=jax.device_put(padded))

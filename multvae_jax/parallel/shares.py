"""Shares of the users, one for each of the processes that hold a part of a mesh.

With several processes, user u belongs to the share u % number, and only the processes of this share
hold the history of the user. A batch has the same users as on one device, in another order: those
of a share are on the devices of that share, and smaller shares are padded to the size of the
largest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from multvae_jax.errors import InputError
from multvae_jax.parallel.meshes import AXES, DATA, ITEMS, on_parts

SPREADS = 3.0
"""Standard deviations of room for the users of a share in a batch."""


class Shares(NamedTuple):
    """The shares of a mesh.

    Attributes:
        number: number of shares.
        share: the share of this process, from 0.
        parts: number of parts of a batch that each share has.
    """

    number: int
    share: int
    parts: int

    def rows_of(self, n_users: int) -> np.ndarray:
        """The users of this process, ascending."""
        return np.arange(self.share, n_users, self.number)

    def users_per_part(self, batch_size: int, n_users: int) -> int:
        """Size of a part with room for its users in nearly all batches of a random order."""
        share = 1 / self.number
        spread = math.sqrt(batch_size * share * (1 - share) * max(0, 1 - batch_size / n_users))
        return math.ceil((batch_size * share + SPREADS * spread) / self.parts)

    def dealt(self, order: np.ndarray, users_per_part: int = 1) -> np.ndarray:
        """The same batches, each user on a part of its share, padded with -1.

        Args:
            order: users of each batch, `... x batches x users`, -1 where padded.
            users_per_part: users to make room for at least.
        """
        is_real = order >= 0
        masks = [is_real & (order % self.number == share) for share in range(self.number)]
        most = max(int(mask.sum(axis=-1).max(initial=0)) for mask in masks)
        size = max(users_per_part, -(-most // self.parts))
        dealt = np.full((*order.shape[:-1], self.number * self.parts * size), -1, order.dtype)
        for share, mask in enumerate(masks):
            place = np.cumsum(mask, axis=-1)[mask] - 1
            # Dealt one by one to the parts, so that these differ by one user at most.
            place = (share * self.parts + place % self.parts) * size + place // self.parts
            dealt[(*np.nonzero(mask)[:-1], place)] = order[mask]
        return dealt


def shares_of(mesh: Mesh | None) -> Shares | None:
    """The shares of a mesh; None without a mesh, and for a single process.

    Raises:
        InputError: a process has no device on the mesh, or holds some of the parts of two shares.
    """
    if mesh is None or jax.process_count() == 1:
        return None
    owners = [[device.process_index for device in row] for row in mesh.devices]
    return shares_of_owners(owners, jax.process_count(), jax.process_index())


def shares_of_owners(owners: Sequence[Sequence[int]], n_processes: int, process: int) -> Shares:
    """The shares of a mesh, given the process of each of its devices.

    Args:
        owners: the processes, a row for each part of the users.
        n_processes: number of processes.
        process: this process.

    Raises:
        InputError: as in `shares_of`.
    """
    missing = set(range(n_processes)) - {owner for row in owners for owner in row}
    if missing:
        raise InputError(
            f"mesh: none of its {sum(map(len, owners))} devices is one of process {min(missing)}; "
            "every process must have some, as with data=N for the number N of all devices"
        )
    groups = [(set(row), len(list(rows))) for row, rows in itertools.groupby(owners, key=set)]
    sizes = {n_parts for _, n_parts in groups}
    if sum(len(group) for group, _ in groups) != n_processes or len(sizes) > 1:
        raise InputError(
            f"mesh: items={len(owners[0])} and the number of devices of a process do not divide "
            "one another; a process has whole parts of the users, or a part has whole processes"
        )
    share = next(n for n, (group, _) in enumerate(groups) if process in group)
    return Shares(len(groups), share, *sizes)


def meet(mesh: Mesh) -> None:
    """Connect the devices of several processes to those with which they will communicate.

    On a CPU, gloo allows 30 seconds for it; the first program of a training may take one process
    that much longer to compile than another.
    """

    def sums(number: jax.Array) -> jax.Array:
        of_axes = jax.lax.psum(number, DATA) + jax.lax.psum(number, ITEMS)
        return jax.lax.psum(of_axes, AXES)

    whole = PartitionSpec()
    jax.jit(on_parts(sums, mesh, whole, whole))(np.float32(0)).block_until_ready()


def joined(mesh: Mesh, array: Any, n_parts: int) -> jax.Array:
    """The global array whose parts along `data` the processes hold.

    Args:
        mesh: the devices.
        array: what each of the devices of this process holds.
        n_parts: number of parts along `data`.
    """
    array = np.asarray(array)
    sharding = NamedSharding(mesh, PartitionSpec(DATA))
    shape = (n_parts * array.shape[0], *array.shape[1:])
    return jax.make_array_from_callback(shape, sharding, lambda _: array)

"""Layouts: how the members of a sweep are mapped to the devices.

A layout turns a function of one member into a function of all members, which are stacked along a
new first axis of every array. All layouts compute the same results; they differ in speed and
memory. Accelerators are fastest with all members side by side, since a single one leaves most of
the chip idle. On a CPU a batched matrix product is slower than its parts one after the other, so
each device runs its members sequentially, in one program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from multvae_jax.checks.bounds import check_ids, check_kind

OfMember = Callable[[Any, Any, Any], tuple[Any, Any]]
"""`(shared, state, own) -> (state, result)`, for any pytrees.

`shared` is the same for all members. `state` is updated and keeps its shapes; `own` holds the other
inputs of a member.
"""


class Layout(NamedTuple):
    """A way to map a function of one member over all members.

    Attributes:
        over: transforms a function of one member into a function of all members, in which
            `state`, `own` and `result` have a leading axis of members.
        shared: sharding of arrays that all members share.
        members: sharding of arrays with a leading axis of members.
        devices: number of devices; it must divide the number of members.
    """

    over: Callable[[OfMember], OfMember]
    shared: Sharding
    members: Sharding
    devices: int = 1

    def jit(self, function: OfMember) -> Any:
        """Return the function of all members under `jax.jit`; it donates their states."""
        return jax.jit(
            self.over(function),
            in_shardings=(self.shared, self.members, self.members),
            out_shardings=self.members,
            donate_argnums=1,
        )


def _vmapped(function: OfMember) -> OfMember:
    return jax.vmap(function, in_axes=(None, 0, 0))


def _sequential(function: OfMember) -> OfMember:
    def mapped(shared: Any, states: Any, owns: Any) -> tuple[Any, Any]:
        # The carried states are updated in place. As inputs and outputs of the loop, as in
        # `lax.map`, they would be in memory twice.
        def one(states: Any, member: tuple[Any, Any]) -> tuple[Any, Any]:
            i, own = member
            state, result = function(shared, jax.tree.map(lambda leaf: leaf[i], states), own)
            return jax.tree.map(lambda old, new: _with(old, i, new), states, state), result

        first, *_ = jax.tree.leaves((states, owns))
        return jax.lax.scan(one, states, (jnp.arange(first.shape[0]), owns))

    return mapped


def _with(stacked: jax.Array, i: jax.Array, new: jax.Array) -> jax.Array:
    stacked = stacked.at[i].set(new)
    is_key = jnp.issubdtype(stacked.dtype, jax.dtypes.prng_key)
    # The key-reuse check counts all keys as used once one is taken out.
    return jax.random.clone(stacked) if is_key else stacked


def _on_one_device(over: Callable[[OfMember], OfMember]) -> Layout:
    here = SingleDeviceSharding(jax.devices()[0])
    return Layout(over, here, here)


def vmapped() -> Layout:
    """Run all members at once by `vmap`; temporary memory grows with their number.

    Example:
        >>> layout = mv.sweeps.vmapped()  # mv.sweep(..., layout=layout)
    """
    return _on_one_device(_vmapped)


def sequential() -> Layout:
    """Run the members one after the other in one program; temporary memory is that of one.

    Example:
        >>> layout = mv.sweeps.sequential()  # mv.sweep(..., layout=layout)
    """
    return _on_one_device(_sequential)


def sharded(devices: Sequence[jax.Device] | None = None, within: Layout | None = None) -> Layout:
    """Spread the members evenly over devices, which run in parallel.

    A CPU is one device unless `jax.config.update("jax_num_cpu_devices", n)` is called before the
    first use of jax; one device per core is fastest.

    Args:
        devices: the devices; all of them unless given.
        within: layout of the members of one device. Unless given, `sequential` on a CPU and
            `vmapped` elsewhere.

    Example:
        >>> layout = mv.sweeps.sharded(jax.devices())  # mv.sweep(..., layout=layout)
    """
    if devices is not None:
        check_ids("devices", devices)
        for device in devices:
            check_kind("devices", device, jax.Device, "one of jax.devices()")
    if within is not None:
        check_kind("within", within, Layout, "sequential()")
    return _sharded(
        tuple(jax.devices() if devices is None else devices), within or _for_one_device()
    )


@functools.cache
def _sharded(devices: tuple[jax.Device, ...], share: Layout) -> Layout:
    """The same layout for the same devices, so that its programs are compiled once."""
    mesh = Mesh(np.array(devices), ("members",))
    split, replicated = PartitionSpec("members"), PartitionSpec()

    def over(function: OfMember) -> OfMember:
        # The check would require every loop in a model to mark its initial carry as varying.
        return jax.shard_map(
            share.over(function),
            mesh=mesh,
            in_specs=(replicated, split, split),
            out_specs=split,
            check_vma=False,
        )

    return Layout(over, NamedSharding(mesh, replicated), NamedSharding(mesh, split), len(devices))


def _for_one_device() -> Layout:
    return sequential() if jax.default_backend() == "cpu" else vmapped()


def default() -> Layout:
    """Return the layout that is fastest on this machine.

    With several devices it is `sharded`. With one device it is `sequential` on a CPU and `vmapped`
    elsewhere.
    """
    return sharded() if len(jax.devices()) > 1 else _for_one_device()

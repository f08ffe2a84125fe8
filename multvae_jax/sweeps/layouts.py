"""How the members of a sweep lie on the machine: a choice of speed and memory, not of results.

A layout makes of a function of one member a function of all of them, stacked along a new first
axis of every array. All layouts compute the same; which one is fast is a matter of the backend. An
accelerator wants members side by side, since one alone leaves most of the chip idle. On a CPU a
batched product is slower than its parts in turn, so members follow each other there, in one
program, on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

OfMember = Callable[[Any, Any, Any], tuple[Any, Any]]
"""`(shared, state, own) -> (state, result)`, any pytrees: what all members have in common, what
changes of a member, and what else is its own. The new state has the shapes of the old one."""


class Layout(NamedTuple):
    """A way to map a function of one member over all members.

    Attributes:
        over: from a function of one member to that of all of them, where `state`, `own` and
            `result` have a first axis of members.
        shared: where an array lies that all members have in common.
        members: where an array with a first axis of members lies.
        devices: how many devices the members are spread over; a multiple of it is laid out.
    """

    over: Callable[[OfMember], OfMember]
    shared: Sharding
    members: Sharding
    devices: int = 1

    def jit(self, function: OfMember) -> Any:
        """The function of all members, to be compiled; it takes their states as its own."""
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
        # The states are carried and written back in place. As input and output of the loop, as
        # `lax.map` would have them, they would be in memory twice.
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
    # A key counts as used once it is cut out; the next member's is another one.
    return jax.random.clone(stacked) if is_key else stacked


def _on_one_device(over: Callable[[OfMember], OfMember]) -> Layout:
    here = SingleDeviceSharding(jax.devices()[0])
    return Layout(over, here, here)


def vmapped() -> Layout:
    """All members at once, by `vmap`: every array of the program is as many times as large."""
    return _on_one_device(_vmapped)


def sequential() -> Layout:
    """One member after the other, by a loop in the program: the temporary memory is that of one."""
    return _on_one_device(_sequential)


def sharded(devices: Sequence[jax.Device] | None = None, within: Layout | None = None) -> Layout:
    """The members spread evenly over devices, which work side by side.

    A CPU is one device unless `jax.config.update("jax_num_cpu_devices", n)` comes before the
    first use of jax; as many as cores is what pays.

    Args:
        devices: all there are unless given.
        within: how each device lays out its share; as `default` does for one device unless given.
    """
    devices = jax.devices() if devices is None else devices
    share = within or _for_one_device()
    mesh = Mesh(np.array(devices), ("members",))
    spread, everywhere = PartitionSpec("members"), PartitionSpec()

    def over(function: OfMember) -> OfMember:
        # The check would ask of every loop in a model that its first carry be marked as varying.
        return jax.shard_map(
            share.over(function),
            mesh=mesh,
            in_specs=(everywhere, spread, spread),
            out_specs=spread,
            check_vma=False,
        )

    return Layout(over, NamedSharding(mesh, everywhere), NamedSharding(mesh, spread), len(devices))


def _for_one_device() -> Layout:
    return sequential() if jax.default_backend() == "cpu" else vmapped()


def default() -> Layout:
    """The layout that suits the backend.

    `sharded` over several devices; on one device `sequential` on a CPU and `vmapped` elsewhere.
    """
    return sharded() if len(jax.devices()) > 1 else _for_one_device()

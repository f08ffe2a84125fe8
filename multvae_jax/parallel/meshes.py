"""Meshes of devices with the axes `data` and `items`.

The users of a batch are divided over `data`. The items, that is the rows of the encoder's first
layer, the columns of the decoder's last one and the logits, are divided over `items`. XLA finds
the communication that an operation needs from the placement of its arguments, so that the parts of
a model are written as for one device; the few operations where it would move too much are written
out with `jax.shard_map`, in `multvae_jax.ops`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from multvae_jax.checks.bounds import Size, check_kind, check_number
from multvae_jax.errors import InputError

DATA, ITEMS = AXES = "data", "items"
"""The axes of a mesh: over the first, users are divided; over the second, items."""


def make_mesh(data: int = 1, items: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """Arrange devices in a mesh.

    Args:
        data: number of parts into which the users of a batch are divided.
        items: number of parts into which the catalogue is divided.
        devices: the devices, at least `data` times `items` of them; by default those of jax.

    Raises:
        InputError: there are fewer devices.

    Example:
        >>> mesh = mv.make_mesh(data=1, items=1)  # data=2, items=4 on eight devices
        >>> dict(mesh.shape)
        {'data': 1, 'items': 1}
    """
    check_number("data", data, Size)
    check_number("items", items, Size)
    found = list(jax.devices() if devices is None else devices)
    if len(found) < data * items:
        raise InputError(
            f"mesh: data={data}, items={items}; devices needed: {data * items}, available: "
            f"{len(found)}"
        )
    arranged = np.array(found[: data * items], object).reshape(data, items)
    return Mesh(arranged, AXES, axis_types=(AxisType.Auto, AxisType.Auto))


def check_mesh(mesh: Any) -> None:
    """Refuse what is neither None nor a mesh with the axes of `make_mesh`.

    Raises:
        InputError: it is something else.
    """
    if mesh is None:
        return
    check_kind("mesh", mesh, Mesh, "make_mesh(data=2, items=4)")
    if mesh.axis_names != AXES:
        raise InputError(
            f"mesh: its axes are {', '.join(map(str, mesh.axis_names))}; use "
            "make_mesh(data=2, items=4)"
        )


def parts_of_users(mesh: Mesh | None) -> int:
    """Number of parts into which the users of a batch are divided."""
    return 1 if mesh is None else mesh.shape[DATA]


def parts_of_items(mesh: Mesh | None) -> int:
    """Number of parts into which the catalogue is divided."""
    return 1 if mesh is None else mesh.shape[ITEMS]


def placed(mesh: Mesh | None, tree: Any, *axes: str | None) -> Any:
    """Place the arrays of a pytree, in a compiled program or outside.

    Args:
        mesh: the mesh; None leaves the arrays where they are.
        tree: the arrays.
        axes: axis of the mesh over which each of the first axes of an array is divided; None for
            one that is not.
    """
    if mesh is None:
        return tree

    def place(leaf: Any) -> Array:
        spec = PartitionSpec(*axes[: np.ndim(leaf)])
        return jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec))

    return jax.tree.map(place, tree)


def padded_to(multiple: int, array: Array, axis: int, value: Any = 0) -> Array:
    """Pad an axis at its end with a value, to the next multiple of a number."""
    missing = -array.shape[axis] % multiple
    if not missing:
        return array
    widths = [(0, missing if one == axis % array.ndim else 0) for one in range(array.ndim)]
    return jnp.pad(array, widths, constant_values=value)


def on_parts(function: Any, mesh: Mesh, in_specs: Any, out_specs: Any) -> Any:
    """`jax.shard_map` of a function that does its own communication, also in its gradient."""
    return jax.shard_map(
        function, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False
    )

"""The division of arrays with an axis of items over a mesh."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import (
    Mesh,
    NamedSharding,
    PartitionSpec,
    Sharding,
    SingleDeviceSharding,
)
from jaxtyping import Array

from multvae_jax.parallel.meshes import AXES, ITEMS, padded_to, parts_of_items


@dataclasses.dataclass(frozen=True)
class Partition:
    """The placement of a pytree of arrays, such as the parameters of a model.

    An array with an axis of items is divided along it over the axis `items` of the mesh; each
    device has a copy of all others. The number of items need not be a multiple of the parts: on the
    devices, the axis is padded with zeros, which a program removes first and appends at its end.

    Attributes:
        mesh: the devices; None for one, on which nothing is divided or padded.
        n_items: number of items.
        axes: the axis of each array that is divided; None for an array that is not.
    """

    mesh: Mesh | None
    n_items: int
    axes: tuple[int | None, ...]

    def made_by(self, make: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose result is padded and created where it is placed."""
        return make if self.mesh is None else jax.jit(lambda *args: self.placed(make(*args)))

    def shapes(self, tree: Any) -> Any:
        """The shapes of the arrays without their padding."""
        return jax.eval_shape(self.plain, tree)

    def placed(self, tree: Any) -> Any:
        """Pad the arrays for this mesh, and place them; in a compiled program or outside.

        They may have no padding, or that of another mesh.
        """
        return self._map(self._place, tree)

    def plain(self, tree: Any) -> Any:
        """The arrays without their padding; in a compiled program."""
        return self._map(self._cut, tree)

    def gathered(self, tree: Any) -> Any:
        """The arrays without their padding, as NumPy arrays."""
        if self.mesh is None:
            return tree
        return self._map(lambda leaf, axis: self._cut(on_host(leaf), axis), tree)

    def _map(self, function: Callable[[Any, int | None], Any], tree: Any) -> Any:
        leaves, structure = jax.tree.flatten(tree)
        found = [function(leaf, axis) for leaf, axis in zip(leaves, self.axes, strict=True)]
        return jax.tree.unflatten(structure, found)

    def _place(self, leaf: Any, axis: int | None) -> Array:
        if self.mesh is None:
            return self._cut(leaf, axis)
        sharding, parts = self._sharding(axis), parts_of_items(self.mesh)
        if axis is not None and leaf.shape[axis] != self.n_items + -self.n_items % parts:
            leaf = padded_to(parts, self._cut(leaf, axis), axis)
        if isinstance(leaf, jax.core.Tracer):
            return jax.lax.with_sharding_constraint(leaf, sharding)
        return put(leaf, sharding)

    def stored(self, shapes: Any) -> Any:
        """Shapes with placements for arrays from a file, perhaps with another mesh's padding."""

        def place(leaf: Any, axis: int | None) -> jax.ShapeDtypeStruct:
            if self.mesh is None:
                sharding: Sharding = SingleDeviceSharding(jax.local_devices()[0])
            else:
                divides = axis is not None and leaf.shape[axis] % parts_of_items(self.mesh) == 0
                sharding = self._sharding(axis if divides else None)
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

        return self._map(place, shapes)

    def has_only_padding(self, tree: Any) -> bool:
        """Return whether all entries of the arrays beyond the last item are zero."""

        def is_zero(leaf: Any, axis: int | None) -> bool:
            if axis is None or leaf.shape[axis] == self.n_items:
                return True
            return not jnp.any(leaf[(slice(None),) * axis + (slice(self.n_items, None),)])

        return all(jax.tree.leaves(self._map(is_zero, tree)))

    def _sharding(self, axis: int | None) -> NamedSharding:
        """The placement of an array by the axis of its items."""
        assert self.mesh is not None
        return NamedSharding(
            self.mesh,
            PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, ITEMS),
        )

    def _cut(self, leaf: Any, axis: int | None) -> Any:
        if axis is None or leaf.shape[axis] == self.n_items:
            return leaf
        return leaf[(slice(None),) * axis + (slice(self.n_items),)]


def partition_of(tree: Any, n_items: int, mesh: Mesh | None) -> Partition:
    """The partition of arrays, or of their shapes, by their first axis as long as the items."""
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(tree)]
    return Partition(
        mesh, n_items, tuple(shape.index(n_items) if n_items in shape else None for shape in shapes)
    )


def put(leaf: Any, sharding: Sharding) -> Array:
    """Put an array on devices; if they are of several processes, each must have the same array.

    `jax.device_put` would compare the arrays of the processes, which takes a communication of each.
    """
    if sharding.is_fully_addressable or not getattr(leaf, "is_fully_addressable", True):
        return jax.device_put(leaf, sharding)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = put(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda part: host[part])


def on_all_devices(mesh: Mesh | None, tree: Any) -> Any:
    """The arrays of a pytree, whole on every device of a mesh, perhaps of several processes."""
    if mesh is None:
        return tree
    return jax.tree.map(lambda leaf: put(leaf, NamedSharding(mesh, PartitionSpec())), tree)


def on_host(leaf: Any) -> Any:
    """A whole array as a NumPy array; a key of jax stays one.

    If it is divided over devices of several processes, all of them must call this together.
    """
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = on_host(jax.random.key_data(leaf))
        return jax.random.wrap_key_data(jnp.asarray(data), impl=jax.random.key_impl(leaf))
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        return multihost_utils.process_allgather(leaf, tiled=True)
    return np.asarray(leaf)


def mesh_of(tree: Any) -> Mesh | None:
    """The mesh on which a `Partition` has placed arrays; None if it has placed none of them."""
    for leaf in jax.tree.leaves(tree):
        sharding = getattr(leaf, "sharding", None)
        mesh = sharding.mesh if isinstance(sharding, NamedSharding) else None
        if isinstance(mesh, Mesh) and mesh.axis_names == AXES:
            return mesh
    return None

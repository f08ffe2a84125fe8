"""Pytrees of arrays and typed keys on disk, through orbax."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from orbax.checkpoint import v1 as ocp

from multvae_jax.checks.bounds import check_path
from multvae_jax.errors import InputError
from multvae_jax.parallel.meshes import make_mesh
from multvae_jax.parallel.partition import on_all_devices
from multvae_jax.runs.storage import quietly, reports_muted, storage_errors, storage_path
from multvae_jax.types import n_bytes

Tree = TypeVar("Tree")

LARGE = 2**26
"""Bytes from which an array is read alone, and in pieces of this size if it was written so: while
a piece is decoded, it is in memory once more. Smaller pieces are kept by the allocator of glibc."""

MOST_PIECES = 8
"""Largest number of pieces that an array is cut into, per piece that it needs."""


def save_tree(path: str | Path, tree: object) -> None:
    """Write a pytree of arrays and typed keys to a new directory.

    The directory appears whole or not at all. Several processes that train together call this with
    the same arrays, and write them once.

    Raises:
        OSError: if it cannot be written.
    """
    check_path("path", path)
    if tree is None:
        raise InputError("tree: is None; give a pytree of arrays")
    with reports_muted(), storage_errors(), writing_context():
        ocp.save(storage_path(path), _of_all_processes(tree))


def writing_context() -> Any:
    """How orbax writes arrays: as they are in memory, without a copy, and large ones in pieces.

    Compression would make trained parameters a tenth smaller, take several times as long, and hold
    a compressed copy of all arrays.
    """
    context = ocp.Context()
    saving = context.array.saving
    saving.use_compression = False

    def options_of(_: Any, leaf: Any) -> Any:
        if not hasattr(leaf, "shape"):  # a number of Python
            return None
        piece = _bytes_of_piece(_shape_on_disk(leaf), n_bytes(leaf))
        return type(saving).StorageOptions(chunk_byte_size=piece)

    saving.scoped_storage_options_creator = options_of
    return context


def _bytes_of_piece(shape: tuple[int, ...], size: int) -> int:
    """Bytes of the pieces that an array is written in, `LARGE` or less if it can be cut so.

    orbax cuts the longest axis, and evenly: one whose length is prime, into as many pieces as it
    has entries. Pieces along another axis than the first are copied. Such arrays are written whole.
    """
    rows, *others = (*shape, 1, 1)
    needed = max(1, -(-size // LARGE))
    numbers = (*range(needed, MOST_PIECES * needed + 1), *range(needed - 1, 1, -1))
    # Where another axis becomes the longest, orbax goes on with that one.
    even = (n for n in numbers if rows % n == 0 and rows // n >= max(others))
    return size // next(even, 1)


def _of_all_processes(tree: Tree) -> Tree:
    """The arrays as the processes that train together write them, each only once."""
    if jax.process_count() == 1:
        return tree

    def of_all(leaf: Any) -> Any:
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return np.asarray(leaf)
        return on_all_devices(make_mesh(data=len(jax.devices())), leaf)

    found: Tree = jax.tree.map(of_all, tree)
    return found


def load_tree(path: str | Path, like: Tree) -> Tree:
    """Read a pytree back onto the first device.

    Args:
        path: directory that `save_tree` wrote.
        like: a pytree of the same structure, of arrays or of `jax.ShapeDtypeStruct`.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if the structure or a shape differs.
    """
    check_path("path", path)
    place = storage_path(path)
    if not place.is_dir():
        raise FileNotFoundError(f"{path}: no such directory")

    check_shapes(quietly(lambda: ocp.metadata(place)).metadata, like)
    wanted, structure = jax.tree.flatten(on_first_device(like))
    # An array is in memory twice while it is read, and each large one is therefore read alone.
    large = [number for number, leaf in enumerate(wanted) if n_bytes(leaf) >= LARGE]
    small = [number for number in range(len(wanted)) if number not in large]
    found: dict[int, Any] = {}
    for group in filter(None, (small, *([number] for number in large))):
        some = (leaf if n in group else ocp.PLACEHOLDER for n, leaf in enumerate(wanted))
        read = quietly(partial(ocp.load, place, jax.tree.unflatten(structure, some)))
        read = jax.tree.leaves(read, is_leaf=lambda leaf: leaf is ocp.PLACEHOLDER)
        found |= {number: read[number] for number in group}
    restored: Tree = jax.tree.unflatten(structure, [found[n] for n in range(len(wanted))])
    return restored


def shapes_of(tree: object) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a pytree, by its place, such as "network/decoder/bias"."""
    leaves = jax.tree.leaves_with_path(tree, is_leaf=lambda leaf: hasattr(leaf, "shape"))
    return {
        jax.tree_util.keystr(place, simple=True, separator="/"): _shape_on_disk(leaf)
        for place, leaf in leaves
    }


def _shape_on_disk(leaf: Any) -> tuple[int, ...]:
    """The shape of an array, or of the numbers of a key."""
    dtype = getattr(leaf, "dtype", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
        leaf = jax.eval_shape(jax.random.key_data, leaf)
    return tuple(leaf.shape)


def read_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """The shape of each array that `save_tree` wrote to a directory, as in `shapes_of`.

    Raises:
        ValueError: if there are none, as in a damaged directory.
    """
    shapes = quietly(lambda: shapes_of(ocp.metadata(storage_path(path)).metadata))
    if not shapes:
        raise ValueError(f"{path}: no arrays")
    return shapes


def read_like(path: str | Path) -> Any:
    """The shapes and types of the arrays that `save_tree` wrote to a directory, as a pytree.

    Raises:
        ValueError: if they cannot be read.
    """
    found = quietly(lambda: ocp.metadata(storage_path(path))).metadata
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype),
        found,
        is_leaf=lambda leaf: hasattr(leaf, "shape"),
    )


def check_shapes(found: object, like: object) -> None:
    """Compare the shapes of a checkpoint with those that are expected.

    orbax itself would report a difference at great length.

    Raises:
        ValueError: naming the first array that differs.
    """
    there, here = shapes_of(found), shapes_of(like)
    for name in sorted({*there, *here}):
        if there.get(name) != here.get(name):
            shapes = (shapes.get(name, "missing") for shapes in (there, here))
            raise ValueError("the shape of {} is {}, not {}".format(name, *shapes))


def on_first_device(like: Tree) -> Tree:
    """The shapes and types of a pytree, with the first device as the place of its arrays."""
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), like
    )

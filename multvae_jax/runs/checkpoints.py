"""Parameters and training states on disk, through orbax."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp

from multvae_jax.training import TrainState

Tree = TypeVar("Tree")


def save_tree(path: str | Path, tree: object) -> None:
    """Write a pytree of arrays and typed keys to a new directory.

    The directory appears whole or not at all.
    """
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(Path(path).absolute(), tree)


def load_tree(path: str | Path, like: Tree) -> Tree:
    """Read a pytree back onto the first device.

    Args:
        path: directory that `save_tree` wrote.
        like: a pytree of the same structure, of arrays or of `jax.ShapeDtypeStruct`.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if the structure or a shape differs.
    """
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    target = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), like
    )
    with ocp.StandardCheckpointer() as checkpointer:
        restored: Tree = checkpointer.restore(Path(path).absolute(), target)
    return restored


def shapes_of(tree: object) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a pytree, by its place, such as "network/decoder/bias"."""
    leaves = jax.tree.leaves_with_path(tree, is_leaf=lambda leaf: hasattr(leaf, "shape"))
    return {
        jax.tree_util.keystr(place, simple=True, separator="/"): tuple(leaf.shape)
        for place, leaf in leaves
    }


def read_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """The shape of each array that `save_tree` wrote to a directory, as in `shapes_of`."""
    with ocp.StandardCheckpointer() as checkpointer:
        return shapes_of(checkpointer.metadata(Path(path).absolute()).item_metadata.tree)


def save_state(path: str | Path, state: TrainState) -> None:
    """Write a training state to a new directory, without the numbers of the objective (`hyper`)."""
    save_tree(path, _changing(state))


def load_state(path: str | Path, like: TrainState) -> TrainState:
    """Read a training state back.

    Args:
        path: directory that `save_state` wrote.
        like: a state of the same run, such as its first; it also provides `hyper`.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if the structure or a shape differs.

    Example:
        >>> save_state("checkpoints/5", state)
        >>> state = load_state("checkpoints/5", init_state(key, model, optimizer, n_items, beta))
    """
    return dataclasses.replace(like, **load_tree(path, _changing(like)))


def _changing(state: TrainState) -> dict[str, Any]:
    """The fields of a state that training changes."""
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    del fields["hyper"]
    return fields

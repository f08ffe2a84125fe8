"""Parameters and training states on disk, through orbax."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

import jax
import orbax.checkpoint as ocp

from multvae_jax.training import TrainState

Tree = TypeVar("Tree")


def save_tree(path: Path, tree: object) -> None:
    """Write a pytree of arrays and typed keys to a new directory.

    The directory appears whole or not at all.
    """
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path.absolute(), tree)


def load_tree(path: Path, like: Tree) -> Tree:
    """Read a pytree back onto the first device.

    Args:
        path: what `save` wrote.
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
        restored: Tree = checkpointer.restore(path.absolute(), target)
    return restored


def save_state(path: Path, state: TrainState) -> None:
    """Write a training state, but for `hyper`, whose numbers the run's configuration has."""
    save_tree(path, _changing(state))


def load_state(path: Path, like: TrainState) -> TrainState:
    """Read a training state back.

    Args:
        path: what `save_state` wrote.
        like: a state of the same run, such as its first; it gives `hyper`.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if the structure or a shape differs.
    """
    return dataclasses.replace(like, **load_tree(path, _changing(like)))


def _changing(state: TrainState) -> dict[str, Any]:
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    del fields["hyper"]
    return fields

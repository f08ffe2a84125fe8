"""Training states on disk, and the last checkpoints of a training."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from multvae_jax.checks.bounds import Count, check_number, check_path
from multvae_jax.errors import InputError, first_line
from multvae_jax.parallel.partition import Partition, partition_of
from multvae_jax.parallel.processes import is_first, wait_for_all
from multvae_jax.runs.pytrees import (
    Tree,
    check_shapes,
    load_tree,
    on_first_device,
    save_tree,
    shapes_of,
    writing_context,
)
from multvae_jax.runs.storage import quietly, reports_muted, storage_errors, storage_path
from multvae_jax.training.fit_state import FitState, Part
from multvae_jax.training.updates import TrainState
from multvae_jax.types import n_bytes


def save_state(path: str | Path, state: TrainState) -> None:
    """Write a training state to a new directory, without the numbers of the objective (`hyper`).

    Args:
        path: the directory, which appears whole or not at all.
        state: the state; `load_state` takes its `hyper` from a state of the same run.

    Example:
        >>> optimizer, beta = optax.adam(1e-3), mv.schedules.constant(0.2)
        >>> state = mv.training.init_state(key, model, optimizer, split.train.shape[1], beta)
        >>> mv.runs.save_state("checkpoints/0", state)
    """
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
        >>> optimizer, beta = optax.adam(1e-3), mv.schedules.constant(0.2)
        >>> state = mv.training.init_state(key, model, optimizer, split.train.shape[1], beta)
        >>> mv.runs.save_state("checkpoints/first", state)
        >>> state = mv.runs.load_state("checkpoints/first", like=state)
        >>> int(state.step)
        0
    """
    return dataclasses.replace(like, **load_tree(path, _changing(like)))


class Checkpoints:
    """The last checkpoints of a training, written in the background while it goes on.

    Each is in a directory with the number of updates as its name, which appears whole or not at
    all. What an earlier process left half-written is removed.

    Example:
        >>> with mv.runs.Checkpoints("training") as checkpoints:
        ...     run = mv.fit(key, model, split, epochs=2, callback=checkpoints.save)
        >>> with mv.runs.Checkpoints("training") as checkpoints:
        ...     state = checkpoints.latest(like=run.state)
        >>> continued = mv.fit(key, model, split, epochs=2, state=state)
    """

    def __init__(self, directory: str | Path, keep: int = 2) -> None:
        """Open the checkpoints of a directory, which is made if it does not exist.

        Args:
            directory: the directory.
            keep: number of checkpoints to keep.
        """
        check_path("directory", directory)
        check_number("keep", keep, Count)
        self.directory = Path(directory)
        self.seconds = 0.0
        """Time that the last checkpoint took, in the background included."""
        self._last: int | None = None
        self._quiet = contextlib.ExitStack()
        if is_first():
            _remove_incomplete(self.directory)
        # Each process must see what is left.
        wait_for_all()
        self._checkpointer = ocp.training.Checkpointer(
            storage_path(self.directory),
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=ocp.training.preservation_policies.LatestN(keep),
            cleanup_tmp_directories=True,
            context=writing_context(),
        )

    def __enter__(self) -> Checkpoints:
        self._quiet.enter_context(reports_muted())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        # With several processes, this would wait for others that may be lost.
        if error is None or jax.process_count() == 1:
            self.close()

    def save(self, state: FitState) -> None:
        """Start to write a checkpoint; waits for one that is being written.

        Raises:
            OSError: if this checkpoint or the one before cannot be written.
        """
        began = time.perf_counter()
        if int(state.train.step) == self._last:
            return
        about = {"log": state.log, "capacity": state.capacity, "parts": state.parts}
        arrays = {"train": _changing(state.train), "best": state.best}
        if state.best is None:
            del arrays["best"]
        with storage_errors():
            response = self._checkpointer.save_async(
                int(state.train.step),
                arrays,
                custom_metadata={**about, "best": state.best is not None},
            )

        self._last = int(state.train.step)

        def measure(_: Any) -> None:
            self.seconds = time.perf_counter() - began

        if response is not None:
            response.on_complete(measure)

    def latest(self, like: TrainState, partition: Partition | None = None) -> FitState | None:
        """Read the last checkpoint that can be read; None if there is none.

        Args:
            like: the state of the same training before its first update; it also provides `hyper`.
            partition: how the state is divided over several devices; by default it is read to the
                first. The checkpoint may be of another number of devices.

        Raises:
            InputError: if there are checkpoints and none can be read.
        """
        self._checkpointer.wait()
        problem = None
        for checkpoint in reversed(self._checkpointer.checkpoints):
            try:
                state = self._load(checkpoint.step, like, partition)
            # orbax and its storage raise exceptions of many types for a damaged checkpoint.
            except Exception as error:
                problem = problem or f"{self.directory / str(checkpoint.step)}: {first_line(error)}"
            else:
                self._last = checkpoint.step
                return state
        if problem is None:
            return None
        raise InputError(f"{self.directory}: no checkpoint can be read; {problem}")

    def _load(self, step: int, like: TrainState, partition: Partition | None) -> FitState:
        about: Mapping[str, Any] = self._checkpointer.metadata(step).custom_metadata
        shapes = {"train": _changing(like), "best": like.params}
        if not about["best"]:
            del shapes["best"]

        found = quietly(lambda: self._checkpointer.metadata(step)).metadata
        wanted = on_first_device(shapes)
        if partition is not None:
            partition = partition_of(shapes, partition.n_items, partition.mesh)
            shapes = _with_padding_of(shapes, found, partition)
            wanted = partition.stored(shapes)
        check_shapes(found, shapes)
        load = self._checkpointer.load
        arrays: dict[str, Any] = quietly(lambda: load(step, wanted))
        if partition is not None:
            if not partition.has_only_padding(arrays):
                raise ValueError(f"it has more than {partition.n_items:,} items")
            arrays = partition.placed(arrays)
        return FitState(
            train=dataclasses.replace(like, **arrays["train"]),
            best=arrays.get("best"),
            log=tuple(about["log"]),
            capacity=about["capacity"],
            parts=tuple(Part(*part) for part in about["parts"]),
        )

    def wait(self) -> None:
        """Wait for the checkpoint that is being written.

        Raises:
            OSError: if it cannot be written.
        """
        with storage_errors():
            self._checkpointer.wait()

    def close(self) -> None:
        """Wait for the checkpoint that is being written.

        Raises:
            OSError: if it cannot be written.
        """
        with self._quiet, storage_errors():
            self._checkpointer.close()


def bytes_of_checkpoint(state: TrainState) -> int:
    """Bytes of a checkpoint: a state, or its shapes, and the parameters of the best epoch."""
    return n_bytes((state.params, state.opt_state, state.params))


def _remove_incomplete(directory: Path) -> None:
    """Remove checkpoints that a process was removing when it was killed."""
    for path in directory.glob("[0-9]*"):
        if not (path / "_CHECKPOINT_METADATA").is_file():
            shutil.rmtree(path, ignore_errors=True)


def _with_padding_of(like: Tree, found: object, partition: Partition) -> Tree:
    """The shapes with as many entries along the items as those on disk have."""
    there, here = shapes_of(found), shapes_of(like)

    def padded(leaf: Any, axis: int | None, name: str) -> Any:
        shape = list(leaf.shape)
        if axis is None or len(there.get(name, ())) != len(shape):
            return leaf
        shape[axis] = max(shape[axis], there[name][axis])
        return jax.ShapeDtypeStruct(tuple(shape), leaf.dtype)

    leaves, structure = jax.tree.flatten(like)
    found_leaves = map(padded, leaves, partition.axes, here)
    result: Tree = jax.tree.unflatten(structure, found_leaves)
    return result


def _changing(state: TrainState) -> dict[str, Any]:
    """The fields of a state that training changes."""
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    del fields["hyper"]
    return fields

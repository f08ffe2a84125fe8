"""The programs of a training, compiled for shapes alone: nothing is allocated and nothing runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from multvae_jax.batching import CHUNK_WIDTH, Histories, chunk_counts, parts_of_epoch
from multvae_jax.estimating.costs import NO_COSTS, Costs, costs_of
from multvae_jax.estimating.lengths import Lengths
from multvae_jax.evaluation.evaluation_set import EvaluationSet
from multvae_jax.evaluation.ranking import all_items
from multvae_jax.evaluation.shared_arrays import Together
from multvae_jax.evaluation.values import AnyMetric, compiled_ranked_values
from multvae_jax.models import Model, divided_scorer
from multvae_jax.ops.in_place import is_without_copies
from multvae_jax.parallel.meshes import parts_of_users
from multvae_jax.parallel.partition import Partition, partition_of
from multvae_jax.schedules import linear_annealing
from multvae_jax.sizes import (
    FEW_SCORES,
    SPREADS,
    Room,
    room_of_lengths,
    rounded_up,
    with_margin,
)
from multvae_jax.training.finite import compiled_epoch
from multvae_jax.training.updates import (
    TrainState,
    init_state,
    make_train_step,
    optimizer_of,
)

LARGE = 2**25
"""Bytes from which the C library returns an array to the system as soon as it is freed."""

TESTED_AT_ONCE = 500
"""Users that a test ranks at once, as `evaluate` does unless told otherwise."""


class Program(NamedTuple):
    """A compiled program of one device.

    Attributes:
        arguments: bytes of its arguments, of which donated ones become results.
        temporaries: bytes that it needs beside arguments and results.
        results: bytes of the results that no argument was donated for.
        costs: what it does in one run.
        text: length of its text, with which the memory of the program itself grows.
    """

    arguments: int
    temporaries: int
    results: int
    costs: Costs
    text: int = 0


def program_of(lowered: jax.stages.Lowered) -> Program:
    """Compile a program, and read what it needs and does."""
    return program_of_compiled(lowered.compile())


def program_of_compiled(compiled: jax.stages.Compiled) -> Program:
    """Read what a compiled program needs and does."""
    memory: Any = compiled.memory_analysis()
    text = compiled.as_text() or ""
    temporaries = memory.temp_size_in_bytes
    results = memory.output_size_in_bytes - memory.alias_size_in_bytes
    fresh = sum(size for size in (temporaries, results) if size >= LARGE)
    costs = costs_of(text)._replace(fresh=fresh)
    return Program(memory.argument_size_in_bytes, temporaries, results, costs, len(text))


class Training(NamedTuple):
    """The training to estimate.

    Attributes:
        model: the model.
        optimizer: any optax transformation.
        batch_size: users in an update.
        epochs: passes over the training users.
        metrics: validation metrics by name.
        validate_every: epochs between validations.
        mesh: devices; None for one.
        skips: whether updates that are not finite are left out.
    """

    model: Model
    optimizer: optax.GradientTransformation
    batch_size: int
    epochs: int
    metrics: Mapping[str, AnyMetric]
    validate_every: int = 1
    mesh: Mesh | None = None
    skips: bool = False


def key_shape() -> Any:
    """The shape of a key; jax has to start to make one."""
    return jax.eval_shape(lambda: jax.random.key(0))


def any_beta() -> optax.Schedule:
    """Any schedule of beta as trainings have it; its numbers are arguments of a program."""
    return linear_annealing(1.0, 1.0)


class Programs(NamedTuple):
    """The programs of a training, and the bytes of what it holds between them, on one device.

    Attributes:
        init: draws the parameters.
        epoch: some updates, as many as are made in one run.
        updates: number of updates in it.
        ranking: one validation; None without validation users.
        testing: a test of as many users; None without.
        params: bytes of the parameters.
        opt_state: bytes of the optimizer's state.
        histories: bytes of the training data.
        small: bytes of the parameters in arrays of less than `LARGE`.
        epoch_programs: number of programs of updates, as in `n_programs`.
    """

    init: Program
    epoch: Program
    updates: int
    ranking: Program | None
    testing: Program | None
    params: int
    opt_state: int
    histories: int
    small: int = 0
    epoch_programs: int = 1

    @property
    def of_update(self) -> Costs:
        """Costs of one update."""
        return self.epoch.costs.times(1 / self.updates)

    @property
    def of_validation(self) -> Costs:
        """Costs of a validation; none without validation users."""
        return NO_COSTS if self.ranking is None else self.ranking.costs

    @property
    def text(self) -> int:
        """Letters of the texts of the programs of a training, before its test."""
        ranking = 0 if self.ranking is None else self.ranking.text
        return self.init.text + self.epoch_programs * self.epoch.text + ranking

    @property
    def text_of_test(self) -> int:
        """Letters that a test adds; 0 if it is the program of the validation."""
        return 0 if self.testing in (None, self.ranking) else self.testing.text


def n_updates(lengths: Lengths, training: Training) -> int:
    """Number of updates in an epoch."""
    return -(-lengths.n_users // training.batch_size)


def n_programs(updates: int, epochs: int) -> int:
    """Number of programs of the updates of a training.

    The last run of an epoch may have fewer updates than the others. All are compiled again for the
    first batch that is larger than the room for it, which a long training is likely to have.
    """
    runs = len({part.stop - part.start for part in parts_of_epoch(updates)})
    beyond = math.erfc(SPREADS / math.sqrt(2)) / 2
    return runs * (2 if beyond * updates * epochs > 0.5 else 1)


class CompiledEpoch(NamedTuple):
    """The compiled updates of a training, which `fit` runs.

    Attributes:
        compiled: `(state, histories, order) -> (state, terms, check)`.
        updates: number of updates in one run.
        room: sizes of the training data on the device.
        state: shapes of the training state, with their placement.
        histories: shapes of the training data.
    """

    compiled: jax.stages.Compiled
    updates: int
    room: Room
    state: TrainState
    histories: Histories


def compiled_epoch_of(lengths: Lengths, training: Training) -> CompiledEpoch:
    """Compile the updates of a training as `fit` does, with the same shapes."""
    model, mesh, n_items = training.model, training.mesh, lengths.n_items
    optimizer = optimizer_of(model, training.optimizer, n_updates(lengths, training))
    shapes = jax.eval_shape(
        lambda key: init_state(key, model, optimizer, n_items, any_beta()), key_shape()
    )
    partition = partition_of(shapes, n_items, mesh)
    state = _placed(partition, shapes)
    at_once = parts_of_epoch(n_updates(lengths, training))[0].stop
    parts = parts_of_users(mesh)
    room = room_of_lengths(
        lengths.train, lengths.history + lengths.targets, -(-training.batch_size // parts)
    )
    histories = _histories(room.users, room.chunks, lengths, mesh)
    width = training.batch_size + -training.batch_size % parts
    order = jax.ShapeDtypeStruct((at_once, width), jnp.int32)
    in_place = not training.skips and mesh is None and is_without_copies()
    step = make_train_step(model, optimizer, None, in_place)
    run_part = compiled_epoch(step, training.skips, (room, n_items, training.batch_size), partition)
    lowered = run_part.lower(state, histories, order, capacity=room.capacity)
    return CompiledEpoch(lowered.compile(), at_once, room, state, histories)


def compiled(lengths: Lengths, training: Training) -> Programs:
    """Compile the programs that `fit` runs, with the same shapes, and read what they take."""
    model, n_items = training.model, lengths.n_items
    epoch = compiled_epoch_of(lengths, training)
    params = jax.eval_shape(lambda key: model.init(key, n_items), key_shape())
    partition = partition_of(params, n_items, training.mesh)
    init = jax.jit(lambda key: partition.placed(model.init(key, n_items)))
    ranking = testing = None
    if len(lengths.history):
        score = divided_scorer(model.score, partition, _placed(partition, params))
        metrics = Together(training.metrics.values())

        def ranked(at_once: int) -> Program:
            users = _evaluation_set(lengths, at_once, training.mesh)
            return program_of(compiled_ranked_values.lower(score, users, metrics, all_items))

        validated, tested = ranked_at_once(lengths, training)
        ranking = ranked(validated)
        testing = ranking if tested == validated else ranked(tested)
    return Programs(
        program_of(init.lower(key_shape())),
        program_of_compiled(epoch.compiled),
        epoch.updates,
        ranking,
        testing,
        _bytes_on_one(epoch.state.params),
        _bytes_on_one(epoch.state.opt_state),
        _bytes_on_one(epoch.histories),
        sum(filter(LARGE.__gt__, map(_bytes_on_one, jax.tree.leaves(epoch.state.params)))),
        n_programs(n_updates(lengths, training), training.epochs),
    )


def ranked_at_once(lengths: Lengths, training: Training) -> tuple[int, int]:
    """Users of a batch of the validation and of the test."""
    validated = max(training.batch_size, FEW_SCORES // lengths.n_items)
    n_users = rounded_up(len(lengths.history))
    return min(validated, n_users), min(TESTED_AT_ONCE, n_users)


def _placed(partition: Partition, tree: Any) -> Any:
    """Shapes with the padding and the placement that a partition gives arrays."""
    if partition.mesh is None:
        return tree
    return partition.stored(jax.eval_shape(partition.placed, tree))


def _histories(n_users: int, n_chunks: int, lengths: Lengths, mesh: Mesh | None) -> Histories:
    """Shapes of histories as `to_device` makes them."""
    where = None if mesh is None else NamedSharding(mesh, PartitionSpec())

    def shape(dtype: Any, *sizes: int) -> Any:
        return jax.ShapeDtypeStruct(sizes, dtype, sharding=where)

    return Histories(
        items=shape(jnp.int32, n_chunks, CHUNK_WIDTH),
        values=shape(jnp.float32, n_chunks, CHUNK_WIDTH),
        starts=shape(jnp.int32, n_users + 1),
        n_items=lengths.n_items,
        mesh=mesh,
    )


def _evaluation_set(lengths: Lengths, at_once: int, mesh: Mesh | None) -> EvaluationSet:
    """Shapes of the validation users as `fit` prepares them, padded to whole batches."""
    parts, n_users = parts_of_users(mesh), len(lengths.history)
    size = min(at_once, rounded_up(n_users))
    size += -size % parts
    n_batches = -(-n_users // size)
    sides = [chunk_counts(side) for side in (lengths.history, lengths.targets)]
    # The largest part of a batch, of users in the order that they are in.
    rows = [np.pad(side, (0, n_batches * size - n_users)) for side in sides]
    capacities = [row.reshape(n_batches * parts, -1).sum(axis=1).max() for row in rows]
    history, targets = (
        _histories(n_batches * size, with_margin(int(side.sum())), lengths, mesh) for side in sides
    )
    order: Any = jax.ShapeDtypeStruct((n_batches, size), jnp.int32)
    return EvaluationSet(
        history,
        targets,
        order,
        (with_margin(int(capacities[0])), with_margin(int(capacities[1]))),
    )


def _bytes_on_one(tree: Any) -> int:
    """Bytes of the arrays, or of the parts of them, that one device holds."""
    total = 0
    for leaf in jax.tree.leaves(tree):
        shape = leaf.shape
        if leaf.sharding is not None:
            shape = leaf.sharding.shard_shape(shape)
        size = 8 if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf.dtype.itemsize
        total += math.prod(shape) * size
    return total

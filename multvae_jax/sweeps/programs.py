"""The compiled programs of a sweep: each runs one step of all its members at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from multvae_jax.batching import Histories
from multvae_jax.by_value import ByValue, UnknownError
from multvae_jax.evaluation.evaluation_set import EvaluationSet
from multvae_jax.evaluation.values import AnyMetric, Values, ranked_values
from multvae_jax.host.memory import physical_memory
from multvae_jax.models import Model, scorer
from multvae_jax.optimizers import with_numbers
from multvae_jax.schedules import OptimizerFactory
from multvae_jax.sweeps.layouts import Layout, OfMember
from multvae_jax.training.updates import (
    Measure,
    TrainState,
    init_state,
    make_epoch,
    make_train_step,
    optimizer_of,
)
from multvae_jax.types import Hyper, Params, n_bytes

PROGRAMS = 32
"""Compiled programs that are kept for later sweeps; one sweep has four or so."""


class MemberNumbers(NamedTuple):
    """The numbers of one member, all of them arrays.

    Attributes:
        key: root key.
        learning_rate: learning rate of the optimizer.
        hyper: numbers of the objective, without beta.
        beta: schedule of beta, a pytree.
        optimizer: further numbers of the optimizer, by name.
    """

    key: PRNGKeyArray
    learning_rate: Array
    hyper: Hyper
    beta: optax.Schedule
    optimizer: dict[str, Array]


class Program(NamedTuple):
    """A compiled function of all members.

    Attributes:
        run: `(shared, states, own) -> (states, results)`, see `multvae_jax.sweeps.layouts`; the
            states that it receives are donated.
        bytes: memory that it takes on each device while it runs, as XLA reports it.
    """

    run: OfMember
    bytes: int


class Programs(NamedTuple):
    """The programs of a sweep, by the number n of members that they are compiled for.

    Attributes:
        start: n -> program `((), (), numbers) ->` the states before the first update.
        epoch: n, capacity -> program `(histories, states, orders) ->` states and terms.
        validate: n -> program `(validation, (), params) ->` the `Values` of each member.
        keep: n -> program `((), kept, (better, params)) ->` the parameters to keep.
        bytes: n, capacity, whether parameters are kept -> peak memory of a device.
        state: shapes of the state of one member.
    """

    start: Callable[[int], Program]
    epoch: Callable[[int, int], Program]
    validate: Callable[[int], Program]
    keep: Callable[[int], Program]
    bytes: Callable[[int, int, bool], int]
    state: TrainState


def make_programs(
    model: Model,
    optimizer: OptimizerFactory,
    layout: Layout,
    histories: Histories,
    batches: tuple[int, int],
    validation: EvaluationSet | None,
    metrics: tuple[AnyMetric, ...],
    numbers: MemberNumbers,
    measure: Measure | None = None,
) -> Programs:
    """The programs of a sweep, each compiled when it is first needed.

    Args:
        model: the model of all members, apart from their own numbers.
        optimizer: the optimizer of all members, apart from the learning rate.
        layout: how members are laid out on the devices.
        histories: histories of the training users.
        batches: number of batches in an epoch, and users in each.
        validation: the users to validate on.
        metrics: the validation metrics.
        numbers: the numbers of any member; only their shapes are used.
        measure: further terms of the log, as in `fit`.
    """
    # Its numbers are those of the members: programs of other numbers are equal by value.
    model = model._replace(hyper={}, made_by=None)

    def optimizer_at(own: MemberNumbers) -> optax.GradientTransformation:
        with_own = with_numbers(optimizer, own.learning_rate, own.optimizer)
        return optimizer_of(model, with_own, updates_per_epoch=batches[0])

    # An update takes the numbers from the state.
    train_epoch = make_epoch(make_train_step(model, optimizer_at(numbers), measure))
    n_items = histories.n_items

    def start_one(shared: Any, nothing: Any, own: MemberNumbers) -> tuple[Any, TrainState]:
        of_member = model._replace(hyper=dict(own.hyper))
        return nothing, init_state(own.key, of_member, optimizer_at(own), n_items, own.beta)

    def validate_one(validation: EvaluationSet, nothing: Any, params: Params) -> tuple[Any, Values]:
        return nothing, ranked_values(scorer(model, params), validation, metrics)

    def keep_one(
        shared: Any, kept: Params, new: tuple[Bool[Array, ""], Params]
    ) -> tuple[Params, tuple[()]]:
        better, params = new
        return jax.tree.map(lambda new, old: jnp.where(better, new, old), params, kept), ()

    def compiled(n: int, function: OfMember, shared: Any, state: Any, own: Any) -> Program:
        def of_all(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((n, *leaf.shape), leaf.dtype)

        return compile_for(layout, function, shared, *jax.tree.map(of_all, (state, own)))

    state = jax.eval_shape(start_one, (), (), numbers)[1]

    @functools.cache
    def start(n: int) -> Program:
        return compiled(n, start_one, (), (), numbers)

    @functools.cache
    def epoch(n: int, capacity: int) -> Program:
        def epoch_one(
            histories: Histories, state: TrainState, order: Int[Array, "batches users"]
        ) -> tuple[TrainState, dict[str, Array]]:
            return train_epoch(state, histories, order, capacity)

        order = jax.ShapeDtypeStruct(batches, jnp.int32)
        return compiled(n, epoch_one, histories, state, order)

    @functools.cache
    def validate(n: int) -> Program:
        return compiled(n, validate_one, validation, (), state.params)

    @functools.cache
    def keep(n: int) -> Program:
        better = jax.ShapeDtypeStruct((), jnp.bool_)
        return compiled(n, keep_one, (), state.params, (better, state.params))

    def most_bytes(n: int, capacity: int, keep_params: bool) -> int:
        # Arrays that are alive but not arguments of the running program count, too.
        share = n // layout.devices
        params, all_of_state = share * n_bytes(state.params), share * n_bytes(state)
        training = epoch(n, capacity).bytes
        validating = 0
        if validation is not None:
            validating = validate(n).bytes + all_of_state - params
        return max(training, validating) + (params if keep_params else 0)

    return Programs(start, epoch, validate, keep, most_bytes, state)


def compile_for(layout: Layout, function: OfMember, shared: Any, states: Any, own: Any) -> Program:
    """Compile a function of one member for all of them.

    Args:
        layout: how members are laid out on the devices.
        function: a function of one member.
        shared: arrays that all members share, or their shapes.
        states: shapes of the members' states, with a first axis of members.
        own: shapes of the members' other arguments, with a first axis of members.
    """
    leaves, structure = jax.tree.flatten((shared, states, own))
    shapes = tuple((leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False)) for leaf in leaves)
    try:
        return _compiled(layout, ByValue(function), structure, shapes)
    except UnknownError:
        return _compiled.__wrapped__(layout, function, structure, shapes)


@functools.lru_cache(maxsize=PROGRAMS)
def _compiled(
    layout: Layout, function: Any, structure: jax.tree_util.PyTreeDef, shapes: tuple[Any, ...]
) -> Program:
    """The program of `compile_for`; the same one for functions that are equal by value.

    Args:
        layout: how members are laid out on the devices.
        function: a function of one member.
        structure: that of its three arguments.
        shapes: shape, dtype and weakness of the type of each of their arrays.
    """
    leaves = [
        jax.ShapeDtypeStruct(shape, dtype, weak_type=weak_type)
        for shape, dtype, weak_type in shapes
    ]
    arguments = jax.tree.unflatten(structure, leaves)
    program = layout.jit(function).lower(*arguments).compile()
    memory = program.memory_analysis()
    return Program(
        program,
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes,
    )


def default_memory(layout: Layout) -> float:
    """Half of the memory of a device; the devices of a CPU share the memory of the host."""
    statistics = jax.devices()[0].memory_stats()
    if statistics is not None and "bytes_limit" in statistics:
        return statistics["bytes_limit"] / 2
    return physical_memory() / (2 * layout.devices)

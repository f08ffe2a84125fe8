"""The compiled programs of a sweep: each runs one step of all its members at once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Int

from multvae_jax.batching import Histories
from multvae_jax.evaluation.evaluator import EvaluationSet, ranked_values
from multvae_jax.evaluation.metrics import Metric
from multvae_jax.host.memory import physical_memory
from multvae_jax.models import Model, scorer
from multvae_jax.sweeps.layouts import Layout, OfMember
from multvae_jax.training import TrainState, init_state, make_epoch, make_train_step
from multvae_jax.types import Params

OptimizerFactory = Callable[..., optax.GradientTransformation]
"""From a learning rate, its first argument, to an optimizer: `optax.adam`."""

Own = dict[str, Any]
"""The numbers of a member: its `key`, `learning_rate`, `hyper` and `beta`."""

State = dict[str, Any]
"""The fields of a `TrainState`, which may also be shapes without arrays."""


class Program(NamedTuple):
    """A compiled function of all members.

    Attributes:
        run: `(shared, states, own)` to `(states, results)`, see `multvae_jax.sweeps.layouts`; the
            states that it is given are gone afterwards.
        bytes: memory of each device that it takes while it runs, by XLA's account.
    """

    run: OfMember
    bytes: int


class Programs(NamedTuple):
    """What a sweep runs, by the number of members that it is compiled for.

    Attributes:
        start: n -> `((), (), own)` to the states before the first update.
        epoch: n, capacity -> `(histories, states, orders)` to states and terms.
        validate: n -> `(validation, (), params)` to `members x metrics x users`.
        keep: n -> `((), kept, (better, params))` to the parameters to keep.
        bytes: n, capacity, whether parameters are kept -> memory of a device at the most.
    """

    start: Callable[[int], Program]
    epoch: Callable[[int, int], Program]
    validate: Callable[[int], Program]
    keep: Callable[[int], Program]
    bytes: Callable[[int, int, bool], int]


def with_traced_rate(factory: OptimizerFactory, rate: Any) -> optax.GradientTransformation:
    """The optimizer with its learning rate, and nothing else, as a number of its state."""
    _, *others = inspect.signature(factory).parameters
    return optax.inject_hyperparams(factory, static_args=others)(rate)


def make_programs(
    model: Model,
    optimizer: OptimizerFactory,
    layout: Layout,
    histories: Histories,
    batches: tuple[int, int],
    validation: EvaluationSet | None,
    metrics: tuple[Metric, ...],
    own: Own,
) -> Programs:
    """The programs of a sweep, each compiled when it is first asked for.

    Args:
        model: what all members are, but for their own numbers.
        optimizer: of all members, but for the rate.
        layout: how members lie on the machine.
        histories: of the training users.
        batches: of an epoch: how many, and users in each.
        validation: the users to validate on.
        metrics: what validation measures.
        own: numbers of any member; only shapes are read.
    """
    train_epoch = make_epoch(make_train_step(model, with_traced_rate(optimizer, 1.0)))

    def start_one(shared: Any, nothing: Any, own: Own) -> tuple[Any, State]:
        of_member = model._replace(hyper=own["hyper"])
        rated = with_traced_rate(optimizer, own["learning_rate"])
        state = init_state(own["key"], of_member, rated, histories.n_items, own["beta"])
        return nothing, vars(state)

    def validate_one(validation: EvaluationSet, nothing: Any, params: Params) -> tuple[Any, Array]:
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

    state = jax.eval_shape(start_one, (), (), own)[1]

    @functools.cache
    def start(n: int) -> Program:
        return compiled(n, start_one, (), (), own)

    @functools.cache
    def epoch(n: int, capacity: int) -> Program:
        def epoch_one(
            histories: Histories, state: State, order: Int[Array, "batches users"]
        ) -> tuple[State, dict[str, Array]]:
            after, terms = train_epoch(TrainState(**state), histories, order, capacity)
            return vars(after), terms

        order = jax.ShapeDtypeStruct(batches, jnp.int32)
        return compiled(n, epoch_one, histories, state, order)

    @functools.cache
    def validate(n: int) -> Program:
        return compiled(n, validate_one, validation, (), state["params"])

    @functools.cache
    def keep(n: int) -> Program:
        better = jax.ShapeDtypeStruct((), jnp.bool_)
        return compiled(n, keep_one, (), state["params"], (better, state["params"]))

    def most_bytes(n: int, capacity: int, keep_params: bool) -> int:
        # What waits while a program runs that is not given it.
        share = n // layout.devices
        params, all_of_state = share * size(state["params"]), share * size(state)
        training = epoch(n, capacity).bytes
        validating = 0
        if validation is not None:
            validating = validate(n).bytes + all_of_state - params
        return max(training, validating) + (params if keep_params else 0)

    return Programs(start, epoch, validate, keep, most_bytes)


def compile_for(layout: Layout, function: OfMember, shared: Any, states: Any, own: Any) -> Program:
    """Compile a function of one member for all of them.

    Args:
        layout: how they lie on the machine.
        function: of one member.
        shared: arrays, or their shapes.
        states: likewise, with a first axis of members; no dataclass of ours.
        own: likewise.
    """
    leaves, tree = jax.tree.flatten(shared)

    # jax describes arguments by putting other things than arrays into their trees, which a
    # `Histories` refuses where shapes are checked.
    def on_leaves(leaves: list[Array], state: Any, own: Any) -> tuple[Any, Any]:
        return function(jax.tree.unflatten(tree, leaves), state, own)

    program = layout.jit(on_leaves).lower(leaves, states, own).compile()
    memory = program.memory_analysis()
    return Program(
        lambda shared, states, own: program(jax.tree.leaves(shared), states, own),
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        + memory.temp_size_in_bytes
        - memory.alias_size_in_bytes,
    )


def size(tree: Any) -> int:
    """Bytes of all arrays of a pytree."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def default_memory(layout: Layout) -> float:
    """Half of the memory that a device of the layout has; devices of a CPU share the machine's."""
    statistics = jax.devices()[0].memory_stats()
    if statistics is not None and "bytes_limit" in statistics:
        return statistics["bytes_limit"] / 2
    return physical_memory() / (2 * layout.devices)

"""`sweep`: train many settings of one model together, as one compiled program."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

from multvae_jax import averages, optimizers
from multvae_jax import recipe as recipes
from multvae_jax.averages import Evaluated
from multvae_jax.batching import to_device
from multvae_jax.checks.bounds import (
    Count,
    Positive,
    check_function,
    check_kind,
    check_mapping,
    check_number,
    described,
)
from multvae_jax.data.types import Split
from multvae_jax.defaults import recipe_beta, recipe_epochs, recipe_model, recipe_numbers
from multvae_jax.errors import InputError, names_like
from multvae_jax.evaluation.evaluation_set import padded, prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.models import Model
from multvae_jax.recipe import DataShape, Recipe
from multvae_jax.schedules import OptimizerFactory
from multvae_jax.selection import Entry
from multvae_jax.sizes import room_of, with_users
from multvae_jax.sweeps import layouts
from multvae_jax.sweeps.layouts import Layout
from multvae_jax.sweeps.member_checks import check_member
from multvae_jax.sweeps.parts import Outcome, Task, members_at_once, train_part
from multvae_jax.sweeps.programs import (
    MemberNumbers,
    default_memory,
    make_programs,
)
from multvae_jax.training.arguments import (
    as_beta,
    check_callback,
    check_functions,
    check_training,
)
from multvae_jax.training.state_checks import check_evaluated
from multvae_jax.training.updates import Measure, as_pytree


class Member(NamedTuple):
    """The numbers of one member of a sweep; all members have numbers of the same shapes.

    Attributes:
        key: root key, as in `fit`.
        learning_rate: learning rate of the optimizer; by default that of the recipe.
        beta: weight of the KL term by update, or a number; by default as in `fit`.
        hyper: replacements for numbers of the model, such as `{"dropout": 0.3}` or
            `{"likelihood": {"c1": 1.0}}`; other constants of the likelihood stay.
        optimizer: further numbers of the optimizer, arguments of its function by name, such as
            `{"b1": 0.8}` of `optax.adam`; those of all members have the same names.
    """

    key: PRNGKeyArray
    learning_rate: float | None = None
    beta: optax.Schedule | float | None = None
    hyper: Mapping[str, Any] = {}
    optimizer: Mapping[str, float] = {}


def sweep(
    members: Sequence[Member],
    model: Model | Callable[..., Model],
    split: Split,
    *,
    recipe: Callable[[DataShape], Recipe] = recipes.adaptive,
    epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: OptimizerFactory = optax.adam,
    validate_every: int = 1,
    patience: int | None = None,
    select_by: str = recipes.SELECT_BY,
    metrics: Mapping[str, AnyMetric] = PAPER_METRICS,
    layout: Layout | None = None,
    memory: float | None = None,
    max_parallel: int | None = None,
    keep_params: bool = False,
    callback: Callable[[dict[int, Entry]], bool | None] | None = None,
    on_part: Callable[[dict[int, Outcome]], None] | None = None,
    evaluated: Evaluated = averages.evaluated,
    measure: Measure | None = None,
) -> list[Outcome]:
    """Train all members; each has the outcome that `fit` alone would give, up to rounding.

    Members train together as one program, in as few parts as fit the memory. If a member diverges,
    it ends and the others continue.

    Args:
        members: the members to train.
        model: the model of all members, apart from their own numbers; or a function that makes
            it, as in `fit`.
        split: as in `fit`.
        recipe: as in `fit`.
        epochs: as in `fit`.
        batch_size: as in `fit`.
        optimizer: function from a learning rate to an optimizer; a parameter `updates` receives
            the number of updates of all `epochs`. `multvae_jax.optimizers.composed` makes one of
            which members may also vary the warm-up, the clipping and the average.
        validate_every: as in `fit`.
        patience: as in `fit`, per member; a part ends when its last member stops.
        select_by: as in `fit`.
        metrics: as in `fit`.
        layout: how members are laid out on the devices, see `multvae_jax.sweeps.layouts`; by
            default the layout that suits the backend.
        memory: bytes that a part may take on each device; by default half of what it has.
        max_parallel: the most members that train together; by default all that fit the memory.
            With fewer, less work is lost if the program is killed.
        keep_params: whether to keep the parameters of each member's best epoch.
        callback: called after every epoch with the log entries of the members that are training,
            by their position in `members`. If it returns True, the sweep stops; the outcomes are
            those of the members that have begun, the first of `members`.
        on_part: called after every part with the outcomes of its members, by position.
        evaluated: as in `fit`.
        measure: as in `fit`.

    Raises:
        InputError: if members differ in more than numbers, no user can be validated on,
            `select_by` is not one of the metrics, or a single member exceeds the memory.

    Example:
        >>> members = [mv.Member(key, learning_rate=rate) for rate in (1e-3, 3e-3)]
        >>> [len(outcome.log) for outcome in mv.sweep(members, model, split, epochs=2)]
        [2, 2]
    """
    if isinstance(members, Member):
        raise InputError("members: a single Member; give a list, [Member(key)]")
    if not isinstance(members, Iterable) or isinstance(members, jax.Array):
        raise InputError(f"members: {described(members)}; give a list, [Member(key)]")
    members = list(members)
    for i, member in enumerate(members):
        check_kind(f"members[{i}]", member, Member, "Member(jax.random.key(0))")
    check_functions(callback, evaluated, measure)
    check_callback(on_part, "on_part")
    if layout is not None:
        check_kind("layout", layout, Layout, "sweeps.layouts.vmapped()")
    check_number("memory", memory, Positive | None)
    check_number("max_parallel", max_parallel, Count | None)
    check_number("keep_params", keep_params, bool)
    of_recipe = recipe_numbers(recipe, split)
    model = recipe_model(model, of_recipe, split.catalogue)
    epochs, patience = recipe_epochs(of_recipe, epochs, patience)
    check_training(
        model,
        split,
        keys={f"members[{i}].key": member.key for i, member in enumerate(members)},
        metrics=metrics,
        select_by=select_by,
        epochs=epochs,
        batch_size=batch_size,
        validate_every=validate_every,
        patience=patience,
    )
    check_function(
        "optimizer", optimizer, "a function from a learning rate to an optimizer, like optax.adam"
    )
    for member in members:
        check_member(member.hyper, member.learning_rate, model.hyper)
    n_users = split.train.shape[0]
    batch_size = min(batch_size or recipes.batch_size(n_users), n_users)
    beta = recipe_beta(of_recipe, n_users, batch_size, epochs)
    updates = recipes.n_updates(n_users, batch_size, epochs)
    optimizer = _made_of(optimizer, updates, members)
    given = optimizer(of_recipe.learning_rate, **(members[0].optimizer if members else {}))
    check_kind("optimizer: its result", given, optax.GradientTransformation, "optax.adam(1e-3)")
    members = [_with_rate(member, of_recipe.learning_rate) for member in members]
    numbers = [_numbers(member, model, beta) for member in members]
    if not numbers:
        return []
    if len({jax.tree.structure(own) for own in numbers}) > 1:
        raise InputError("the members of a sweep may differ in numbers only")
    layout = layout or layouts.default()
    room = room_of(split, batch_size)
    histories = to_device(
        split.train.tocsr(), n_chunks=room.chunks, user_features=split.user_features
    )
    on_device = jax.device_put(with_users(histories, room.users), layout.shared)
    validated = validation = None
    if split.validation is not None:
        # As many users as fill the last batch, so that similar splits share a program.
        validated = prepare_users(split.validation, batch_size)
        validation = jax.device_put(padded(validated), layout.shared)
    batches = (math.ceil(n_users / batch_size), batch_size)
    task = Task(
        programs=make_programs(
            model,
            optimizer,
            layout,
            on_device,
            batches,
            validation,
            tuple(metrics.values()),
            numbers[0],
            measure,
        ),
        histories=histories,
        on_device=on_device,
        validation=validation,
        validated=validated,
        metrics=metrics,
        epochs=epochs,
        batch_size=batch_size,
        validate_every=validate_every,
        patience=patience,
        select_by=select_by,
        devices=layout.devices,
        keep_params=keep_params,
        evaluated=evaluated,
    )
    check_evaluated(evaluated, task.programs.state)
    capacity = task.plan(numbers, 1, room.capacity).capacity
    limit = default_memory(layout) if memory is None else memory
    size = members_at_once(
        lambda n: task.programs.bytes(n, capacity, keep_params),
        min(max_parallel or len(numbers), len(numbers)),
        layout.devices,
        limit,
    )
    outcomes: dict[int, Outcome] = {}
    for first in range(0, len(numbers), size):
        part = dict(enumerate(numbers[first : first + size], start=first))
        done, capacity, is_stopped = train_part(task, part, capacity, callback)
        if on_part is not None:
            on_part(done)
        outcomes |= done
        if is_stopped:
            break
    return list(outcomes.values())


def _made_of(
    optimizer: OptimizerFactory, updates: int, members: Sequence[Member]
) -> OptimizerFactory:
    """The function of the learning rate and of the members' numbers, for a length of the training.

    Raises:
        InputError: if it takes no learning rate, or not one of the numbers.
    """
    made = optimizers.of_length(optimizer, updates)
    if not optimizers.takes_rate(optimizer):
        for i, member in enumerate(members):
            if member.learning_rate is not None:
                raise InputError(f"members[{i}].learning_rate: the optimizer does not take one")
    known: dict[str, bool] = {}
    for i, member in enumerate(members):
        wanted = "numbers by name, such as {'b1': 0.8}"
        check_mapping(f"members[{i}].optimizer", member.optimizer, wanted)
        for name, number in member.optimizer.items():
            place = f"members[{i}].optimizer['{name}']"
            check_number(place, number, float)
            if name not in known:
                known[name] = optimizers.can_be_traced(made, name, number)
            if not known[name]:
                names = [own for own in inspect.signature(optimizer).parameters if own != "updates"]
                raise InputError(
                    f"{place}: the optimizer has no such number, or is built by its value"
                    f"{names_like(name, names)}"
                )
    return made


def _with_rate(member: Member, learning_rate: float) -> Member:
    """The member, with this learning rate unless it has its own."""
    return (
        member if member.learning_rate is not None else member._replace(learning_rate=learning_rate)
    )


def _numbers(member: Member, model: Model, beta: optax.Schedule) -> MemberNumbers:
    """The numbers of a member as a pytree, float32 as in `init_state`."""

    def as_float(tree: Any) -> Any:
        return jax.tree.map(lambda number: jnp.asarray(number, jnp.float32), tree)

    # The constants of a part that are not replaced stay.
    own = {
        name: {**model.hyper[name], **value} if isinstance(value, Mapping) else value
        for name, value in member.hyper.items()
    }
    return MemberNumbers(
        # A copy: stacking the keys of a part counts as their use, and the caller keeps theirs.
        key=jax.random.clone(member.key),
        learning_rate=as_float(member.learning_rate),
        hyper=as_float({**model.hyper, **own}),
        beta=as_float(as_pytree(beta if member.beta is None else as_beta(member.beta))),
        optimizer=as_float(dict(member.optimizer)),
    )

"""The training state, an update of it, and an epoch of updates as one program."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Int, PRNGKeyArray

from multvae_jax.batching import Batch, Histories, take
from multvae_jax.by_value import remembered
from multvae_jax.checks.bounds import Size, check_flag, check_function
from multvae_jax.checks.signatures import checked, or_none
from multvae_jax.errors import InputError
from multvae_jax.keys import INIT, NOISE, check_key
from multvae_jax.lazy_adam import takes_rows
from multvae_jax.models import Model
from multvae_jax.objectives import check_terms, checked_loss
from multvae_jax.ops.in_place import in_blocks
from multvae_jax.ops.rows import values_of, whole, with_rows_of
from multvae_jax.selection import SKIPPED
from multvae_jax.training.row_gradients import refused_rows, row_gradients
from multvae_jax.types import Hyper, Params


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that changes during training, and the numbers of the objective.

    Attributes:
        params: parameters, nested dicts.
        opt_state: state of the optimizer.
        step: number of updates so far, at which beta is evaluated.
        key: root key. It never advances: update n draws its noise from the key folded with n, so
            that a run resumed at n continues as if it had not stopped.
        hyper: numbers of the objective, including the schedule of beta.
    """

    params: Params
    opt_state: Any
    step: Array
    key: Array
    hyper: Hyper


TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Array]]]


PROGRAMS = 16
"""Number of compiled epochs that are kept for later trainings; each may have a few sizes."""


def as_pytree(beta: optax.Schedule) -> optax.Schedule:
    """The schedule as a pytree: itself, or a plain function as one without leaves."""
    # A Partial around a pytree would hide the leaves of the pytree from tracing.
    return Partial(beta) if jax.tree_util.all_leaves((beta,)) else beta


_MODEL = (Model, "mult_vae()")
_OPTIMIZER = (optax.GradientTransformation, "optax.adam(1e-3)")
_SCHEDULE = partial(check_function, what="a function of the number of the update")


@checked(key=check_key, model=_MODEL, optimizer=_OPTIMIZER, n_items=Size, beta=_SCHEDULE)
def init_state(
    key: PRNGKeyArray,
    model: Model,
    optimizer: optax.GradientTransformation,
    n_items: int,
    beta: optax.Schedule,
    carry_over: Callable[[Params], Params] | None = None,
) -> TrainState:
    """The state before the first update.

    Args:
        key: root key of the run.
        model: the model to train.
        optimizer: any optax transformation.
        n_items: size of the catalogue.
        beta: weight of the KL term by update; if it is a pytree, its leaves are traced.
        carry_over: from the parameters that the model makes to those that the training starts
            from, see `multvae_jax.runs.warm_start`; by default they are the same.

    Example:
        >>> beta = mv.schedules.linear_annealing(0.2, 1_000)
        >>> state = init_state(key, model, optax.adam(1e-3), split.train.shape[1], beta)
        >>> int(state.step)
        0
    """
    params = model.init(jax.random.fold_in(key, INIT), n_items)
    if carry_over is not None:
        params = carry_over(params)
    hyper = jax.tree.map(_as_float32, {**model.hyper, "beta": as_pytree(beta)})
    return TrainState(params, *_compiled_start(optimizer.init)(params, key, hyper))


def _as_float32(number: Any) -> Any:
    """The number as an argument of a program, which converts an array itself."""
    return number if isinstance(number, jax.Array) else np.asarray(number, np.float32)


@remembered(most=PROGRAMS)
def _compiled_start(init: Callable[[Params], Any]) -> Callable[..., tuple[Any, ...]]:
    """A program that makes all that a state has beside the parameters.

    Outside of a program, optax compiles one for each shape. The results are copies: a jitted step
    donates the state, and must not donate arrays of the caller; and some optimizers keep the
    parameters themselves, while a buffer can be donated only once.
    """

    def start(params: Params, key: PRNGKeyArray, hyper: Hyper) -> tuple[Any, ...]:
        opt_state = jax.tree.map(jnp.copy, init(params))
        numbers = jax.tree.map(lambda number: jnp.array(number, jnp.float32), hyper)
        return opt_state, jnp.int32(0), jax.random.clone(key), numbers

    return jax.jit(start)


@checked(model=_MODEL, optimizer=_OPTIMIZER, updates_per_epoch=Size)
def optimizer_of(
    model: Model, optimizer: optax.GradientTransformation, updates_per_epoch: int
) -> optax.GradientTransformation:
    """The optimizer as the model uses it; see `Model.optimizer`.

    Example:
        >>> optimizer = optimizer_of(mv.recvae(), optax.adam(5e-4), updates_per_epoch=10)
    """
    return optimizer if model.optimizer is None else model.optimizer(optimizer, updates_per_epoch)


def _all_before_any(gradients: Params) -> Params:
    """The same gradients, each depending on all of them.

    XLA updates a parameter in place only if every read of it provably comes first. The backward
    pass reads a kernel again after its gradient is known, to propagate the error, and without this
    dependency every update would copy the kernel.
    """
    first = [leaf[(0,) * leaf.ndim] for leaf in jax.tree.leaves(gradients) if leaf.size]
    # Zero even if an entry is not finite, in a way that XLA cannot simplify.
    nothing = sum(jnp.where(jnp.isfinite(entry), 0.0 * entry, 0.0) for entry in first)
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(nothing, leaf.dtype), gradients)


Measure = Callable[[Params, Params, Params], Mapping[str, Array]]
"""`(params, gradient, updates) -> terms`: the parameters before an update, the gradient of the
loss, and what the optimizer adds to the parameters."""


@checked(
    model=_MODEL,
    optimizer=_OPTIMIZER,
    measure=or_none(partial(check_function, what="a function of (params, gradient, updates)")),
    in_place=check_flag,
)
def make_train_step(
    model: Model,
    optimizer: optax.GradientTransformation,
    measure: Measure | None = None,
    in_place: bool = False,
) -> TrainStep:
    """Make an update `(state, batch) -> (state, terms of the loss)`; pure and not jitted.

    Args:
        model: the model to train.
        optimizer: any optax transformation.
        measure: computes further terms from the gradient, such as its norm.
        in_place: whether a CPU writes parameters and moments over the old ones a few rows at a
            time, which is faster where the state is donated. It does not work under `vmap`, and has
            no effect with `measure`, which needs the old parameters.

    Example:
        >>> step = jax.jit(make_train_step(model, optax.adam(1e-3)))
        >>> beta = mv.schedules.constant(0.2)
        >>> state = init_state(key, model, optax.adam(1e-3), split.train.shape[1], beta)
        >>> state, terms = step(state, batch)
        >>> int(state.step), "loss" in terms
        (1, True)
    """
    # The functions alone, without the numbers of the model, which are in the state: steps of other
    # numbers are equal by value.
    loss, update = checked_loss(model.loss), optimizer.update

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Array]]:
        key = jax.random.fold_in(jax.random.fold_in(state.key, NOISE), state.step)
        has_rows = takes_rows(state.opt_state)
        gradients_of = partial(row_gradients, loss) if has_rows else jax.grad(loss, has_aux=True)
        found, terms = gradients_of(state.params, state.hyper, batch, key, state.step)

        def updates_of(
            old: tuple[Params, Any], arrays: Params
        ) -> tuple[Params, Params, tuple[Params, Any]]:
            gradients = with_rows_of(found, _all_before_any(arrays))
            with refused_rows(gradients):
                updates, opt_state = update(gradients, old[1], old[0])
                return gradients, updates, (optax.apply_updates(old[0], updates), opt_state)

        old, arrays = (state.params, state.opt_state), values_of(found)
        if in_place and measure is None:
            params, opt_state = in_blocks(lambda *given: updates_of(*given)[2])(old, arrays)
        else:
            gradients, updates, (params, opt_state) = updates_of(old, arrays)
            if measure is not None:
                measured = measure(state.params, whole(gradients), whole(updates))
                terms = _joined(terms, measured)
        return dataclasses.replace(
            state, params=params, opt_state=opt_state, step=state.step + 1
        ), terms

    return train_step


def _joined(terms: Mapping[str, Array], measured: Any) -> dict[str, Array]:
    """The terms of the loss and those that were measured.

    Raises:
        InputError: if the loss has a term of the same name, or a term is not valid.
    """
    check_terms("measure", measured)
    for name in measured.keys() & terms.keys():
        raise InputError(f"measure: the loss has a term '{name}' already; give it another name")
    return {**terms, **measured}


Epoch = Callable[[TrainState, Histories, Array, int], tuple[TrainState, dict[str, Array]]]
"""`(state, histories, order, capacity) -> (state, terms)`: one update per row of `order`
(batches x users); the terms are means over the users. `order` and `capacity`, the static number of
chunks in a batch, are those of `multvae_jax.batching.plan_epoch`."""


STEP = partial(check_function, what="an update, such as that of make_train_step")
"""The check of an argument that is an update."""


@checked(train_step=STEP)
def make_epoch(train_step: TrainStep) -> Epoch:
    """Make an epoch `(state, histories, order, capacity) -> (state, terms)`; pure and not jitted.

    Jit it with `capacity` static and `state` donated.

    Args:
        train_step: an update `(state, batch) -> (state, terms)`, such as that of
            `make_train_step`.

    Example:
        >>> epoch = make_epoch(make_train_step(model, optax.adam(1e-3)))
        >>> run_epoch = jax.jit(epoch, static_argnames="capacity", donate_argnames="state")
    """

    def epoch(
        state: TrainState,
        histories: Histories,
        order: Int[Array, "batches users"],
        capacity: int,
    ) -> tuple[TrainState, dict[str, Array]]:
        def update(
            state: TrainState, users: Int[Array, " users"]
        ) -> tuple[TrainState, dict[str, Array]]:
            return train_step(state, take(histories, users, capacity))

        state, terms = jax.lax.scan(update, state, order)
        return state, means(terms, order)

    return epoch


def means(terms: dict[str, Array], order: Int[Array, "batches users"]) -> dict[str, Array]:
    """Means of the terms over the users of all updates; the sum of those that were skipped."""

    def mean(term: Array, weights: Array) -> Array:
        """The mean over the updates, for each entry of a term of any shape."""
        weights = weights.reshape(weights.shape + (1,) * (term.ndim - 1))
        return jnp.sum(term.astype(weights.dtype) * weights, axis=0)

    users = jnp.sum(order >= 0, axis=1)
    weights = users / jnp.sum(order >= 0)
    if SKIPPED not in terms:
        return {name: mean(term, weights) for name, term in terms.items()}
    skipped = terms[SKIPPED]
    users = jnp.where(skipped > 0, 0, users)
    weights = users / jnp.maximum(jnp.sum(users), 1)
    of_terms = {name: mean(term, weights) for name, term in terms.items() if name != SKIPPED}
    return {**of_terms, SKIPPED: jnp.sum(skipped)}

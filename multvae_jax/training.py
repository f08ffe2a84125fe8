"""The training state, one update of it, and an epoch of updates as one program."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import Partial
from jaxtyping import Array, Int, PRNGKeyArray

from multvae_jax.batching import Batch, Histories, take
from multvae_jax.keys import INIT, NOISE
from multvae_jax.models import Model
from multvae_jax.types import Hyper, Params


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that changes during training, and the numbers of the objective.

    Attributes:
        params: parameters, nested dicts.
        opt_state: state of the optimizer.
        step: number of updates so far; beta is evaluated at it.
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


def as_pytree(beta: optax.Schedule) -> optax.Schedule:
    """The schedule as a pytree: itself, or a function without numbers to trace."""
    # A Partial around a pytree would hide the leaves of the pytree from the trace.
    return Partial(beta) if jax.tree_util.all_leaves((beta,)) else beta


def init_state(
    key: PRNGKeyArray,
    model: Model,
    optimizer: optax.GradientTransformation,
    n_items: int,
    beta: optax.Schedule,
) -> TrainState:
    """The state before the first update.

    Args:
        key: root key of the run.
        model: the model to train.
        optimizer: any optax transformation.
        n_items: size of the catalogue.
        beta: weight of the KL term by update; if it is a pytree, its leaves are traced.
    """
    params = model.init(jax.random.fold_in(key, INIT), n_items)
    hyper = {**model.hyper, "beta": as_pytree(beta)}
    return TrainState(
        params=params,
        # Copies: some optimizers keep the parameters themselves, and a buffer is donated only once.
        opt_state=jax.tree.map(jnp.copy, optimizer.init(params)),
        step=jnp.int32(0),
        # Copies: a jitted step donates the state, but must not donate arrays of the caller.
        key=jax.random.clone(key),
        hyper=jax.tree.map(lambda number: jnp.array(number, jnp.float32), hyper),
    )


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


def make_train_step(model: Model, optimizer: optax.GradientTransformation) -> TrainStep:
    """Make an update `(state, batch) -> (state, terms of the loss)`; pure and not jitted."""

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, Array]]:
        key = jax.random.fold_in(jax.random.fold_in(state.key, NOISE), state.step)
        gradients, terms = jax.grad(model.loss, has_aux=True)(
            state.params, state.hyper, batch, key, state.step
        )
        gradients = _all_before_any(gradients)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        return dataclasses.replace(
            state,
            params=optax.apply_updates(state.params, updates),
            opt_state=opt_state,
            step=state.step + 1,
        ), terms

    return train_step


Epoch = Callable[[TrainState, Histories, Array, int], tuple[TrainState, dict[str, Array]]]
"""`(state, histories, order, capacity) -> (state, terms)`: one update per row of `order`
(batches x users); the terms are means over the users. `order` and `capacity`, the static number of
chunks in a batch, are those of `multvae_jax.batching.plan_epoch`."""


def make_epoch(train_step: TrainStep) -> Epoch:
    """Make an epoch; jit it with `capacity` static and `state` donated."""

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
        weights = jnp.sum(order >= 0, axis=1) / jnp.sum(order >= 0)
        return state, jax.tree.map(lambda term: jnp.sum(term * weights), terms)

    return epoch

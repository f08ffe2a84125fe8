"""The state of a run, one update of it, and an epoch of updates as one program."""

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
    """All that changes in training, and the numbers that steer it.

    Attributes:
        params: parameters, nested dicts.
        opt_state: the optimizer's state.
        step: updates made so far; beta is read at it, and it is never set back.
        key: the root key. It never advances: update n draws its noise from the key folded
            with n, so that a run resumed at n goes on as if it had not stopped.
        hyper: numbers of the objective, beta's schedule among them.
    """

    params: Params
    opt_state: Any
    step: Array
    key: Array
    hyper: Hyper


TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, Array]]]


def as_pytree(beta: optax.Schedule) -> optax.Schedule:
    """The schedule as a pytree: itself, or a function without any numbers to trace."""
    # A Partial around what is a pytree itself would hide its leaves from the trace.
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
        model: what to train.
        optimizer: any optax transformation.
        n_items: size of the catalogue.
        beta: weight of the KL term by update; what is a pytree has its leaves traced.
    """
    params = model.init(jax.random.fold_in(key, INIT), n_items)
    hyper = {**model.hyper, "beta": as_pytree(beta)}
    return TrainState(
        params=params,
        # Some optimizers start from the parameters themselves, which are donated once, not twice.
        opt_state=jax.tree.map(jnp.copy, optimizer.init(params)),
        step=jnp.int32(0),
        # Copies: a jitted step that takes the state as its own must not take the caller's.
        key=jax.random.clone(key),
        hyper=jax.tree.map(lambda number: jnp.array(number, jnp.float32), hyper),
    )


def _all_before_any(gradients: Params) -> Params:
    """The same gradients, each of them depending on all.

    XLA updates a parameter in place only where every read of it provably comes first. The
    backward pass reads a kernel once more after its gradient is known, to pass the error on,
    and without this every update would copy the kernel.
    """
    first = [leaf[(0,) * leaf.ndim] for leaf in jax.tree.leaves(gradients) if leaf.size]
    # Zero even where an entry is not finite, in a way that XLA does not see through.
    nothing = sum(jnp.where(jnp.isfinite(entry), 0.0 * entry, 0.0) for entry in first)
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(nothing, leaf.dtype), gradients)


def make_train_step(model: Model, optimizer: optax.GradientTransformation) -> TrainStep:
    """One update: `(state, batch) -> (state, terms of the loss)`. Pure, and not yet jitted."""

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
"""`(state, histories, order, capacity) -> (state, terms)`: one update for each row of
`order` (batches x users); the terms are means over the users. `capacity` is the static number
of chunks of a batch, from `multvae_jax.batching.capacity_of`."""


def make_epoch(train_step: TrainStep) -> Epoch:
    """An epoch as one program, to be jitted with `capacity` static and `state` donated."""

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

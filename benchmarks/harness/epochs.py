"""Epochs of this program, as `multvae_jax.fit` runs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import scipy.sparse as sp

from multvae_jax.batching import (
    Batch,
    EpochPlan,
    Histories,
    capacity_of,
    plan_epoch,
    sequential_order,
    take,
    to_device,
)
from multvae_jax.keys import order_key
from multvae_jax.models import Model
from multvae_jax.training.updates import TrainState, init_state, make_epoch, make_train_step

SETTLING_EPOCHS = 50


def whole_batch(histories: Histories) -> Batch:
    """All users of the histories as one batch."""
    order = sequential_order(histories.n_users, histories.n_users)
    return take(histories, jnp.asarray(order[0]), capacity_of(histories, order))


def epoch_runner(
    train: sp.csr_array,
    batch_size: int,
    model: Model,
    optimizer: optax.GradientTransformation,
    beta: optax.Schedule,
) -> Callable[[], TrainState]:
    """A function that trains for one more epoch, and returns the state when it is done.

    Unlike in `fit`, the capacity of a batch is settled beforehand, by the plans of the first
    epochs: a round has few batches, and a later one that is larger than all of them would compile
    anew, more often than in an epoch of hundreds.

    Args:
        train: users x items.
        batch_size: users in an update.
        model: what to train.
        optimizer: any optax transformation.
        beta: weight of the KL term by update.
    """
    key = jax.random.key(0)
    histories = to_device(train)
    state = init_state(key, model, optimizer, histories.n_items, beta)
    run = jax.jit(
        make_epoch(make_train_step(model, optimizer, in_place=True)),
        static_argnames="capacity",
        donate_argnames="state",
    )
    epoch = capacity = 0

    def plan(epoch: int) -> EpochPlan:
        return plan_epoch(order_key(key, epoch), histories, batch_size, capacity)

    for early in range(1, SETTLING_EPOCHS + 1):
        capacity = plan(early).capacity

    def run_epoch() -> TrainState:
        nonlocal state, epoch, capacity
        epoch += 1
        order, capacity = plan(epoch)
        state, terms = run(state, histories, order, capacity=capacity)
        jax.block_until_ready(terms)
        return state

    return run_epoch


class FixedEpoch(NamedTuple):
    """A compiled epoch over the same batches again and again, all of them on the device.

    Attributes:
        run: trains for one more epoch, and returns its seconds.
        users: number of users in it.
        capacity: number of chunks in a batch.
        updates: number of updates in it.
        arguments: bytes of parameters, moments and histories.
        temporaries: bytes of temporary memory at the peak, as XLA reports it.
    """

    run: Callable[[], float]
    users: int
    capacity: int
    updates: int
    arguments: int
    temporaries: int


def fixed_epoch(
    histories: Histories,
    batch_size: int,
    model: Model,
    optimizer: optax.GradientTransformation,
    beta: optax.Schedule,
    members: int | None = None,
) -> FixedEpoch:
    """Compile an epoch whose batches are drawn once, and run it once.

    Neither the drawing of batches nor a transfer to the device is in its time, and no batch is
    larger than another one: a last batch of fewer users is left out.

    Args:
        histories: histories of the training users.
        batch_size: users in an update, at most all users.
        model: what to train.
        optimizer: any optax transformation.
        beta: weight of the KL term by update.
        members: number of models side by side, by `vmap`, each with its own batches; None: a
            single one, unmapped.
    """
    batch_size = min(batch_size, histories.n_users)
    first = partial(
        init_state, model=model, optimizer=optimizer, n_items=histories.n_items, beta=beta
    )
    key = jax.random.key(0)
    keys = key if members is None else jax.random.split(key, members)
    drawn = order_key(key, 1) if members is None else jax.random.split(order_key(key, 1), members)
    order, capacity = plan_epoch(drawn, histories, batch_size)
    order = jnp.asarray(order[..., : histories.n_users // batch_size, :])
    step = make_train_step(model, optimizer, in_place=members is None)
    run = partial(make_epoch(step), capacity=capacity)
    if members is not None:
        first, run = jax.vmap(first), jax.vmap(run, in_axes=(0, None, 0))
    state: Any = first(keys)
    compiled = jax.jit(run, donate_argnums=0).lower(state, histories, order).compile()
    memory = compiled.memory_analysis()

    def run_epoch() -> float:
        nonlocal state
        began = time.perf_counter()
        state, terms = compiled(state, histories, order)
        # Their values, and not only their readiness, which some devices report too early.
        jax.device_get(terms)
        return time.perf_counter() - began

    run_epoch()
    return FixedEpoch(
        run_epoch,
        users=int((order >= 0).sum()),
        capacity=capacity,
        updates=order.shape[-2],
        arguments=memory.argument_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
    )

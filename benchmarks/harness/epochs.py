"""Epochs of this program, as `multvae_jax.fit` runs them."""

from __future__ import annotations

from collections.abc import Callable

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
from multvae_jax.training import TrainState, init_state, make_epoch, make_train_step

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

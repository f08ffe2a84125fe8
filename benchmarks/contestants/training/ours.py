"""This program: an epoch as one compiled program over ragged histories."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse as sp

from benchmarks.contestants.training import task as tasks
from benchmarks.harness.rounds import turns
from multvae_jax.batching import capacity_of, sequential_order, shuffled_order, take, to_device
from multvae_jax.keys import order_key
from multvae_jax.mlp import variational_mlp
from multvae_jax.models import Model, mult_vae, scorer
from multvae_jax.ops.matmul import matmul_in
from multvae_jax.schedules import linear_annealing
from multvae_jax.training import TrainState, init_state, make_epoch, make_train_step


def model_in(precision: str) -> Model:
    """Mult-VAE with products of a precision."""
    network = partial(variational_mlp, matmul=matmul_in(jnp.dtype(precision)))
    return mult_vae((tasks.HIDDEN,), tasks.LATENT, network=network)


model = model_in("float32")


def prepare(
    train: sp.csr_array, batch_size: int, annealing: int = 40_000, model: Model = model
) -> Callable[[], TrainState]:
    """An epoch over the training users in a new order, as `multvae_jax.fit` goes over them.

    Unlike there, the first epochs settle the room for a batch: a round has few batches, and a
    later one that is larger than all of them would compile anew, more often than in an epoch of
    hundreds.
    """
    optimizer = optax.adam(tasks.LEARNING_RATE)
    key = jax.random.key(0)
    beta = linear_annealing(tasks.BETA, annealing)
    n_users, n_items = train.shape
    state = init_state(key, model, optimizer, n_items, beta)
    histories = to_device(train)
    run = jax.jit(
        make_epoch(make_train_step(model, optimizer)),
        static_argnames="capacity",
        donate_argnames="state",
    )
    orders = (shuffled_order(order_key(key, epoch), n_users, batch_size) for epoch in range(1, 51))
    capacity, epoch = math.ceil(1.1 * max(capacity_of(histories, order) for order in orders)), 0

    def work() -> TrainState:
        nonlocal state, capacity, epoch
        epoch += 1
        order = shuffled_order(order_key(key, epoch), n_users, batch_size)
        capacity = max(capacity, capacity_of(histories, order))
        state, terms = run(state, histories, order, capacity=capacity)
        jax.block_until_ready(terms)
        return state

    return work


def main() -> None:
    """Take turns."""
    state = None

    def score(rows: np.ndarray) -> np.ndarray:
        shown = to_device(sp.csr_array(rows))
        users = sequential_order(len(rows), len(rows))
        batch = take(shown, users[0], capacity_of(shown, users))
        return np.asarray(scorer(model, state.params)(batch))

    clock = turns(after_each=lambda: task.save_scores(score))
    next(clock)
    task = tasks.read("ours")
    model = model_in(task.precision)
    work = prepare(task.train, task.batch_size, task.annealing, model)
    state = work()
    for _ in clock:
        state = work()


if __name__ == "__main__":
    main()

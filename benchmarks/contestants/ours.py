"""This program: an epoch as one compiled program over ragged histories."""

from __future__ import annotations

import sys
from collections.abc import Callable

import jax
import optax

from benchmarks.alternating import serve
from benchmarks.data import histories
from multvae_jax.batching import capacity_of, shuffled, to_device
from multvae_jax.models import mult_vae
from multvae_jax.schedules import linear_annealing
from multvae_jax.training import init_state, make_epoch, make_train_step


def prepare(batch_size: int, batches: int) -> Callable[[], None]:
    """An epoch over `batches` batches of ML-20M-shaped users."""
    matrix = histories(batch_size * batches)
    model, optimizer = mult_vae(), optax.adam(1e-3)
    key = jax.random.key(0)
    state = init_state(key, model, optimizer, matrix.shape[1], linear_annealing(0.2, 40_000))
    on_device = to_device(matrix)
    order = shuffled(key, matrix.shape[0], batch_size)
    run = jax.jit(
        make_epoch(make_train_step(model, optimizer)),
        static_argnames="capacity",
        donate_argnames="state",
    )
    capacity = capacity_of(on_device, order)

    def work() -> None:
        nonlocal state
        state, terms = run(state, on_device, order, capacity=capacity)
        jax.block_until_ready(terms)

    return work


if __name__ == "__main__":
    size, count = map(int, sys.argv[1:])
    serve(lambda: prepare(size, count))

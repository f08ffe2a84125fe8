"""Epochs of `multvae_jax.fit` with the histories in memory or in a store, or the reading alone.

python -m benchmarks.contestants.streaming.trainer STORE memory|store|reading BATCH_SIZE
"""

from __future__ import annotations

import sys
from dataclasses import replace

import jax

import multvae_jax as mv
from benchmarks.harness.rounds import serve_rounds, timed_rounds
from multvae_jax.batching import parts_of_epoch, plan_of_chunks
from multvae_jax.recipe import paper
from multvae_jax.schedules import linear_annealing
from multvae_jax.sizes import room_of
from multvae_jax.training_loop.streaming import source_of


def train(split: mv.Split, batch_size: int) -> None:
    """Serve rounds of one epoch each, as `multvae train` makes them."""
    clock = timed_rounds()
    next(clock)

    def callback(state: mv.FitState) -> bool:
        return state.entry is not None and next(clock, "over") is not None

    mv.fit(
        jax.random.key(0),
        mv.mult_vae,
        split,
        recipe=paper,
        epochs=10_000,
        batch_size=batch_size,
        beta=linear_annealing(0.2, 40_000),
        callback=callback,
    )


def read(split: mv.Split, batch_size: int) -> None:
    """Serve rounds in which the histories of an epoch are brought to the device, in this thread."""
    room = room_of(split, batch_size)
    source = source_of(split.train, room)
    epoch = 0

    def work() -> None:
        nonlocal epoch
        epoch += 1
        order, capacity = plan_of_chunks(
            jax.random.key(epoch), source.chunks, batch_size, room.capacity
        )
        for loaded in source.batches(order, parts_of_epoch(len(order)), capacity):
            jax.block_until_ready(loaded.histories)

    serve_rounds(work)


def main() -> None:
    """Serve rounds until no more are requested."""
    store, how, batch_size = sys.argv[1:]
    split = mv.open_store(store)
    if how == "memory":
        split = replace(split, train=split.train.tocsr())
    (read if how == "reading" else train)(split, int(batch_size))


if __name__ == "__main__":
    main()

"""Small trainings and matrix products, to find out how fast a machine does what trainings do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse as sp

from multvae_jax.batching import plan_epoch, to_device
from multvae_jax.estimating.costs import Costs, Dot
from multvae_jax.estimating.lengths import Lengths
from multvae_jax.estimating.programs import (
    Training,
    any_beta,
    compiled_epoch_of,
    program_of_compiled,
)
from multvae_jax.keys import order_key
from multvae_jax.models import Model, mult_dae, mult_vae
from multvae_jax.objectives import blockwise_logits, negative_elbo
from multvae_jax.sizes import with_users
from multvae_jax.training.updates import init_state

ROUNDS = 5
"""Times that each program is run; the fastest counts, for other work disturbs a timing."""


class Probe(NamedTuple):
    """A small training.

    Attributes:
        n_items: items.
        n_users: users.
        mean: items of each user.
        batch_size: users in an update.
        model: makes the model.
    """

    n_items: int
    n_users: int
    mean: int
    batch_size: int
    model: Callable[[], Model]


_BLOCKS = partial(negative_elbo, reconstruction=blockwise_logits(8192))

PROBES = (
    # Many instructions on small arrays.
    Probe(300, 300, 20, 30, partial(mult_vae, (), 8)),
    # Parameters and moments of a large catalogue.
    Probe(60_000, 400, 20, 40, partial(mult_vae, (), 16)),
    # Logits of many users.
    Probe(10_000, 5_000, 30, 500, partial(mult_vae, (), 16)),
    # Rows of the encoder.
    Probe(3_000, 3_000, 150, 300, partial(mult_vae, (), 300)),
    Probe(40_000, 2_000, 40, 200, partial(mult_vae, (), 32, objective=_BLOCKS)),
    Probe(40_000, 1_000, 40, 100, partial(mult_dae, (), 64)),
)
"""Trainings that spend most of their time in different ways."""


def timed_probe(probe: Probe) -> tuple[float, Costs]:
    """Seconds of some updates of a training, and what they do."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.poisson(probe.mean, probe.n_users), 1, probe.n_items)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    # A user may have an item twice, which changes no time.
    items = random.integers(0, probe.n_items, starts[-1])
    values = np.ones(len(items), np.float32)
    matrix = sp.csr_array((values, items, starts), shape=(probe.n_users, probe.n_items))
    nobody = np.zeros(0, int)
    training = Training(probe.model(), optax.adam(1e-3), probe.batch_size, 1, {})
    found = compiled_epoch_of(Lengths(probe.n_items, lengths, nobody, nobody), training)
    histories = to_device(matrix, n_chunks=found.room.chunks)
    key = jax.random.key(0)
    order = plan_epoch(order_key(key, 1), histories, probe.batch_size).order[: found.updates]
    on_device = with_users(histories, found.room.users)
    state = init_state(key, training.model, training.optimizer, probe.n_items, any_beta())

    def run() -> None:
        nonlocal state
        state, terms, _ = found.compiled(state, on_device, jnp.asarray(order))
        jax.block_until_ready(terms)

    return fastest(run), program_of_compiled(found.compiled).costs


def fastest(run: Callable[[], Any]) -> float:
    """Seconds of the fastest of some runs, after a first one."""
    run()
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


LARGE_ARRAY = 2**26
"""Bytes of an array that no cache holds, and that the system gets back as soon as it is freed."""


class OfByte(NamedTuple):
    """Seconds per byte of large arrays.

    Attributes:
        streamed: reading, or writing where something was written before.
        fresh: writing for the first time since the system has handed it out, in addition.
    """

    streamed: float
    fresh: float


def seconds_of_byte() -> OfByte:
    """Time a program that reads a large array and writes another, with and without a new one."""
    numbers = jnp.ones(LARGE_ARRAY // 4)
    written = numbers + 1
    into_new = jax.jit(lambda x, _: x + 1, keep_unused=True)
    into_old = jax.jit(lambda x, _: x + 1, keep_unused=True, donate_argnums=1)
    anew, again = (each.lower(numbers, numbers).compile() for each in (into_new, into_old))

    def write_anew() -> None:
        anew(numbers, written).block_until_ready()

    def write_again() -> None:
        nonlocal written
        written = again(numbers, written).block_until_ready()

    new, old = fastest(write_anew), fastest(write_again)
    return OfByte(old / (2 * LARGE_ARRAY), max(0.0, new - old) / LARGE_ARRAY)


WIDTHS = (64, 200, 600)
"""Two of the three sizes of the matrix products that are timed: a small one and
those of the paper. Products of multiples of 64 would be faster."""

LONG = 8192
"""The third size."""

LONGER = 4 * LONG
"""The third size once more, of sums over so many items that no cache holds them."""

IN_A_ROW = 3
"""Products in one program, which allocates its result once."""


def products(streamed: float) -> Iterator[tuple[Dot, float]]:
    """Matrix products, and the seconds of each: the logits, and the gradient from them to h.

    Args:
        streamed: seconds per byte of reading, which count apart from a product.
    """
    for dtype in ("f32", "bf16"):
        for p in WIDTHS:
            for q in WIDTHS:
                for dot in (Dot(p, q, LONG, dtype), Dot(p, LONG, q, dtype)):
                    yield dot, _timed_product(dot)
                dot = Dot(p, LONGER, q, dtype)
                seconds, size = _timed_product(dot), 4 if dtype == "f32" else 2
                yield dot, max(seconds / 2, seconds - streamed * size * dot.k * (p + q))


def _timed_product(dot: Dot) -> float:
    dtype = jnp.bfloat16 if dot.dtype == "bf16" else jnp.float32
    is_long = dot.k >= LONG
    axes = (((1,), (1 if is_long else 0,)), ((), ()))

    def several(left: Any, right: Any) -> Any:
        def once(_: Any, carry: Any) -> Any:
            result, left = carry
            # Each product depends on the one before, without a change of a value.
            left = left.at[0, 0].set((1 + 1e-30 * result[0, 0]).astype(dtype))
            return jax.lax.dot_general(left, right, axes, preferred_element_type=jnp.float32), left

        start = jnp.zeros((dot.m, dot.n)), left
        return jax.lax.fori_loop(0, IN_A_ROW, once, start)

    left = jnp.ones((dot.m, dot.k), dtype)
    right = jnp.ones((dot.n, dot.k) if is_long else (dot.k, dot.n), dtype)
    compiled = jax.jit(several, donate_argnums=0).lower(left, right).compile()

    def run() -> None:
        nonlocal left
        result, left = compiled(left, right)
        result.block_until_ready()

    return fastest(run) / IN_A_ROW

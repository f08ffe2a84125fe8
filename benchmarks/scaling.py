"""How time and memory of training grow with the size of everything.

    python -m benchmarks scaling [--rounds 5]

One size at a time is changed, the others stay: 2,000 users, 5,000 items, 68 interactions a user,
batches of 500, a latent size of 200, one seed, hidden layers of 600, float32, Adam. A time is of
whole epochs, run as the one program that they are; the memory of that program is XLA's own
analysis of it: its arguments (parameters, moments, histories) and its temporaries. The points of
a curve are timed in turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from benchmarks.harness.curve_fit import exponent, line
from benchmarks.harness.figures import scaling_panels, write
from benchmarks.harness.report import markdown, save
from benchmarks.harness.synthetic import histories
from multvae_jax.batching import capacity_of, sequential_order, to_device
from multvae_jax.models import mult_vae
from multvae_jax.schedules import linear_annealing
from multvae_jax.training import init_state, make_epoch, make_train_step


class Sizes(NamedTuple):
    """What an epoch costs by."""

    users: int = 2_000
    items: int = 5_000
    interactions: int = 68
    batch: int = 500
    latent: int = 200
    seeds: int = 1


CURVES = {
    "users": (500, 1_000, 2_000, 4_000, 8_000),
    "items": (1_250, 2_500, 5_000, 10_000),
    "interactions": (34, 68, 136, 272, 544),
    "batch": (250, 500, 1_000, 2_000),
    "latent": (50, 100, 200, 400),
    "seeds": (1, 2, 4),
}
LINEAR = ("users", "interactions")
"""What time may not grow faster with than in proportion."""


class Point(NamedTuple):
    """An epoch of some sizes: what runs it, and what XLA says of its memory, in bytes."""

    x: float
    epoch: Callable[[], float]
    arguments: int
    temporaries: int


def point(name: str, size: int) -> Point:
    """Compile an epoch."""
    sizes = Sizes()._replace(**{name: size})
    if name == "seeds":
        sizes = sizes._replace(users=500, items=1_250)
    matrix = histories(sizes.users, sizes.items, sizes.interactions)
    model, optimizer = mult_vae(latent=sizes.latent), optax.adam(1e-3)
    beta = linear_annealing(0.2, 40_000)
    first = partial(init_state, model=model, optimizer=optimizer, n_items=sizes.items, beta=beta)
    epoch = make_epoch(make_train_step(model, optimizer))
    rows = to_device(matrix)
    order = sequential_order(sizes.users, sizes.batch)
    run = partial(epoch, capacity=capacity_of(rows, order))
    keys = jax.random.key(0)
    if name == "seeds":
        keys = jax.random.split(keys, size)
        first, run = jax.vmap(first), jax.vmap(run, in_axes=(0, None, None))
    state: Any = jax.jit(first)(keys)
    order = jnp.asarray(order)
    compiled = jax.jit(run, donate_argnums=0).lower(state, rows, order).compile()
    memory = compiled.memory_analysis()

    def timed() -> float:
        nonlocal state
        began = time.perf_counter()
        state, _ = jax.block_until_ready(compiled(state, rows, order))
        return time.perf_counter() - began

    timed()
    # What was drawn, not what was asked for: an item drawn twice counts once.
    x = matrix.nnz / sizes.users if name == "interactions" else size
    return Point(x, timed, memory.argument_size_in_bytes, memory.temp_size_in_bytes)


def curve(name: str, rounds: int) -> dict[str, Any]:
    """Time and memory of an epoch over the values of one size."""
    points = [point(name, size) for size in CURVES[name]]
    seconds = [[each.epoch() for each in points] for _ in range(rounds)]
    return {
        "x": [each.x for each in points],
        "seconds": list(map(statistics.median, zip(*seconds, strict=True))),
        "arguments": [each.arguments for each in points],
        "temporaries": [each.temporaries for each in points],
        "samples": seconds,
    }


def row(name: str, found: dict[str, Any]) -> list[str]:
    """A line of the table."""
    x, seconds = found["x"], found["seconds"]
    memory = [a + t for a, t in zip(found["arguments"], found["temporaries"], strict=True)]
    fitted = line(x, seconds)
    return [
        name,
        f"{x[0]:,.0f} to {x[-1]:,.0f}",
        f"{1e3 * seconds[0]:,.0f} to {1e3 * seconds[-1]:,.0f}",
        f"{exponent(x, seconds):.2f}",
        f"{1e3 * fitted.fixed:,.0f} + {1e3 * fitted.rate:.3g} x ({100 * fitted.error:.0f}%)",
        f"{memory[0] / 1e6:,.0f} to {memory[-1] / 1e6:,.0f}",
        f"{exponent(x, memory):.2f}",
    ]


def main(arguments: list[str]) -> None:
    """Time all curves, print the table, save the samples and the plot."""
    parser = argparse.ArgumentParser(prog="benchmarks scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--curves", nargs="*", default=list(CURVES), choices=list(CURVES))
    options = parser.parse_args(arguments)
    found = {name: curve(name, options.rounds) for name in options.curves}
    heading = [
        *("size", "from, to", "ms an epoch", "exponent", "line, ms (worst point)"),
        *("MB", "exponent"),
    ]
    print(markdown(heading, [row(name, values) for name, values in found.items()]))
    if options.curves == list(CURVES):
        print(f"\n{save('growth', {'sizes': Sizes()._asdict(), 'curves': found})}")
        print(write("scaling", scaling_panels(found)))

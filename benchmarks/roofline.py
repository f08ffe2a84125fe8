"""How close is the time of an update to the floor that this machine's speed sets?

    python -m benchmarks roofline [--precision bfloat16] [--batches 16] [--rounds 7]

The floor is the sum of three matrix products of the decoder at the best speed that this machine
reaches for any of them, one read and write of parameters and moments, and one read of the
encoder's rows that the batch uses. Everything is timed in turn in one process, repeated within one
program, so that no allocation of memory is counted.

On two cores of an AMD EPYC, about 1 minute. With AVX-512 (Zen 4), the update takes 266 ms, the
floor is 206 ms: 0.78. In bfloat16, by its instructions, it takes 162 ms, the floor is 115 ms: 0.71.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from benchmarks.harness.epochs import epoch_runner, whole_batch
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.synthetic import ML20M_ITEMS, random_histories
from benchmarks.harness.timing import repeated
from benchmarks.harness.update import BETA, FLOAT, Speed, UpdateShape, floor
from multvae_jax.batching import to_device
from multvae_jax.config.unions import Count
from multvae_jax.likelihoods import log_likelihood, multinomial
from multvae_jax.mlp import variational_mlp
from multvae_jax.models import mult_vae
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.ops.in_place import in_blocks
from multvae_jax.ops.matmul import Matmul, matmul_in
from multvae_jax.recipe import LEARNING_RATE

MEMORY = "memory, one read and write of 96 MB"


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks roofline`."""

    batches: Count = 16
    """Number of updates in a round."""
    rounds: Count = 7
    """Number of timed rounds."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the matrix products."""


def pieces(shape: UpdateShape, matmul: Matmul) -> dict[str, Callable[[], float]]:
    """The parts of an update, each timed on its own: name -> seconds of one run."""
    random = iter(jax.random.split(jax.random.key(0), 9))
    small = 1e-30  # makes an iteration depend on the one before, without changing a value

    def normal(*size: int) -> jax.Array:
        return 0.01 * jax.random.normal(next(random), size)

    h, kernel = normal(shape.users, shape.hidden), normal(shape.hidden, shape.items)
    logits, bias = normal(shape.users, shape.items), normal(shape.items)
    batch = whole_batch(to_device(random_histories(shape.users, shape.items)))
    embedding = normal(shape.items, shape.hidden)
    likelihood, adam = multinomial(), optax.adam(LEARNING_RATE)
    parameters = {"encoder": embedding, "decoder": kernel}
    gradients = jax.tree.map(jnp.copy, parameters)

    def slope(logits: jax.Array) -> jax.Array:
        return jax.grad(lambda f: -log_likelihood(likelihood, {}, f + bias[None], batch).mean())(
            logits
        )

    def update(carry: Any, gradients: Any) -> Any:
        parameters, state = carry
        updates, state = adam.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    def start() -> Any:
        held = jax.tree.map(jnp.copy, parameters)
        return held, adam.init(held)

    def of_h(carry: tuple[jax.Array, jax.Array], h: jax.Array, kernel: jax.Array) -> Any:
        error, gradient = carry
        _, back = jax.vjp(lambda h: matmul(h, kernel), h)
        # Written in place: a copy of the gradient would be timed as well.
        gradient = gradient.at[0, 0].set(small * error[0, 0])
        return *back(gradient), gradient

    def of_bag(carry: jax.Array, embedding: jax.Array) -> jax.Array:
        values = batch.values + small * carry[0, 0]
        return embedding_bag(embedding, dataclasses.replace(batch, values=values))

    def of_kernel(carry: jax.Array, h: jax.Array, gradient: jax.Array) -> jax.Array:
        _, back = jax.vjp(matmul, h + small * carry[0, 0], kernel)
        return back(gradient)[1]

    def of_embedding(carry: jax.Array, gradient: jax.Array) -> jax.Array:
        _, back = jax.vjp(lambda embedding: embedding_bag(embedding, batch), embedding)
        return back(gradient + small * carry[0, 0])[0]

    return {
        "logits": repeated(lambda f, h, w: matmul(h + small * f[0, 0], w), logits, h, kernel),
        "error to h": repeated(of_h, (h, logits), h, kernel),
        "kernel's gradient": repeated(of_kernel, kernel, h, logits),
        "likelihood and its gradient": repeated(slope, logits),
        "encoder's bag": repeated(of_bag, h, embedding),
        "encoder's gradient": repeated(of_embedding, embedding, h),
        "Adam": repeated(in_blocks(update), start(), gradients),
        "Adam, a pass for each array": repeated(update, start(), gradients),
        MEMORY: repeated(lambda c: jax.tree.map(lambda leaf: leaf * 0.999, c), parameters),
    }


def timed_update(shape: UpdateShape, matmul: Matmul, batches: int) -> Callable[[], float]:
    """A function that times an update, as the mean over an epoch of so many."""
    network = partial(variational_mlp, matmul=matmul)
    model = mult_vae((shape.hidden,), shape.latent, network=network)
    train = random_histories(shape.users * batches)
    run_epoch = epoch_runner(train, shape.users, model, optax.adam(LEARNING_RATE), BETA)
    run_epoch()

    def timed() -> float:
        began = time.perf_counter()
        run_epoch()
        return (time.perf_counter() - began) / batches

    return timed


def measure(options: Options) -> Iterator[Report]:
    """Times of the update and its parts, and the floor."""
    shape, matmul = UpdateShape(ML20M_ITEMS), matmul_in(jnp.dtype(options.precision))
    timed = {"update": timed_update(shape, matmul, options.batches), **pieces(shape, matmul)}
    samples: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(options.rounds):
        for name, seconds in timed.items():
            samples[name].append(seconds())

    taken = {name: statistics.median(seconds) for name, seconds in samples.items()}
    product = min(taken["logits"], taken["error to h"], taken["kernel's gradient"])
    speed = Speed(
        flops=2 * shape.users * shape.hidden * shape.items / product,
        bytes=2 * FLOAT * 2 * shape.items * shape.hidden / taken[MEMORY],
    )
    least = floor(shape, speed)
    total = sum(least.values())
    rows = [[name, f"{1e3 * seconds:.1f}"] for name, seconds in (*taken.items(), *least.items())]
    rows.append(["floor", f"{1e3 * total:.1f}"])
    # One read and write of parameters, both moments and gradients.
    adam = taken["Adam"] / (4 * taken[MEMORY])
    table = (
        f"{markdown(['', 'ms, median'], rows)}\n\n"
        f"the update runs at {total / taken['update']:.2f} of the speed of the floor\n"
        f"Adam takes {adam:.2f} times one read and write of parameters, moments and gradients\n"
        f"products at {1e-9 * speed.flops:.0f} GFLOP/s, memory at {1e-9 * speed.bytes:.1f} GB/s"
    )
    yield Report(options.precision, table, {"samples": samples, "floor": least})

"""An update against the floor that this machine's own products and memory set.

    python -m benchmarks roofline [--precision bfloat16] [--batches 16] [--rounds 7]

The floor is the three products of the decoder at the best speed this machine reaches for any of
them, one read and write of parameters and moments, and one read of the encoder's touched rows.
Everything is timed in turn in one process, repeated within one program, so that no allocation of
fresh memory is counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from benchmarks.contestants.training.ours import prepare
from benchmarks.harness.report import markdown, save
from benchmarks.harness.synthetic import ML20M_ITEMS, histories
from benchmarks.harness.update import FLOAT, Shape
from multvae_jax.batching import capacity_of, sequential_order, take, to_device
from multvae_jax.likelihoods import log_likelihood, multinomial
from multvae_jax.mlp import variational_mlp
from multvae_jax.models import mult_vae
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.ops.matmul import Matmul, matmul_in

REPEATS = 4


def repeated(function: Callable[..., Any], carry: Any, *constants: Any) -> Callable[[], float]:
    """Seconds that `function(carry, *constants) -> carry` takes, in a loop that is one program."""

    def loop(carry: Any, *constants: Any) -> Any:
        return jax.lax.fori_loop(0, REPEATS, lambda _, c: function(c, *constants), carry)

    run = jax.jit(loop, donate_argnums=0)
    held = jax.block_until_ready(run(jax.tree.map(jnp.copy, carry), *constants))

    def timed() -> float:
        nonlocal held
        began = time.perf_counter()
        held = jax.block_until_ready(run(held, *constants))
        return (time.perf_counter() - began) / REPEATS

    return timed


def pieces(shape: Shape, product: Matmul) -> dict[str, Callable[[], float]]:
    """What an update is made of, each to be timed on its own."""
    random = iter(jax.random.split(jax.random.key(0), 9))
    small = 1e-30  # ties an iteration to the one before, without changing a number

    def normal(*size: int) -> jax.Array:
        return 0.01 * jax.random.normal(next(random), size)

    h, kernel = normal(shape.users, shape.hidden), normal(shape.hidden, shape.items)
    logits, bias = normal(shape.users, shape.items), normal(shape.items)
    rows = to_device(histories(shape.users, shape.items))
    order = sequential_order(shape.users, shape.users)
    batch = take(rows, jnp.asarray(order[0]), capacity_of(rows, order))
    embedding = normal(shape.items, shape.hidden)
    likelihood, adam = multinomial(), optax.adam(1e-3)
    parameters = {"encoder": embedding, "decoder": kernel}

    def slope(logits: jax.Array) -> jax.Array:
        return jax.grad(lambda f: -log_likelihood(likelihood, {}, f + bias[None], batch).mean())(
            logits
        )

    def update(carry: Any, gradients: Any) -> Any:
        parameters, state = carry
        updates, state = adam.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    def of_h(carry: tuple[jax.Array, jax.Array], h: jax.Array, kernel: jax.Array) -> Any:
        error, gradient = carry
        _, back = jax.vjp(lambda h: product(h, kernel), h)
        # Written where it lies: a copy of the gradient would be timed, too.
        gradient = gradient.at[0, 0].set(small * error[0, 0])
        return *back(gradient), gradient

    def of_bag(carry: jax.Array, embedding: jax.Array) -> jax.Array:
        values = batch.values + small * carry[0, 0]
        return embedding_bag(embedding, dataclasses.replace(batch, values=values))

    def of_kernel(carry: jax.Array, h: jax.Array, gradient: jax.Array) -> jax.Array:
        _, back = jax.vjp(product, h + small * carry[0, 0], kernel)
        return back(gradient)[1]

    def of_embedding(carry: jax.Array, gradient: jax.Array) -> jax.Array:
        _, back = jax.vjp(lambda embedding: embedding_bag(embedding, batch), embedding)
        return back(gradient + small * carry[0, 0])[0]

    return {
        "logits": repeated(lambda f, h, w: product(h + small * f[0, 0], w), logits, h, kernel),
        "error to h": repeated(of_h, (h, logits), h, kernel),
        "kernel's gradient": repeated(of_kernel, kernel, h, logits),
        "likelihood and its gradient": repeated(slope, logits),
        "encoder's bag": repeated(of_bag, h, embedding),
        "encoder's gradient": repeated(of_embedding, embedding, h),
        "Adam": repeated(
            update, (parameters, adam.init(parameters)), jax.tree.map(jnp.copy, parameters)
        ),
        "memory, one read and write of 96 MB": repeated(
            lambda c: jax.tree.map(lambda leaf: leaf * 0.999, c), parameters
        ),
    }


def main(arguments: list[str]) -> None:
    """Time the update and its pieces in turn, print the shares and save the samples."""
    parser = argparse.ArgumentParser(prog="benchmarks roofline", description=__doc__)
    parser.add_argument("--batches", type=int, default=16, help="updates in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args(arguments)

    shape, product = Shape(ML20M_ITEMS), matmul_in(jnp.dtype(options.precision))
    network = partial(variational_mlp, matmul=product)
    model = mult_vae((shape.hidden,), shape.latent, network=network)
    epoch = prepare(histories(shape.users * options.batches), shape.users, model=model)
    epoch()

    def updates() -> float:
        began = time.perf_counter()
        epoch()
        return (time.perf_counter() - began) / options.batches

    timed = {"update": updates, **pieces(shape, product)}
    samples: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(options.rounds):
        for name, seconds in timed.items():
            samples[name].append(seconds())

    taken = {name: statistics.median(seconds) for name, seconds in samples.items()}
    products = min(taken["logits"], taken["error to h"], taken["kernel's gradient"])
    (memory,) = (seconds for name, seconds in taken.items() if name.startswith("memory"))
    moved = 2 * FLOAT * 2 * shape.items * shape.hidden
    touched = FLOAT * shape.chunks * 16 * shape.hidden
    floor = {
        "three products at the best of their speeds": 3 * products,
        "parameters and moments, read and written": 3 * memory,
        "touched rows of the encoder, read": touched / (moved / memory),
    }
    total = sum(floor.values())
    rows = [[name, f"{1e3 * seconds:.1f}"] for name, seconds in (*taken.items(), *floor.items())]
    rows.append(["floor", f"{1e3 * total:.1f}"])
    print(markdown(["", "ms, median"], rows))
    print(f"\nthe update reaches {total / taken['update']:.2f} of the floor")
    gflops = 2e-9 * shape.users * shape.hidden * shape.items / products
    print(f"products at {gflops:.0f} GFLOP/s, memory at {1e-9 * moved / memory:.1f} GB/s")
    name = "roofline" if options.precision == "float32" else f"roofline-{options.precision}"
    print(f"\n{save(name, {'samples': samples, 'floor': floor})}")

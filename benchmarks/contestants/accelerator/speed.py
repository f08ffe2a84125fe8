"""The device, and what it reaches: matrix products in each precision, and its memory."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.contestants.accelerator.sizes import PRECISIONS, Sizes
from benchmarks.harness.report import machine
from benchmarks.harness.sections import Budget, Found, Row
from benchmarks.harness.timing import largest_that_fits, repeated, samples
from benchmarks.harness.update import FLOAT, Speed

MEMORY = "memory"
REPEATS = 16
"""Runs in a program, so that starting it takes no noticeable part of its time."""

CHECKED_ROWS = 64
"""Rows of a product that are compared with those in float64."""


def in_precision(name: str) -> AbstractContextManager[Any]:
    """A context in which matrix products of float32 arrays have a precision.

    On an NVIDIA GPU, "tensorfloat32" is TF32, on a TPU three passes of bfloat16, on a CPU float32.
    """
    modes = {"float32": "highest", "TF32": "tensorfloat32", "bfloat16": "highest"}
    return jax.default_matmul_precision(modes[name])


def type_of(name: str) -> Any:
    """The type of the arrays that are multiplied in a precision."""
    return jnp.bfloat16 if name == "bfloat16" else jnp.float32


def device(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """The device, its memory and all versions."""
    del sizes, budget, found
    first = jax.devices()[0]
    memory = (first.memory_stats() or {}).get("bytes_limit")
    facts = machine()
    yield {
        "device": first.device_kind,
        "platform": first.platform,
        "platform version": first.client.platform_version.strip().replace("\n", ", "),
        "devices": len(jax.devices()),
        "memory for jax, GB": None if memory is None else memory / 1e9,
        "jax": facts["jax"],
        "machine": facts,
    }


def speed(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """Speed and error of a square matrix product in each precision, and speed of the memory."""
    del found
    for done, name in enumerate(PRECISIONS):
        yield _product(name, sizes.product, budget.share(len(PRECISIONS) + 1 - done))
    n, timed = largest_that_fits(_pass_over_memory, sizes.memory)
    taken = samples(timed, budget.left())
    rate = 2 * FLOAT * n / statistics.median(taken)
    yield {"what": MEMORY, "speed": rate / 1e9, "unit": "GB/s, read and written", "samples": taken}


def _product(name: str, n: int, seconds: float) -> Row:
    random = np.random.default_rng(0).standard_normal((2, n, n), np.float32) / np.sqrt(n)
    with in_precision(name):

        def make(n: int) -> Any:
            a, b = (jnp.asarray(each[:n, :n]).astype(type_of(name)) for each in random)
            one = jax.jit(lambda a, b: jnp.matmul(a, b, preferred_element_type=jnp.float32))
            values = np.asarray(one(a[:CHECKED_ROWS], b), np.float64)
            exact = random[0, :CHECKED_ROWS, :n].astype(float)[:n] @ random[1, :n, :n].astype(float)
            error = np.abs(values - exact).max() / np.abs(exact).max()
            return repeated(lambda b, a: a @ b, b, a, repeats=REPEATS), float(error)

        n, (timed, error) = largest_that_fits(make, n)
        taken = samples(timed, seconds)
    return {
        "what": name,
        "speed": 2e-12 * n**3 / statistics.median(taken),
        "unit": "TFLOP/s",
        "rows": n,
        "relative error": error,
        "samples": taken,
    }


def _pass_over_memory(n: int) -> Any:
    # The barrier keeps XLA from making one pass of several.
    return repeated(lambda x: jax.lax.optimization_barrier(0.999 * x), jnp.ones(n), repeats=REPEATS)


def speed_in(precision: str, rows: Sequence[Row]) -> Speed | None:
    """Return the measured speed of the device in a precision, or None if it is unknown."""
    rates = {row["what"]: row["speed"] for row in rows}
    if not {precision, MEMORY} <= rates.keys():
        return None
    return Speed(flops=1e12 * rates[precision], bytes=1e9 * rates[MEMORY])

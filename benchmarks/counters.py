"""FLOPs, bytes and memory of a compiled update, against the analytic minimum.

    python -m benchmarks counters

XLA's own analysis; nothing is run, so that no noise can touch the figures, and the test suite
holds the CPU's against the limits below.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness.report import markdown, save
from benchmarks.harness.update import FLOAT, Counters, Shape, counters, minimum, traced_step
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import blockwise_logits, negative_elbo
from multvae_jax.ops.matmul import matmul_in

CATALOGUES = (10_000, 20_108, 50_000, 200_000, 1_000_000)

LIMITS = {"flops": 1.05, "bytes_accessed": 1.8, "temporaries": 1.0}
"""How many times the minimum a counter of the step on a CPU may be."""

BLOCK = 4096
"""Items in a block of the streamed update."""

BLOCKS = 3
"""How many blocks its temporaries may hold beside the gradients: a block of the logits, of the
kernel and of the kernel's gradient each count once."""

STREAMED = {"objective": partial(negative_elbo, reconstruction=blockwise_logits(BLOCK))}
BFLOAT16 = {"network": partial(variational_mlp, matmul=matmul_in(jnp.bfloat16))}


def blocks_held(shape: Shape) -> tuple[int, float]:
    """Bytes of temporaries of the streamed update, and how many blocks they hold."""
    taken = counters(traced_step(shape, **STREAMED).lower().compile()).temporaries
    block = FLOAT * BLOCK * (shape.users + 2 * shape.hidden)
    return taken, (taken - FLOAT * shape.parameters) / block


def ratios(shape: Shape, **form: Any) -> tuple[Counters, Counters]:
    """The counters of a compiled update, and each over the minimum of the plain one."""
    counted, least = counters(traced_step(shape, **form).lower().compile()), minimum(shape)
    return counted, Counters(*(one / other for one, other in zip(counted, least, strict=True)))


def main(arguments: list[str]) -> None:
    """Print the tables and save them."""
    del arguments
    rows, figures = [], []
    cases = [(items, "float32", {}) for items in CATALOGUES]
    for items, precision, form in [*cases, (CATALOGUES[1], "bfloat16", BFLOAT16)]:
        shape = Shape(items)
        counted, over = ratios(shape, **form)
        figures.append(
            {
                "shape": shape._asdict(),
                "precision": precision,
                "counted": counted,
                "over_minimum": over,
            }
        )
        rows.append(
            [
                f"{items:,}",
                precision,
                f"{counted.flops / 1e9:.1f} ({over.flops:.2f})",
                f"{counted.bytes_accessed / 1e9:.2f} ({over.bytes_accessed:.2f})",
                f"{counted.temporaries / 1e6:.0f} ({over.temporaries:.2f})",
            ]
        )
    backend = jax.default_backend()
    print(f"one update of 500 users, {backend}; times the analytic minimum in brackets\n")
    print(markdown(["items", "products", "GFLOP", "GB accessed", "MB of temporaries"], rows))

    rows, streamed = [], []
    for items in CATALOGUES:
        taken, blocks = blocks_held(Shape(items))
        gradients = FLOAT * Shape(items).parameters
        streamed.append({"items": items, "temporaries": taken, "blocks": blocks})
        rows.append([f"{items:,}", f"{gradients / 1e6:.0f}", f"{taken / 1e6:.0f}", f"{blocks:.1f}"])
    print(f"\nthe same in blocks of {BLOCK:,} items\n")
    print(markdown(["items", "MB of gradients", "MB of temporaries", "blocks beside them"], rows))
    print(f"\n{save(f'counters-{backend}', {'updates': figures, 'streamed': streamed})}")

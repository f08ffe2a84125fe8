"""How close is a compiled update to the analytic minimum, in FLOPs, bytes and memory?

    python -m benchmarks counters

XLA's own analysis of the update of 500 users, of the same update in blocks of items, and of the
updates of 16 sweep members side by side; the last also as lowered for CUDA. Nothing is run, so
that no noise can affect the figures, and the test suite holds the CPU's to the limits below.

On two cores of an AMD EPYC, about a minute. At ML-20M's size: FLOPs 1.00, bytes 1.80 and
temporary memory 0.82 times the minimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness.report import Report, markdown
from benchmarks.harness.synthetic import ML20M_ITEMS
from benchmarks.harness.update import (
    FLOAT,
    Counters,
    UpdateShape,
    counters,
    minimum,
    traced_update,
)
from multvae_jax.mlp import variational_mlp
from multvae_jax.objectives import blockwise_logits, negative_elbo
from multvae_jax.ops.matmul import matmul_in

CATALOGUES = (10_000, ML20M_ITEMS, 50_000, 200_000, 1_000_000)

LIMITS = {"flops": 1.05, "bytes_accessed": 1.8, "temporaries": 1.0}
"""Largest ratio of each counter of the update on a CPU to its minimum."""

BLOCK = 4096
"""Items in a block of the blockwise update."""

BLOCKS = 3
"""Most blocks that its temporaries may hold beside the gradients: a block of the logits, of the
kernel and of the kernel's gradient each count once."""

BLOCKWISE = {"objective": partial(negative_elbo, reconstruction=blockwise_logits(BLOCK))}
BFLOAT16 = {"network": partial(variational_mlp, matmul=matmul_in(jnp.bfloat16))}

MEMBERS = 16
MEMBER_SHAPES = {
    "ml-100k": UpdateShape(items=1_450, users=76, chunks=360),
    "ml-1m": UpdateShape(items=3_533, users=484, chunks=3_200),
}
"""Updates of the default batch sizes on these data sets."""


@dataclass(frozen=True)
class Options:
    """This benchmark has no options."""


def blocks_held(shape: UpdateShape) -> tuple[int, float]:
    """Bytes of temporaries of the blockwise update, and how many blocks they hold."""
    taken = counters(traced_update(shape, **BLOCKWISE).lower().compile()).temporaries
    block = FLOAT * BLOCK * (shape.users + 2 * shape.hidden)
    return taken, (taken - FLOAT * shape.parameters) / block


def ratios(shape: UpdateShape, **form: Any) -> tuple[Counters, Counters]:
    """Counters of a compiled update, and their ratios to the minimum of the plain one."""
    counted, least = counters(traced_update(shape, **form).lower().compile()), minimum(shape)
    return counted, Counters(*(one / other for one, other in zip(counted, least, strict=True)))


def measure(options: Options) -> Iterator[Report]:
    """The updates of a single model, and those of many members side by side."""
    del options
    yield updates()
    yield members()


def updates() -> Report:
    """Counters of the update over catalogues of all sizes, in whole and in blocks."""
    rows, whole = [], []
    cases = [(items, "float32", {}) for items in CATALOGUES]
    for items, precision, form in [*cases, (ML20M_ITEMS, "bfloat16", BFLOAT16)]:
        shape = UpdateShape(items)
        counted, over = ratios(shape, **form)
        whole.append(
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
    tables = [
        f"one update of 500 users, {backend}; in brackets, the ratio to the analytic minimum",
        markdown(["items", "products", "GFLOP", "GB accessed", "MB of temporaries"], rows),
    ]

    rows, blockwise = [], []
    for items in CATALOGUES:
        taken, blocks = blocks_held(UpdateShape(items))
        gradients = FLOAT * UpdateShape(items).parameters
        blockwise.append({"items": items, "temporaries": taken, "blocks": blocks})
        rows.append([f"{items:,}", f"{gradients / 1e6:.0f}", f"{taken / 1e6:.0f}", f"{blocks:.1f}"])
    tables += [
        f"the same in blocks of {BLOCK:,} items",
        markdown(["items", "MB of gradients", "MB of temporaries", "blocks beside them"], rows),
    ]
    return Report(backend, "\n\n".join(tables), {"updates": whole, "streamed": blockwise})


def members() -> Report:
    """Counters of the updates of many members side by side, against one member's.

    This is the layout `vmapped`: as many products as for one member, each of all members at once,
    mean as many kernel launches with more work in each.
    """
    rows, found = [], []
    for name, shape in MEMBER_SHAPES.items():
        for count in (None, MEMBERS):
            traced = traced_update(shape, count)
            counted = counters(traced.lower().compile())
            for_gpu = traced.lower(lowering_platforms=("cuda",))
            program = for_gpu.as_text()
            cuda = {
                "flops": for_gpu.cost_analysis()["flops"],
                "products": program.count("stablehlo.dot_general"),
                "loops": program.count("stablehlo.while"),
            }
            found.append({"shape": name, "members": count, "cpu": counted, "cuda": cuda})
            rows.append(
                [
                    f"{name}-sized, {count or 1}",
                    f"{counted.flops / 1e9:.2f}",
                    f"{counted.bytes_accessed / 1e9:.2f}",
                    f"{counted.temporaries / 1e6:.0f}",
                    f"{cuda['flops'] / 1e9:.2f}",
                    str(cuda["products"]),
                    str(cuda["loops"]),
                ]
            )
    heading = [
        *("members", f"GFLOP, {jax.default_backend()}", "GB accessed", "MB of temporaries"),
        *("GFLOP, cuda", "products, cuda", "loops, cuda"),
    ]
    return Report("members", markdown(heading, rows), {"updates": found})

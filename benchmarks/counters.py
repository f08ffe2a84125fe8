"""FLOPs, bytes and memory of a compiled update, against the analytic minimum.

    python -m benchmarks counters

XLA's own analysis; nothing is run, so that no noise can touch the figures, and the test suite
holds the CPU's against the limits below.
"""

from __future__ import annotations

import jax

from benchmarks.reporting import markdown, save
from benchmarks.steps import Counters, Shape, counters, minimum, traced_step

CATALOGUES = (10_000, 20_108, 50_000, 200_000, 1_000_000)

LIMITS = {"flops": 1.05, "bytes_accessed": 1.8, "temporaries": 1.0}
"""How many times the minimum a counter of the step on a CPU may be."""


def ratios(shape: Shape) -> tuple[Counters, Counters]:
    """The counters of a compiled update, and each over its minimum."""
    counted, least = counters(traced_step(shape).lower().compile()), minimum(shape)
    return counted, Counters(*(one / other for one, other in zip(counted, least, strict=True)))


def main(arguments: list[str]) -> None:
    """Print the table and save it."""
    del arguments
    rows, figures = [], []
    for items in CATALOGUES:
        shape = Shape(items)
        counted, over = ratios(shape)
        figures.append({"shape": shape._asdict(), "counted": counted, "over_minimum": over})
        rows.append(
            [
                f"{items:,}",
                f"{counted.flops / 1e9:.1f} ({over.flops:.2f})",
                f"{counted.bytes_accessed / 1e9:.2f} ({over.bytes_accessed:.2f})",
                f"{counted.temporaries / 1e6:.0f} ({over.temporaries:.2f})",
            ]
        )
    backend = jax.default_backend()
    print(f"one update of 500 users, float32, {backend}; times the analytic minimum in brackets\n")
    print(markdown(["items", "GFLOP", "GB accessed", "MB of temporaries"], rows))
    print(f"\n{save(f'counters-{backend}', {'updates': figures})}")

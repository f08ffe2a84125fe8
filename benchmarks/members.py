"""What XLA makes of the updates of many members side by side, against one member's.

    python -m benchmarks members

The layout `vmapped` in counters: XLA's own analysis of the program for this machine, and of the
one that is handed to the compiler of a GPU, neither of which is run. As many products, each of all
members at once, mean as many launches with as many times the work.
"""

from __future__ import annotations

import jax

from benchmarks.harness.report import markdown, save
from benchmarks.harness.update import Shape, counters, traced_step

MEMBERS = 16
SHAPES = {
    "ml-100k": Shape(items=1_450, users=76, chunks=360),
    "ml-1m": Shape(items=3_533, users=484, chunks=3_200),
}
"""Updates of the default batch sizes over these data sets."""


def main(arguments: list[str]) -> None:
    """Print the table and save it."""
    del arguments
    rows, figures = [], []
    for name, shape in SHAPES.items():
        for members in (None, MEMBERS):
            traced = traced_step(shape, members)
            counted = counters(traced.lower().compile())
            for_gpu = traced.lower(lowering_platforms=("cuda",))
            program = for_gpu.as_text()
            facts = {
                "flops": for_gpu.cost_analysis()["flops"],
                "products": program.count("stablehlo.dot_general"),
                "loops": program.count("stablehlo.while"),
            }
            figures.append({"shape": name, "members": members, "cpu": counted, "cuda": facts})
            rows.append(
                [
                    f"{name}-sized, {members or 1}",
                    f"{counted.flops / 1e9:.2f}",
                    f"{counted.bytes_accessed / 1e9:.2f}",
                    f"{counted.temporaries / 1e6:.0f}",
                    f"{facts['flops'] / 1e9:.2f}",
                    str(facts["products"]),
                    str(facts["loops"]),
                ]
            )
    backend = jax.default_backend()
    heading = [
        "members",
        f"GFLOP, {backend}",
        "GB accessed",
        "MB of temporaries",
        "GFLOP, cuda",
        "products, cuda",
        "loops, cuda",
    ]
    print(markdown(heading, rows))
    print(f"\n{save('members', {'updates': figures})}")

"""Users per second in training on ML-20M-shaped data, against PyTorch in the same run.

    python -m benchmarks training [--batch-size 500] [--rounds 7] [--peer-python PYTHON]

Whole updates of the paper's network: the batch, forward, backward, Adam. Our histories are on the
device before the clock starts; PyTorch's dense batches are made within the time. Every
contestant is a process of its own; they take turns.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from benchmarks.alternating import alternate, median_ratio
from benchmarks.reporting import markdown, save


def main(arguments: list[str]) -> None:
    """Time the contestants, print the table and save the samples."""
    parser = argparse.ArgumentParser(prog="benchmarks training", description=__doc__)
    parser.add_argument("--batch-size", type=int, default=500)
    parser.add_argument("--batches", type=int, default=4, help="updates in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--peer-python", default=sys.executable, help="interpreter that has PyTorch"
    )
    parser.add_argument("--precisions", nargs="*", default=["float32", "bfloat16"])
    options = parser.parse_args(arguments)

    sizes = [str(options.batch_size), str(options.batches)]
    module = "benchmarks.contestants"
    commands = {"multvae_jax, float32": [sys.executable, "-m", f"{module}.ours", *sizes]}
    for precision in options.precisions:
        peer = [options.peer_python, "-m", f"{module}.pytorch", *sizes, precision]
        commands[f"PyTorch, {precision}"] = peer
    samples = alternate(commands, options.rounds)

    ours = samples["multvae_jax, float32"]
    users = options.batch_size * options.batches
    rows = [
        [
            name,
            f"{users / statistics.median(taken.seconds):,.0f}",
            f"{users / max(taken.seconds):,.0f} to {users / min(taken.seconds):,.0f}",
            f"{median_ratio(ours, taken):.2f}",
            f"{taken.compile:.0f}",
        ]
        for name, taken in samples.items()
    ]
    print(
        f"batches of {options.batch_size}, {options.rounds} rounds of {options.batches} updates\n"
    )
    heading = ["", "users/s, median", "range", "times our time, round by round", "ready after, s"]
    print(markdown(heading, rows))
    figures = {
        "options": {name: value for name, value in vars(options).items() if name != "peer_python"},
        "samples": {name: taken._asdict() for name, taken in samples.items()},
    }
    print(f"\n{save(f'training-{options.batch_size}', figures)}")

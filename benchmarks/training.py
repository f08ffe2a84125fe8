"""Users per second in training, against RecBole, Cornac and plain PyTorch in the same run.

    python -m benchmarks training [--shape ml-20m] [--batch-size 500] [--batches 16] [--rounds 5]
    python -m benchmarks training --data ml-1m/ratings.csv.gz --name ml-1m --batches 8

Whole updates of the paper's network: the batch, forward, backward, Adam. Every contestant is a
process of its own, and they take turns; a turn is an epoch over the same few users. What lies
ready before the clock starts: our histories on the device, the others' sparse matrix or table of
histories. Within the time, everyone draws an order and makes each batch, and all but ours a dense
one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import scipy.sparse as sp

from benchmarks.contestants.training import task as tasks
from benchmarks.harness.environments import ENVIRONMENTS, interpreter
from benchmarks.harness.rounds import alternate
from benchmarks.harness.synthetic import ML20M_ITEMS, ML20M_MEAN, histories
from benchmarks.harness.throughput import report

OURS = "multvae_jax, float32"

SHAPES = {"ml-20m": (ML20M_ITEMS, ML20M_MEAN), "ml-1m": (3_497, 95)}
"""Items, and interactions a user, of what is drawn."""


def contestants(
    folder: Path, batch_size: int, precisions: list[str], annealing: int = 40_000
) -> dict[str, list[str]]:
    """Name -> how to start it on the task in a folder."""
    torch, recbole = (interpreter(name, ENVIRONMENTS[name]) for name in ("torch", "recbole"))

    def start(module: str, python: str | Path, precision: str = "float32") -> list[str]:
        return tasks.command(module, python, folder, batch_size, precision, annealing)

    return {
        OURS: start("ours", sys.executable),
        **{f"multvae_jax, {name}": start("ours", sys.executable, name) for name in precisions},
        **{f"PyTorch, {name}": start("pytorch", torch, name) for name in precisions},
        "RecBole": start("recbole", recbole),
        "Cornac": start("cornac", torch),
    }


def training_users(options: argparse.Namespace) -> sp.csr_array:
    """As many as the rounds are over, of a file if there is one, else drawn."""
    count = options.batch_size * options.batches
    if options.data is None:
        return histories(count, *SHAPES[options.shape])
    import multvae_jax as mv

    data = mv.read_interactions(options.data, min_rating=4.0, min_user_count=5)
    train = mv.hold_out_users(data, validation=0.1, test=0.1).train
    if train.shape[0] < count:
        raise SystemExit(f"{options.data} has {train.shape[0]} training users, not {count}")
    return train[:count]


def main(arguments: list[str]) -> None:
    """Time the contestants, print the table and save the samples."""
    parser = argparse.ArgumentParser(
        prog="benchmarks training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shape", choices=SHAPES, default="ml-20m", help="of what is drawn")
    parser.add_argument("--data", help="a file of ratings; those of 4 and above count")
    parser.add_argument("--name", help="of the results; the shape's unless given")
    parser.add_argument("--batch-size", type=int, default=500)
    parser.add_argument("--batches", type=int, default=16, help="updates in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--precisions", nargs="*", default=["float32"], help="of ours and of plain PyTorch"
    )
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="leave these out")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        tasks.write(Path(folder), training_users(options))
        commands = contestants(Path(folder), options.batch_size, options.precisions)
        commands = {key: value for key, value in commands.items() if key not in options.without}
        samples = alternate(commands, options.rounds)

    print(
        f"batches of {options.batch_size}, {options.rounds} rounds of {options.batches} updates\n"
    )
    name = f"training-{options.name or options.shape}-{options.batch_size}"
    users = options.batch_size * options.batches
    report(name, samples, users, OURS, {"options": vars(options)})

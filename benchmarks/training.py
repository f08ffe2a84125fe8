"""How many users per second are trained on, against RecBole, Cornac and plain PyTorch?

    python -m benchmarks training [--shape ml-20m] [--batch-size 500] [--batches 16] [--rounds 5]
    python -m benchmarks training --data ml-1m/ratings.csv.gz --name ml-1m --batches 8

Whole updates of the paper's network: the batch, forward, backward, Adam. Every contestant is a
process of its own, and they take turns; a round is an epoch over the same few users. Prepared
before the clock starts: our histories on the device, the others' sparse matrix or table of
histories. Within the time, each draws an order and makes its batches, which are dense for all but
ours.

On two cores of an AMD EPYC, about 6 minutes. At ML-20M's size, PyTorch takes 4.2 times as long,
RecBole 4.9 times, Cornac 5.4 times.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import scipy.sparse as sp

import multvae_jax as mv
from benchmarks.contestants.training.lineup import OURS, contestants
from benchmarks.contestants.training.task import write_task
from benchmarks.harness.report import Report
from benchmarks.harness.rounds import alternate
from benchmarks.harness.synthetic import ML20M_ITEMS, ML20M_MEAN, random_histories
from benchmarks.harness.throughput import throughput_report
from multvae_jax.config.unions import Count
from multvae_jax.errors import InputError

Shape = Literal["ml-20m", "ml-1m"]
SHAPES: dict[Shape, tuple[int, int]] = {"ml-20m": (ML20M_ITEMS, ML20M_MEAN), "ml-1m": (3_497, 95)}
"""Number of items, and of interactions per user, of generated histories."""


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks training`."""

    shape: Shape = "ml-20m"
    """Data set whose shape the generated histories have."""
    data: str | None = None
    """File of ratings; those of 4 and above count. By default, histories are generated."""
    name: str | None = None
    """Start of the names of the files of results. By default, the shape."""
    batch_size: Count = 500
    """Number of users in an update."""
    batches: Count = 16
    """Number of updates in a round."""
    rounds: Count = 5
    """Number of timed rounds per contestant."""
    precisions: tuple[Literal["float32", "bfloat16"], ...] = ("float32",)
    """Precisions of the matrix products, for this program and plain PyTorch."""
    without: tuple[str, ...] = ()
    """Names of contestants to leave out."""


def training_users(options: Options) -> sp.csr_array:
    """The users of a round, from the file or generated.

    Raises:
        InputError: if the file cannot be read, or has too few users.
    """
    count = options.batch_size * options.batches
    if options.data is None:
        return random_histories(count, *SHAPES[options.shape])
    data = mv.read_interactions(options.data, min_rating=4.0, min_user_count=5)
    train = mv.hold_out_users(data, validation=0.1, test=0.1).train
    if train.shape[0] < count:
        raise InputError(f"{options.data}: has {train.shape[0]} training users, not {count}")
    return train[:count]


def measure(options: Options) -> Iterator[Report]:
    """Users per second of each contestant."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_task(folder, training_users(options))
        lineup = contestants(
            folder, options.batch_size, options.precisions, without=options.without
        )
        commands = {name: contestant.command for name, contestant in lineup.items()}
        samples = alternate(commands, options.rounds)
    yield throughput_report(
        f"{options.name or options.shape}-{options.batch_size}",
        f"batches of {options.batch_size}, {options.rounds} rounds of {options.batches} updates",
        samples,
        options.batch_size * options.batches,
        OURS,
        {"options": asdict(options)},
    )

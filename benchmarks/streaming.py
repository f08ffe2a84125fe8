"""How fast is training from files larger than the memory, and how much memory does it take?

    python -m benchmarks streaming [--batches 20] [--rounds 7] [--gigabytes 10] [--folder /tmp]

Users per second of `fit` in memory and from a store, in alternating rounds of an epoch over the
same histories of ML-20M's shape, and of the reading alone. Then the memory of a process that trains
from a store of some gigabytes, whose pages have been dropped from the system's cache.

On two cores of an AMD EPYC, about 10 minutes.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import multvae_jax as mv
from benchmarks.harness.processes import run_fresh
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.rounds import Samples, alternate, median_ratio
from benchmarks.harness.synthetic import ML20M_ITEMS, random_histories
from multvae_jax.config.unions import Count

PROGRAMS = "benchmarks.contestants.streaming"
BLOCK = 2**16
"""Users that are drawn; a larger store has them again and again, with other items."""


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks streaming`."""

    batch_size: Count = 500
    """Number of users in an update."""
    batches: Count = 20
    """Number of updates in a round."""
    rounds: Count = 7
    """Number of timed rounds per contestant."""
    gigabytes: float = 10.0
    """Size of the large store; 0 for none."""
    interactions: Count = 350
    """Mean number of interactions of a user in the large store, before repeated ones are merged."""
    updates: Count = 100
    """Number of updates from the large store."""
    folder: str | None = None
    """Where to write the stores, which are removed at the end. By default, the system's own."""


def write(path: Path, whole: sp.csr_array, n_users: int) -> None:
    """Write a store of some users, whose histories are those of a matrix again and again."""
    items = np.arange(ML20M_ITEMS)
    catalogue = mv.Catalogue(items.astype(str).astype(object), np.zeros(ML20M_ITEMS, int), {})

    def blocks() -> Iterator[tuple[list[str], sp.csr_array]]:
        for start in range(0, n_users, whole.shape[0]):
            number, count = start // whole.shape[0], min(whole.shape[0], n_users - start)
            rows = whole[:count]
            moved = ((rows.indices + 997 * number) % ML20M_ITEMS).astype(np.int32)
            ids = [str(user) for user in range(start, start + count)]
            yield ids, sp.csr_array((rows.data, moved, rows.indptr), shape=rows.shape)

    mv.write_histories(path, blocks(), catalogue)


def speed(options: Options, folder: Path) -> tuple[str, dict[str, Any]]:
    """The table and the samples of training in memory, from a store, and of the reading."""
    n_users = options.batch_size * options.batches
    write(folder / "small", random_histories(n_users), n_users)
    program = [sys.executable, "-m", f"{PROGRAMS}.trainer", str(folder / "small")]
    names = {"memory": "in memory", "store": "from a store", "reading": "the reading alone"}
    samples = alternate(
        {how: [*program, how, str(options.batch_size)] for how in names}, options.rounds
    )
    rows = []
    for how, name in names.items():
        rates = [n_users / seconds for seconds in samples[how].seconds]
        ms = 1e3 * statistics.median(samples[how].seconds) / options.batches
        cpu = 1e3 * statistics.median(samples[how].cpu[1:]) / options.batches
        rows.append(
            [
                name,
                f"{statistics.median(rates):,.0f}",
                f"{min(rates):,.0f} to {max(rates):,.0f}",
                f"{1 / median_ratio(samples['memory'], samples[how]):.2f}",
                f"{cpu_ratio(samples['memory'], samples[how]):.2f}",
                f"{ms:.1f}",
                f"{cpu:.1f}",
            ]
        )
    heading = ("", "users/s, median", "range", "of in memory", "by processor time")
    table = markdown((*heading, "ms per update", "of processor time"), rows)
    return table, {how: taken._asdict() for how, taken in samples.items()}


def cpu_ratio(one: Samples, other: Samples) -> float:
    """Median over the rounds of the processor time of one divided by the other's."""
    pairs = zip(one.cpu[1:], other.cpu[1:], strict=True)
    return statistics.median(a / b for a, b in pairs)


def memory(options: Options, folder: Path) -> tuple[str, dict[str, Any]]:
    """The table and the samples of the memory of a training from a large store."""
    drawn = random_histories(BLOCK, ML20M_ITEMS, options.interactions)
    write(folder / "large", drawn, int(options.gigabytes * 1e9 / 4 / drawn.nnz * BLOCK))
    program = [sys.executable, "-m", f"{PROGRAMS}.memory", str(folder / "large")]
    found = run_fresh([*program, str(options.batch_size), str(options.updates)]).answer
    most = np.max(np.array(found["samples"])[:, 1:], axis=0)
    reading = statistics.median(found["seconds_to_read_a_batch_from_disk"])
    row = [
        f"{found['bytes_of_store'] / 1e9:.1f}",
        f"{found['users']:,}",
        f"{found['interactions']:,}",
        f"{found['seconds_to_open']:.2f}",
        f"{found['peak'] / 1e9:.2f}",
        *(f"{size / 1e9:.2f}" for size in most[1:]),
        f"{found['users_per_second']:,.0f}",
        f"{1e3 * found['seconds_per_update']:.0f}",
        f"{1e3 * reading:.1f}",
    ]
    heading = [
        *("store, GB", "users", "interactions", "to open, s"),
        *("most resident, GB", "of it its own (RssAnon)", "mapped files (RssFile)"),
        *("users/s", "ms per update", "to read a batch from disk, ms"),
    ]
    return markdown(heading, [row]), found


def measure(options: Options) -> Iterator[Report]:
    """Speed and memory."""
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        table, samples = speed(options, Path(name))
        yield Report("speed", table, {"options": asdict(options), "samples": samples})
        if options.gigabytes:
            table, found = memory(options, Path(name))
            yield Report("memory", table, {"options": asdict(options), **found})

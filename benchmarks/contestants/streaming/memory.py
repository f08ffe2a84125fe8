"""Memory of the process while it trains from a store; prints a line of JSON.

The arguments are the folder of a store, the batch size and the number of updates. The pages of the
store are dropped from the system's cache first, so that they come from the disk.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np

import multvae_jax as mv
from multvae_jax.host.memory import peak_memory
from multvae_jax.recipe import paper
from multvae_jax.schedules import linear_annealing

KINDS = ("VmRSS", "RssAnon", "RssFile")
"""Memory of the process in /proc: all that is resident, its own, and pages of files it maps."""


def resident() -> dict[str, int]:
    """Bytes of memory by kind, now."""
    text = Path("/proc/self/status").read_text()
    return {name: 1024 * int(re.search(rf"{name}:\s+(\d+)", text)[1]) for name in KINDS}


def drop_from_cache(folder: Path) -> None:
    """Drop the pages of the files of a folder from the system's cache."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    """Train for some updates, and sample the memory meanwhile."""
    store, batch_size, updates = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    drop_from_cache(store)
    began, samples, ended = time.perf_counter(), [], threading.Event()

    def sample() -> None:
        while not ended.wait(0.1):
            samples.append([round(time.perf_counter() - began, 2), *resident().values()])

    sampler = threading.Thread(target=sample)
    sampler.start()
    split = mv.open_store(store)
    opened, times = time.perf_counter() - began, []

    def callback(state: mv.FitState) -> bool:
        times.append(time.perf_counter())
        return sum(part.updates for part in state.parts) >= updates

    mv.fit(
        jax.random.key(0),
        mv.mult_vae,
        split,
        recipe=paper,
        epochs=1,
        batch_size=batch_size,
        beta=linear_annealing(0.2, 40_000),
        callback=callback,
        callback_every=10,
    )
    ended.set()
    sampler.join()
    drop_from_cache(store)
    random, seconds = np.random.default_rng(0), []
    for _ in range(20):
        users = random.integers(0, split.train.shape[0], batch_size)
        start = time.perf_counter()
        split.train.rows(users)
        seconds.append(time.perf_counter() - start)
    # The first part compiles.
    made = 10 * (len(times) - 1)
    found = {
        "bytes_of_store": sum(path.stat().st_size for path in store.iterdir()),
        "users": split.train.shape[0],
        "interactions": split.train.nnz,
        "seconds_to_open": opened,
        "seconds_to_first_update": times[0] - began,
        "users_per_second": batch_size * made / (times[-1] - times[0]),
        "seconds_per_update": (times[-1] - times[0]) / made,
        "seconds_to_read_a_batch_from_disk": seconds,
        "peak": peak_memory(),
        "kinds": ["seconds", *KINDS],
        "samples": samples,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

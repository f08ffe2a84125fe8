"""Do memory, programs and latency stay flat over 100,000 requests to a `Recommender`?

    python -m benchmarks requests [--parts latency memory]

A request has a random history, from one item to all of them, and asks for 1 to 100 items; nine of
ten are for one user, the others for up to 64. After `warm_up`, no request should compile anything,
and the memory of the process should not grow. Then requests of one user are timed one by one, at
the size of two catalogues. The model is untrained, which changes no time.

On two cores of an AMD EPYC, about 5 minutes. Nothing is compiled after the warm-up, and memory
stays within 5 MB. One user with a history of up to 500 items is answered in 1.5 ms (p99 2.9) with
the catalogue of ML-1M, and in 3.7 ms (p99 7.4) with that of ML-20M.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from benchmarks.harness.figures import series
from benchmarks.harness.report import Report, markdown
from multvae_jax.config.unions import Count
from multvae_jax.data.types import Catalogue
from multvae_jax.models import mult_vae
from multvae_jax.recommending.recommender import Recommender
from multvae_jax.runs.run import Run

CATALOGUES = {"ml-1m": 3_533, "ml-20m": 20_108}
"""Name -> number of items. Memory is observed with the first."""

USUAL = 500
"""Items of a history up to which it is one of most people's."""

MOST_ITEMS, MOST_USERS = 100, 64
COMPILED = "/jax/core/compile/backend_compile_duration"


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks requests`."""

    number: Count = 100_000
    """Number of requests over which memory is observed."""
    timed: Count = 2_000
    """Number of requests that are timed, for each catalogue."""
    parts: tuple[Literal["latency", "memory"], ...] = ("latency", "memory")
    """Options of `benchmarks requests`."""


def recommender_of(n_items: int) -> Recommender:
    """A recommender of the network of the paper, untrained."""
    model = mult_vae()
    ids = np.array([f"item {number}" for number in range(n_items)], object)
    catalogue = Catalogue(ids, np.arange(n_items, 0, -1), {})
    params = model.init(jax.random.key(0), n_items)
    return Recommender(Run(model, params, catalogue, best_epoch=1, state=None, log=[]))


def requests_for(
    ids: np.ndarray, seed: int, most_users: int
) -> Iterator[tuple[list[list[str]], int]]:
    """Histories and k of random requests, without end."""
    random = np.random.default_rng(seed)
    while True:
        n_users = int(random.integers(1, most_users + 1)) if random.random() < 0.1 else 1
        lengths = np.exp(random.uniform(0, np.log(len(ids) + 1), n_users)).astype(int)
        histories = [ids[random.choice(len(ids), length, replace=False)] for length in lengths]
        yield [mine.tolist() for mine in histories], int(random.integers(1, MOST_ITEMS + 1))


@contextlib.contextmanager
def compilations() -> Iterator[list[float]]:
    """A list of the seconds of each program that is compiled in the block."""
    made: list[float] = []

    def listen(event: str, seconds: float, **_: Any) -> None:
        if event == COMPILED:
            made.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield made
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def resident() -> float:
    """Bytes of memory that this process holds now, on Linux."""
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


def observe(recommender: Recommender, number: int) -> dict[str, Any]:
    """Memory of the process over many requests, and the programs that they compile."""
    warm = recommender.warm_up(MOST_ITEMS, MOST_USERS)
    asked = requests_for(recommender.catalogue.ids, 0, MOST_USERS)
    every = max(1, number // 200)
    done, bytes_held = [], []
    with compilations() as made:
        for count, (histories, k) in zip(range(1, number + 1), asked, strict=False):
            recommender.recommend(histories, k)
            if count % every == 0:
                done.append(count)
                bytes_held.append(resident())
    return {"programs": warm, "compiled": len(made), "requests": done, "bytes": bytes_held}


def latencies(recommender: Recommender, number: int) -> dict[str, list[float]]:
    """Seconds of each of some requests of one user, and the length of the history."""
    recommender.warm_up(MOST_ITEMS, 1)
    asked = requests_for(recommender.catalogue.ids, 1, 1)
    found: dict[str, list[float]] = {"items": [], "seconds": []}
    for count, (histories, k) in zip(range(-20, number), asked, strict=False):
        began = time.perf_counter()
        recommender.recommend(histories, k)
        taken = time.perf_counter() - began
        # The first few fill caches.
        if count >= 0:
            found["items"].append(len(histories[0]))
            found["seconds"].append(taken)
    return found


def growth(held: np.ndarray) -> float:
    """By how much memory grew from the first to the second half of the samples."""
    half = len(held) // 2
    return float(np.median(held[half:]) - np.median(held[:half]))


def latency(options: Options) -> Report:
    """The latency of one user, with catalogues of several sizes."""
    found, rows = {}, []
    for name, n_items in CATALOGUES.items():
        found[name] = latencies(recommender_of(n_items), options.timed)
        lengths, seconds = map(np.array, found[name].values())
        for text, those in ((f"to {USUAL}", lengths <= USUAL), ("longer", lengths > USUAL)):
            quantiles = np.quantile(seconds[those], (0.5, 0.95, 0.99))
            shown = [f"{1e3 * each:.2f}" for each in quantiles]
            rows.append([name, f"{n_items:,}", text, f"{those.sum():,}", *shown])
    heading = ["catalogue", "items", "history", "requests", "p50, ms", "p95, ms", "p99, ms"]
    return Report("latency", markdown(heading, rows), found)


def memory(options: Options) -> Report:
    """Memory and programs over many requests."""
    found = observe(recommender_of(CATALOGUES["ml-1m"]), options.number)
    held = np.array(found["bytes"]) / 1e6
    heading = [
        *("requests", "programs of the warm-up", "compiled later"),
        *("MB at first", "MB at the end", "second half less the first, MB"),
    ]
    row = [
        *(f"{options.number:,}", str(found["programs"]), str(found["compiled"])),
        *(f"{held[0]:,.0f}", f"{held[-1]:,.0f}", f"{growth(held):+.1f}"),
    ]
    picture = series(found["requests"], held, "requests", "resident memory, MB")
    return Report("memory", markdown(heading, [row]), found, picture)


PARTS: dict[str, Callable[[Options], Report]] = {"latency": latency, "memory": memory}


def measure(options: Options) -> Iterator[Report]:
    """The parts that are asked for."""
    yield from (PARTS[part](options) for part in options.parts)

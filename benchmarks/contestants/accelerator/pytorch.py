"""Plain PyTorch on the same device, compiled and not.

The recipe is that of the contestant in training. The histories are on the device, and a batch is
made dense there; beta is constant.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from benchmarks.contestants.accelerator.sizes import PRECISIONS, Sizes
from benchmarks.contestants.training.pytorch import MultVAE, negative_elbo
from benchmarks.contestants.training.task import BETA, LEARNING_RATE
from benchmarks.harness.sections import Budget, Found, Row
from benchmarks.harness.synthetic import random_histories

ROUND_SECONDS = 0.3
"""Seconds of a round at least, by which its number of updates is chosen."""


class DenseBatches:
    """Histories on a device, whose rows are made dense there."""

    def __init__(self, sizes: Sizes, device: torch.device) -> None:
        matrix = random_histories(sizes.users, sizes.items, sizes.mean)
        self._starts = torch.from_numpy(matrix.indptr[:-1].astype(np.int64)).to(device)
        self._lengths = np.diff(matrix.indptr).astype(np.int64)
        self._items = torch.from_numpy(matrix.indices.astype(np.int64)).to(device)
        self._n_items, self.device = sizes.items, device
        self._random = np.random.default_rng(0)

    def draw(self, batch_size: int) -> torch.Tensor:
        """The dense rows of random users."""
        users = self._random.choice(self._lengths.size, batch_size, replace=False)
        lengths = torch.from_numpy(self._lengths[users]).to(self.device)
        # The number of interactions is given, so that nothing waits for the device.
        count = int(self._lengths[users].sum())
        starts = self._starts[torch.from_numpy(users).to(self.device)]
        spread = partial(torch.repeat_interleave, repeats=lengths, output_size=count)
        row = spread(torch.arange(batch_size, device=self.device))
        before = spread(torch.cumsum(lengths, 0) - lengths)
        place = torch.arange(count, device=self.device) - before + spread(starts)
        x = torch.zeros(batch_size, self._n_items, device=self.device)
        x[row, self._items[place]] = 1.0
        return x


def updater(
    batches: DenseBatches, sizes: Sizes, batch: int, precision: str, compiled: bool
) -> Callable[[int], float]:
    """A function that makes so many updates, and returns the seconds of one."""
    torch.manual_seed(0)
    # Otherwise the ninth case would not be compiled: a function is, for eight kinds of arguments.
    torch.compiler.reset()
    device = batches.device
    model = MultVAE(sizes.items, sizes.hidden, sizes.latent).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    loss = torch.compile(negative_elbo) if compiled else negative_elbo

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def timed(updates: int) -> float:
        wait()
        began = time.perf_counter()
        for _ in range(updates):
            x = batches.draw(batch)
            optimizer.zero_grad()
            loss(model, x, BETA, precision).backward()
            optimizer.step()
        wait()
        return (time.perf_counter() - began) / updates

    return timed


def pytorch(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """Users per second at each batch size and in each precision."""
    del found
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = DenseBatches(sizes, device)
    cases = [
        (compiled, batch, name)
        for compiled in (False, True)
        for batch in sizes.batches
        for name in PRECISIONS
    ]
    for done, (compiled, batch, name) in enumerate(cases):
        if budget.left() < 0:
            return
        batch = min(batch, sizes.users)
        seconds = budget.share(len(cases) - done) / 2
        torch.set_float32_matmul_precision("high" if name == "TF32" else "highest")
        row: Row = {"batch": batch, "products": name, "compiled": "yes" if compiled else "no"}
        try:
            taken = rounds(updater(batches, sizes, batch, name, compiled), seconds)
        except torch.OutOfMemoryError:
            yield {**row, "users/s": "out of memory"}
            continue
        update = statistics.median(taken)
        yield {
            **row,
            "users/s": batch / update,
            "ms per update": 1e3 * update,
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "torch": torch.__version__,
            "samples": taken,
        }


def rounds(timed: Callable[[int], float], seconds: float) -> list[float]:
    """Seconds of an update in each of as many rounds as fit, after two that do not count."""
    timed(1)
    updates = max(1, min(100, int(ROUND_SECONDS / timed(1))))
    n = int(np.clip(seconds / ROUND_SECONDS, 3, 20))
    return [timed(updates) for _ in range(n)]


SECTIONS = {"PyTorch": pytorch}

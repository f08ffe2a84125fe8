"""How much memory does an epoch over a million items take, and is its loss exact?

    python -m benchmarks large_catalogue [--items 1000000] [--users 20000] [--item-block 8192]

Mult-VAE with hidden layers of 256 is trained for one epoch of `mv.fit`: users with 100 items each,
in batches of 500, float32. The logits are computed and differentiated in blocks of items, so that
no users x items array is formed. Each epoch is a process of its own, whose peak memory is what the
system reports for all of it. At a size where all logits fit, the same epoch is trained with them at
once, and the losses are compared.

On two cores of an AMD EPYC, about seven minutes with Adam: 9.1 GB at a million items, and losses
that differ by 1.1e-7.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.harness.processes import run_fresh
from benchmarks.harness.report import Report, markdown
from multvae_jax.config.unions import Count


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks large_catalogue`."""

    items: Count = 1_000_000
    """Number of items."""
    users: Count = 20_000
    """Number of users."""
    interactions: Count = 100
    """Number of items of each user."""
    hidden: Count = 256
    """Width of the hidden layers."""
    item_block: Count = 8_192
    """Number of items whose logits are computed at a time."""
    small_items: Count = 50_000
    """Number of items at which the losses are compared, with a tenth of the users."""
    optimizers: tuple[Literal["adam", "lazy_adam"], ...] = ("adam", "lazy_adam")
    """Optimizers to train with."""


def epoch(options: Options, items: int, users: int, block: int, optimizer: str) -> dict[str, Any]:
    """One epoch in a process of its own."""
    sizes = (items, users, options.interactions, options.hidden, block)
    program = (sys.executable, "-m", "benchmarks.contestants.large_catalogue")
    finished = run_fresh([*program, *map(str, sizes), optimizer])
    named = {"items": items, "users": users, "item_block": block, "optimizer": optimizer}
    return {**named, **finished.answer}


def measure(options: Options) -> Iterator[Report]:
    """Peak memory and time with each optimizer, and the losses with and without blocks."""
    few, some = max(1, options.users // 10), options.small_items
    found = [
        epoch(options, some, few, block, "adam") for block in (0, min(some, options.item_block))
    ]
    whole, blocks = (each["loss"] for each in found)
    for optimizer in options.optimizers:
        found.append(epoch(options, options.items, options.users, options.item_block, optimizer))
        heading = ["items", "users", "logits", "optimizer", "peak GB", "s", "loss"]
        rows = [
            [
                f"{each['items']:,}",
                f"{each['users']:,}",
                f"{each['item_block']:,} items at a time" if each["item_block"] else "all at once",
                each["optimizer"],
                f"{each['peak_bytes'] / 1e9:.2f}",
                f"{each['seconds']:,.0f}",
                f"{each['loss']:.4f}",
            ]
            for each in found
        ]
        difference = abs(blocks / whole - 1)
        note = f"\n\nLosses with and without blocks differ by {difference:.1e} of the loss."
        record = {"options": options.__dict__, "epochs": found, "difference": difference}
        yield Report("large_catalogue", markdown(heading, rows) + note, record)

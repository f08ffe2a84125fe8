"""How do time and memory of training grow with the size of everything?

    python -m benchmarks growth [--rounds 3] [--curves users items]

One size at a time is changed, the others stay: 2,000 users, 5,000 items, 68 interactions per
user, batches of 500, a latent size of 200, one seed, hidden layers of 600, float32, Adam. Times
are of whole epochs, each run as one program; its memory is XLA's own analysis: arguments
(parameters, moments, histories) and temporaries. The points of a curve are timed in turn.

On two cores of an AMD EPYC, about 2 minutes. Time grows as users^0.92, items^0.74 and
interactions^0.20.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import optax

from benchmarks.harness.curve_fit import fit_exponent, fit_line
from benchmarks.harness.epochs import FixedEpoch, fixed_epoch
from benchmarks.harness.figures import growth_panels
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.synthetic import random_histories
from benchmarks.harness.update import BETA
from multvae_jax.batching import to_device
from multvae_jax.config.unions import Count
from multvae_jax.models import mult_vae
from multvae_jax.recipe import LEARNING_RATE


class EpochSizes(NamedTuple):
    """Sizes that the cost of an epoch depends on."""

    users: int = 2_000
    items: int = 5_000
    interactions: int = 68
    batch: int = 500
    latent: int = 200
    seeds: int = 1


Curve = Literal["users", "items", "interactions", "batch", "latent", "seeds"]
CURVES: dict[Curve, tuple[int, ...]] = {
    "users": (500, 1_000, 2_000, 4_000, 8_000),
    "items": (1_250, 2_500, 5_000, 10_000),
    "interactions": (34, 68, 136, 272, 544),
    "batch": (250, 500, 1_000, 2_000),
    "latent": (50, 100, 200, 400),
    "seeds": (1, 2, 4),
}


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks growth`."""

    rounds: Count = 3
    """Number of timed epochs per point."""
    curves: tuple[Curve, ...] = tuple(CURVES)
    """Sizes to change. Results are written only if all of them are measured."""


class Point(NamedTuple):
    """An epoch of some sizes."""

    x: float
    epoch: FixedEpoch


def compiled_point(name: str, size: int) -> Point:
    """Compile an epoch."""
    sizes = EpochSizes()._replace(**{name: size})
    if name == "seeds":
        sizes = sizes._replace(users=500, items=1_250)
    matrix = random_histories(sizes.users, sizes.items, sizes.interactions)
    model, optimizer = mult_vae(latent=sizes.latent), optax.adam(LEARNING_RATE)
    members = size if name == "seeds" else None
    epoch = fixed_epoch(to_device(matrix), sizes.batch, model, optimizer, BETA, members)
    # The mean of the drawn histories: repeated items are merged, so that it is below the option.
    return Point(matrix.nnz / sizes.users if name == "interactions" else size, epoch)


def measured_curve(name: Curve, rounds: int) -> dict[str, Any]:
    """Time and memory of an epoch over the values of one size."""
    points = [compiled_point(name, size) for size in CURVES[name]]
    seconds = [[each.epoch.run() for each in points] for _ in range(rounds)]
    return {
        "x": [each.x for each in points],
        "seconds": list(map(statistics.median, zip(*seconds, strict=True))),
        "arguments": [each.epoch.arguments for each in points],
        "temporaries": [each.epoch.temporaries for each in points],
        "samples": seconds,
    }


def table_row(name: str, found: dict[str, Any]) -> list[str]:
    """A row of the table."""
    x, seconds = found["x"], found["seconds"]
    memory = [a + t for a, t in zip(found["arguments"], found["temporaries"], strict=True)]
    fitted = fit_line(x, seconds)
    return [
        name,
        f"{x[0]:,.0f} to {x[-1]:,.0f}",
        f"{1e3 * seconds[0]:,.0f} to {1e3 * seconds[-1]:,.0f}",
        f"{fit_exponent(x, seconds):.2f}",
        f"{1e3 * fitted.fixed:,.0f} + {1e3 * fitted.rate:.3g} x ({100 * fitted.error:.0f}%)",
        f"{memory[0] / 1e6:,.0f} to {memory[-1] / 1e6:,.0f}",
        f"{fit_exponent(x, memory):.2f}",
    ]


def measure(options: Options) -> Iterator[Report]:
    """Time and memory of each curve, with the fitted exponents."""
    found = {name: measured_curve(name, options.rounds) for name in options.curves}
    heading = [
        *("size", "from, to", "ms per epoch", "exponent", "line, ms (worst point)"),
        *("MB", "exponent"),
    ]
    table = markdown(heading, [table_row(name, values) for name, values in found.items()])
    if set(options.curves) < set(CURVES):
        yield Report("growth", table, None)
    else:
        record = {"sizes": EpochSizes()._asdict(), "curves": found}
        yield Report("growth", table, record, growth_panels(found))

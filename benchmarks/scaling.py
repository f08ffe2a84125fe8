"""How many users per second, and how much memory, on 1 to 64 devices?

    python -m benchmarks scaling [--items 20000 1000000] [--devices 1 8] [--parts measured]

The update of 8,192 users is compiled for each mesh of virtual devices: its text gives the FLOPs,
the bytes and the bytes of the collective operations of each device, and XLA's analysis the memory.
Nothing of that size runs. The time follows from the peaks and links of a device by name, of which
`multvae_jax.estimating.devices` has the sources; nothing overlaps. What can be measured here is
measured: bytes of collective operations against their formulas and memory against that of a
process, on two virtual devices, and the model's time against an H100 whose results are kept.

On two cores of an AMD EPYC, about 4 minutes.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import optax

from benchmarks.harness.report import RESULTS, Report, markdown
from benchmarks.harness.synthetic import ML20M_ITEMS, ML20M_MEAN, ML20M_USERS
from multvae_jax.config.unions import Count
from multvae_jax.errors import InputError
from multvae_jax.estimating.costs import Costs
from multvae_jax.estimating.devices import DEVICES, SHARE, Times, seconds_on
from multvae_jax.estimating.lengths import drawn_lengths
from multvae_jax.estimating.programs import Training, compiled_epoch_of, program_of_compiled
from multvae_jax.host.devices import check_devices
from multvae_jax.models import mult_vae
from multvae_jax.objectives import blockwise_logits, negative_elbo
from multvae_jax.parallel.meshes import make_mesh
from multvae_jax.recipe import LEARNING_RATE

Part = Literal["model", "measured", "h100"]

NAMES = ("h100", "tpu-v5e")
BATCH, HIDDEN, LATENT, USERS = 8_192, 600, 200, 200_000
BLOCK = 16_384
LARGE = 200_000
"""Items above which logits are computed in blocks."""


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks scaling`."""

    items: tuple[Count, ...] = (20_000, 1_000_000, 10_000_000)
    """Sizes of the catalogue."""
    devices: tuple[Count, ...] = (1, 2, 4, 8, 16, 32, 64)
    """Numbers of devices, powers of two."""
    parts: tuple[Part, ...] = ("model", "measured", "h100")
    """The parts of the answer."""


class Point(NamedTuple):
    """An update on a mesh, of one of its devices.

    Attributes:
        items: size of the catalogue.
        data: parts of the users.
        parts: parts of the items.
        block: items whose logits are computed at a time; None for all.
        memory: bytes at the peak.
        costs: what an update does.
    """

    items: int
    data: int
    parts: int
    block: int | None
    memory: int
    costs: Costs

    @property
    def devices(self) -> int:
        """Number of devices."""
        return self.data * self.parts


def point(
    items: int, data: int, parts: int, block: int | None, batch: int = BATCH, users: int = USERS
) -> Point:
    """Compile an update for a mesh, and count."""
    form: dict[str, Any] = {}
    if block is not None:
        form["objective"] = partial(negative_elbo, reconstruction=blockwise_logits(block))
    model = mult_vae((HIDDEN,), LATENT, **form)
    mesh = None if data * parts == 1 else make_mesh(data, parts)
    lengths = drawn_lengths(users, items, users * ML20M_MEAN, 0, 0.8)
    training = Training(model, optax.adam(LEARNING_RATE), batch, 1, {}, mesh=mesh)
    epoch = compiled_epoch_of(lengths, training)
    program = program_of_compiled(epoch.compiled)
    # Parameters of the best epoch, of which each device holds its items.
    best = sum(leaf.size for leaf in jax.tree.leaves(epoch.state.params)) * 4 // parts
    memory = program.arguments + program.temporaries + program.results + best
    return Point(items, data, parts, block, memory, program.costs.times(1 / epoch.updates))


def meshes(n_devices: int) -> Iterator[tuple[int, int]]:
    """Meshes of a number of devices: one axis alone, and items within a node of eight."""
    for parts in sorted({1, min(8, n_devices), n_devices}):
        yield n_devices // parts, parts


def record_of(each: Point, times: dict[str, Times]) -> dict[str, Any]:
    """The raw numbers of a point."""
    costs = each.costs
    return {
        **{name: getattr(each, name) for name in ("items", "data", "parts", "block", "memory")},
        "flops": costs.flops,
        "bytes": costs.bytes,
        "collectives": [[*exchange, moved] for exchange, moved in costs.collectives.items()],
        "exchanges": costs.exchanges,
        "seconds": {name: time._asdict() for name, time in times.items()},
    }


def modeled(options: Options) -> Iterator[Report]:
    """Users per second and memory for each number of devices; a report per catalogue."""
    heading = [
        *("items", "devices", "device", "mesh, data x items", "block", "GB per device"),
        *("users/s", "products", "memory", "links"),
    ]
    assumed = "\n".join(
        f"- {device.name}: {device.flops['float32'] / 1e12:,.0f} TFLOP/s, "
        f"{device.bandwidth / 1e12:,.2f} TB/s, {device.available / 1e9:,.1f} GB usable, "
        f"{device.link / 1e9:,.0f} GB/s to {device.group} devices, "
        f"{device.network / 1e9:,.1f} GB/s beyond; {device.source}"
        for device in map(DEVICES.__getitem__, NAMES)
    )
    for items in options.items:
        block = BLOCK if items > LARGE else None
        points = [
            point(items, *mesh, block) for number in options.devices for mesh in meshes(number)
        ]
        rows = [
            _best(name, [each for each in points if each.devices == number])
            for number in options.devices
            for name in NAMES
        ]
        found = [
            record_of(each, {name: seconds_on(DEVICES[name], each.costs) for name in NAMES})
            for each in points
        ]
        table = (
            f"{markdown(heading, rows)}\n\nI-600-200-600-I, float32, Adam, {BATCH:,} users per "
            f"update, {ML20M_MEAN} items per user; {SHARE:g} of the peaks; nothing overlaps\n"
            f"{assumed}"
        )
        is_whole = options.devices == Options().devices
        yield Report(f"items-{items}", table, {"points": found} if is_whole else None)


def _best(name: str, points: list[Point]) -> list[str]:
    """A row: the fastest mesh that fits, or the one with the least memory if none does."""
    device = DEVICES[name]
    fitting = [each for each in points if each.memory <= device.available]
    chosen = min(
        fitting or points,
        key=lambda each: seconds_on(device, each.costs).total if fitting else each.memory,
    )
    times = seconds_on(device, chosen.costs)
    speed = f"{BATCH / times.total:,.0f}" if fitting else "does not fit"
    return [
        f"{chosen.items:,}",
        str(chosen.devices),
        name,
        f"{chosen.data} x {chosen.parts}",
        "all" if chosen.block is None else f"{chosen.block:,}",
        f"{chosen.memory / 1e9:,.2f}",
        speed,
        *(f"{100 * each / times.total:.0f}%" for each in times),
    ]


_RUN = """
import json, sys
from benchmarks.scaling import run_here
print(json.dumps(run_here(int(sys.argv[1]), int(sys.argv[2]))))
"""

SMALL_ITEMS, SMALL_BATCH, SMALL_USERS = 20_000, 500, 4_000


def run_here(data: int, parts: int) -> dict[str, Any]:
    """Run updates on a mesh of virtual devices in this process; memory and seconds."""
    check_devices(data * parts)
    # Imported here: it starts jax, whose number of devices is set only now.
    from benchmarks.harness.meshes import resident_and_seconds

    return resident_and_seconds(data, parts, SMALL_ITEMS, SMALL_BATCH, SMALL_USERS)


def measured() -> Iterator[Report]:
    """Bytes of collective operations and memory on two virtual devices, against what is counted."""
    rows, found = [], []
    for data, parts in ((1, 1), (2, 1), (1, 2)):
        command = [sys.executable, "-c", _RUN, str(data), str(parts)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise InputError(f"mesh {data} x {parts}: {done.stderr.strip().splitlines()[-1]}")
        here = json.loads(done.stdout.splitlines()[-1])
        found.append({"data": data, "parts": parts, **here})
        # As in docs/scaling.md: the gradients, or sums of the width of the layers.
        formula = 0.0
        if data > 1:
            formula = 4.0 * 2 * SMALL_ITEMS * HIDDEN
        elif parts > 1:
            formula = 4.0 * SMALL_BATCH * (2 * HIDDEN + 2)
        rows.append(
            [
                f"{data} x {parts}",
                f"{here['exchanged'] / 1e6:,.2f}",
                f"{formula / 1e6:,.2f}",
                f"{here['resident'] / 1e6:,.0f}",
                f"{here['counted'] / 1e6:,.0f}",
                f"{here['counted'] / here['resident']:.2f}",
                f"{1e3 * min(here['seconds']):,.0f}",
            ]
        )
    heading = [
        *("mesh, data x items", "MB exchanged, compiled", "by the formula"),
        *("MB resident", "MB counted", "ratio", "ms per update"),
    ]
    yield Report("measured", markdown(heading, rows), {"meshes": found})


H100 = {500: "h100-ml-20m-500", 8_192: "h100-ml-20m-8192", 24_576: "h100-ml-20m-24576"}
"""Results of `benchmarks training` on an H100, by batch size."""


def against_h100() -> Iterator[Report]:
    """The model's time of an update, against what was measured on an H100."""
    rows, found = [], []
    for batch, name in H100.items():
        kept = json.loads((RESULTS / "training" / f"{name}.json").read_text("utf-8"))
        seconds = statistics.median(kept["samples"]["multvae_jax, float32"]["seconds"])
        users = kept["options"]["batches"] * batch / seconds
        costs = point(ML20M_ITEMS, 1, 1, None, batch, ML20M_USERS).costs
        times = seconds_on(DEVICES["h100"], costs)
        ratio = SHARE * times.total / (batch / users)
        found.append({"batch": batch, "users_per_second": users, "model": times._asdict()})
        rows.append([f"{batch:,}", f"{users:,.0f}", f"{batch / times.total:,.0f}", f"{ratio:.2f}"])
    heading = ["batch", "users/s, measured", "users/s, model", "share of the peaks"]
    yield Report("h100", markdown(heading, rows), {"batches": found})


def measure(options: Options) -> Iterator[Report]:
    """The parts of the answer."""
    check_devices(max(options.devices))
    if "model" in options.parts:
        yield from modeled(options)
    if "measured" in options.parts:
        yield from measured()
    if "h100" in options.parts:
        yield from against_h100()

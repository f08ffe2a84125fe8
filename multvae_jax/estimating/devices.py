"""Devices by name: their memory, the peaks of their speed, and the time that work takes there."""

from __future__ import annotations

from typing import NamedTuple

from multvae_jax.errors import InputError, names_like
from multvae_jax.estimating.costs import Costs

SHARE = 0.5
"""Share of the peaks that an update is taken to reach. Its bytes are those of the program of a CPU,
of which accelerators move less: an H100 was 1.3 to 2.3 times as fast at batches of 500 to 24,576,
see `benchmarks scaling`."""


class Device(NamedTuple):
    """A device, of which several may be linked.

    Attributes:
        name: what it is.
        memory: bytes of memory.
        usable: share of the memory that jax allocates unless told otherwise.
        bandwidth: bytes read or written per second.
        flops: operations per second of matrix products, by the precision of their operands.
        link: bytes per second in one direction to the other devices of a group.
        group: number of devices that this link joins.
        network: bytes per second of each device between groups.
        latency: seconds of a collective operation of no bytes.
        source: where the figures are published.
    """

    name: str
    memory: float
    usable: float
    bandwidth: float
    flops: dict[str, float]
    link: float
    group: int
    network: float
    latency: float
    source: str

    @property
    def available(self) -> float:
        """Bytes that a program may use."""
        return self.usable * self.memory


_NVIDIA, _GOOGLE = "NVIDIA's data sheet", "https://cloud.google.com/tpu/docs"

DEVICES = {
    "h100": Device(
        name="NVIDIA H100 SXM, 80 GB",
        memory=80e9,
        usable=0.75,
        bandwidth=3.35e12,
        # float32 is multiplied in TF32, as XLA does unless told otherwise; none is sparse.
        flops={"float32": 494.7e12, "bfloat16": 989.4e12},
        link=450e9,
        group=8,
        network=50e9,
        latency=10e-6,
        source=f"{_NVIDIA} of the H100 SXM5 (NVLink 900 GB/s both ways; 400 Gb/s InfiniBand)",
    ),
    "a100": Device(
        name="NVIDIA A100 SXM, 80 GB",
        memory=80e9,
        usable=0.75,
        bandwidth=2.039e12,
        flops={"float32": 156e12, "bfloat16": 312e12},
        link=300e9,
        group=8,
        network=25e9,
        latency=10e-6,
        source=f"{_NVIDIA} of the A100 80GB (NVLink 600 GB/s both ways; 200 Gb/s InfiniBand)",
    ),
    "tpu-v5e": Device(
        name="TPU v5e",
        memory=16e9,
        usable=0.95,
        bandwidth=819e9,
        # float32 is multiplied in one pass of bfloat16, as XLA does unless told otherwise.
        flops={"float32": 197e12, "bfloat16": 197e12},
        # 400 GB/s over four ports both ways, of which a ring along one axis uses two.
        link=100e9,
        group=256,
        network=3.1e9,
        latency=5e-6,
        source=f"{_GOOGLE}/v5e (197 TFLOP/s, 16 GB, 819 GB/s, ICI 400 GB/s both ways)",
    ),
    "tpu-v6e": Device(
        name="TPU v6e",
        memory=32e9,
        usable=0.95,
        bandwidth=1638e9,
        flops={"float32": 918e12, "bfloat16": 918e12},
        link=200e9,
        group=256,
        network=6.2e9,
        latency=5e-6,
        source=f"{_GOOGLE}/v6e (918 TFLOP/s, 32 GB, 1638 GB/s, ICI 800 GB/s both ways)",
    ),
}
"""The devices that `--device` names."""

SELF = "this"
"""The machine that the program runs on."""


def find_device(name: str) -> Device:
    """The device of a name.

    Raises:
        InputError: naming the closest one.
    """
    if name not in DEVICES:
        raise InputError(f"--device {name}: is not known{names_like(name, [SELF, *DEVICES])}")
    return DEVICES[name]


class Times(NamedTuple):
    """Seconds that work takes on a device.

    Attributes:
        products: the matrix products.
        memory: reading and writing.
        links: the collective operations.
    """

    products: float
    memory: float
    links: float

    @property
    def total(self) -> float:
        """All of them, one after the other."""
        return self.products + self.memory + self.links


def seconds_on(device: Device, costs: Costs) -> Times:
    """Seconds that a program takes on each of some devices.

    Nothing overlaps, and products and memory reach `SHARE` of their peaks. A group of devices that
    is wider than those of a link communicates over the network.

    Args:
        device: the device.
        costs: what the program does on one of them.
    """
    products = sum(
        times * dot.flops / device.flops["bfloat16" if dot.dtype == "bf16" else "float32"]
        for dot, times in costs.dots.items()
    )
    links = costs.exchanges * device.latency
    for exchange, moved in costs.collectives.items():
        speed = device.link if exchange.span <= device.group else device.network
        rounds = _ROUNDS.get(exchange.kind, 1) * (exchange.size - 1) / exchange.size
        links += rounds * moved / speed
    return Times(products / SHARE, costs.bytes / device.bandwidth / SHARE, links)


_ROUNDS = {"all-reduce": 2}
"""How often a ring moves the bytes of each kind of operation; once unless it is here."""

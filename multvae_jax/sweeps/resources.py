"""The layout and the memory of a sweep, from its options."""

from __future__ import annotations

import jax

from multvae_jax.config.options import ResourceOptions
from multvae_jax.errors import InputError
from multvae_jax.host.devices import check_devices
from multvae_jax.host.processor import available_cores
from multvae_jax.sweeps import layouts
from multvae_jax.sweeps.layouts import Layout

MOST_PER_CORE = 8
"""Devices that a core of a CPU is divided into at most."""


def layout_of(resources: ResourceOptions, members: int) -> Layout:
    """The layout of the options, over the devices that the CPU is divided into for it."""
    spread = resources.layout in ("auto", "sharded")
    cores = available_cores()
    if resources.devices is not None and resources.devices > MOST_PER_CORE * cores:
        raise InputError(
            f"--devices {resources.devices}: at most {MOST_PER_CORE} for each of the {cores} cores"
        )
    devices = resources.devices or (min(cores, members) if spread else 1)
    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError:
        # jax is already initialized in this process; the number of devices is fixed.
        if resources.devices not in (None, len(jax.devices("cpu"))):
            raise InputError("--devices: jax is in use already, with another number") from None
    check_devices()
    kinds = {
        "auto": layouts.default,
        "vmapped": layouts.vmapped,
        "sequential": layouts.sequential,
        "sharded": layouts.sharded,
    }
    return kinds[resources.layout]()


def memory_of(resources: ResourceOptions, layout: Layout) -> float | None:
    """Bytes that a device may use; the devices of a CPU share the memory of the machine."""
    if resources.memory is None:
        return None
    sharing = layout.devices if jax.default_backend() == "cpu" else 1
    return 1e9 * resources.memory / sharing

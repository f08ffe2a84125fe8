"""Several processes: how they join through `jax.distributed`, and agree on what they do."""

from __future__ import annotations

import os
import re
import socket
import time
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from multvae_jax.errors import InputError, first_line

SILENCE = 20
"""Seconds without a sign of life after which a process counts as lost."""

WRITING = 3600
"""Seconds that the processes wait for each other at the end, while the first writes the run."""

_OPTIONS = {
    "JAX_COORDINATOR_ADDRESS": "--coordinator",
    "JAX_NUM_PROCESSES": "--processes",
    "JAX_PROCESS_ID": "--process",
}
"""Environment variables, and the options that take precedence over them."""


class Place(NamedTuple):
    """The place of a process among several; jax detects what is None from the cluster.

    Attributes:
        coordinator: HOST:PORT of the first process.
        processes: number of processes.
        process: number of this process, from 0.
    """

    coordinator: str | None = None
    processes: int | None = None
    process: int | None = None


def place_of(coordinator: str | None, processes: int | None, process: int | None) -> Place:
    """The place that options give, or else the environment.

    Raises:
        InputError: an address or a number cannot be read, or the numbers contradict each other.
    """
    names: list[str] = []
    given: list[str | None] = []
    for name, value in zip(_OPTIONS, (coordinator, processes, process), strict=True):
        names.append(name if value is None else _OPTIONS[name])
        given.append(os.environ.get(name) if value is None else str(value))
    address, *numbers = given
    if address is not None and not _is_address(address):
        raise InputError(f"{names[0]} {address}: give HOST:PORT, such as 10.0.0.1:1234")
    for name, text, least in zip(names[1:], numbers, (1, 0), strict=True):
        if text is not None and not (text.isdecimal() and int(text) >= least):
            raise InputError(f"{name} {text}: give a whole number, at least {least}")
    place = Place(address, *(None if text is None else int(text) for text in numbers))
    _, number, own = place
    if number is not None and own is not None and own >= number:
        raise InputError(
            f"{names[2]} {own}: with {names[1]} {number}, it is one of 0 to {number - 1}"
        )
    return place


def _is_address(text: str) -> bool:
    return bool(re.fullmatch(r"\S+:\d{1,5}", text)) and int(text.rpartition(":")[2]) < 2**16


_MISSING = {
    "coordinator_address": "--coordinator HOST:PORT",
    "Number of processes": "--processes",
    "process id": "--process",
}
"""The names that jax has for missing values, and the options that set them."""


def join(place: Place, within: float) -> None:
    """Join the processes, before jax is used; on a cluster, jax finds what is not given.

    Args:
        place: the place of this process.
        within: seconds to wait for the others.

    Raises:
        InputError: something is missing, or the first process cannot be reached.
    """
    if place.coordinator is not None and place.process:
        _reach(place.coordinator, within)
    # A job that a scheduler ends gets a signal, which the command handles.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            *place,
            initialization_timeout=max(1, round(within)),
            heartbeat_timeout_seconds=SILENCE,
            shutdown_timeout_seconds=WRITING,
        )
    # The errors of jax, of its detection of clusters and of the network.
    except Exception as error:
        line = first_line(error)
        for text, option in _MISSING.items():
            if text in line and "defined" in line:
                raise InputError(
                    f"--distributed: {option} is missing, and no cluster is detected; give "
                    "--coordinator HOST:PORT --processes N --process K, or start under SLURM, "
                    "Open MPI, GKE or on a TPU pod"
                ) from None
        where = "" if place.coordinator is None else f" --coordinator {place.coordinator}"
        raise InputError(f"--distributed{where}: {line}") from None


def _reach(address: str, within: float) -> None:
    """Wait until something listens at an address.

    Raises:
        InputError: nothing does in time.
    """
    host, _, port = address.rpartition(":")
    until = time.monotonic() + within
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
        except OSError as error:
            if time.monotonic() > until:
                raise InputError(
                    f"--coordinator {address}: no answer within {within:g} s "
                    f"({first_line(error)}); it is the address of process 0, which must be started"
                ) from None
            time.sleep(0.2)
        else:
            return


def is_first() -> bool:
    """Return whether this process is the one that writes the results, as a process alone is."""
    return jax.process_index() == 0


def largest(*numbers: int) -> tuple[int, ...]:
    """The maximum of each number over the processes; all of them must call this together."""
    if jax.process_count() == 1:
        return numbers
    found = multihost_utils.process_allgather(np.array(numbers, np.int32))
    return tuple(int(number) for number in np.max(found, axis=0))


def wait_for_all() -> None:
    """Return when all processes have called this."""
    largest(0)


_LONGEST = 4096
"""Bytes of the longest text that is sent: those of the longest path of Linux."""


def from_first(text: str) -> str:
    """The text of the first process; all processes must call this together."""
    if jax.process_count() == 1:
        return text
    sent = np.frombuffer(os.fsencode(text)[:_LONGEST].ljust(_LONGEST, b"\0"), np.uint8)
    got = np.asarray(multihost_utils.broadcast_one_to_all(sent))
    return os.fsdecode(got.tobytes().rstrip(b"\0"))


def check_same(values: Mapping[str, object]) -> None:
    """Refuse processes that do not all have the same values; all must call this together.

    Args:
        values: what must be equal, by its name in messages.

    Raises:
        InputError: naming what differs, and the first process in which it does.
    """
    if jax.process_count() == 1:
        return
    own = [zlib.crc32(repr(value).encode()) for value in ([*values], *values.values())]
    found = np.asarray(multihost_utils.process_allgather(np.array(own, np.uint32)))
    differ = np.argwhere(found != found[0])
    if differ.size:
        process, place = differ[0]
        raise InputError(
            f"{['the options', *values][place]}: not the same in process {process} as in process "
            "0; start all processes with the same command, apart from --process, and the same data"
        )

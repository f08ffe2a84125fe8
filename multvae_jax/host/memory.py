"""Memory of the host, in all and at the moment, and what the C library keeps of it."""

from __future__ import annotations

import ctypes
import math
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any


def physical_memory() -> float:
    """Return the host's memory in bytes; infinity if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf


def peak_memory() -> int | None:
    """Return the most bytes of memory that this process has held; None where it is not reported."""
    # What Linux says of resources begins with the memory of the process that started this one.
    found = re.search(r"^VmHWM:\s+(\d+) kB", _text(_STATUS), re.MULTILINE)
    if found:
        return 1024 * int(found[1])
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
_CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> float:
    """Return the bytes that can be allocated now: the host's, or fewer in a container with a bound.

    Where the system does not report it (macOS, Windows), half of the physical memory.
    """
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(_MEMINFO), re.MULTILINE)
    free = int(found[1]) * 1024 if found else physical_memory() / 2
    bound, used = _text(_CGROUP / "memory.max"), _text(_CGROUP / "memory.current")
    if bound.strip().isdecimal() and used.strip().isdecimal():
        free = min(free, int(bound) - int(used))
    return max(free, 0)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def share_freed_memory() -> None:
    """Let an array of one thread take the place of one that another thread has freed.

    The C library of Linux gives threads arenas of their own, up to eight per core, each of which
    keeps what was freed there. XLA allocates the scratch arrays of its products in whichever
    thread runs them, so that a training held several copies of the largest. It acts on the threads
    that start later, for which a command calls it before its imports; not where the environment
    sets the arenas, and on glibc alone.
    """
    if {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"}.isdisjoint(os.environ):
        _of_c_library("mallopt")(_M_ARENA_MAX, 1)


def return_freed_memory() -> None:
    """Return to the system what the C library keeps of freed memory, where it is glibc.

    It takes milliseconds, and is for the end of work that frees much more than it leaves.
    """
    _of_c_library("malloc_trim")(0)


_M_ARENA_MAX = -8


@cache
def _of_c_library(name: str) -> Any:
    """A function of the C library; one that does nothing where there is none of the name."""
    try:
        return getattr(ctypes.CDLL(None), name)
    # On Windows, `CDLL` takes no None.
    except (AttributeError, OSError, TypeError):
        return lambda *_: None

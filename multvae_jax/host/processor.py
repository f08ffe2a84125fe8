"""The cores of this process, and what its processor has instructions for."""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def available_cores() -> int:
    """Number of cores that this process may use, as far as the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def multiplies_bfloat16(cpuinfo: str | None = None) -> bool:
    """Return whether the processor has the instructions for products of bfloat16 that XLA uses.

    These are AVX512_BF16 of x86, which processors with AMX_BF16 have as well.

    Args:
        cpuinfo: text of Linux's list of processors; by default that of this machine, which is read
            once. On other systems the answer is no.
    """
    if cpuinfo is None:
        cpuinfo = _own()
    flags = re.findall(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return bool(flags) and all("avx512_bf16" in line.split() for line in flags)


def processor_name(cpuinfo: str | None = None) -> str:
    """Name of the processor, as far as the system tells it.

    Args:
        cpuinfo: as in `multiplies_bfloat16`.
    """
    text = _own() if cpuinfo is None else cpuinfo
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


@cache
def _own() -> str:
    try:
        return _CPUINFO.read_text()
    except OSError:
        return ""

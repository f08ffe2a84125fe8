"""Physical memory of the host."""

from __future__ import annotations

import math
import os


def physical_memory() -> float:
    """Return the host's memory in bytes; infinity if the system does not report it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf

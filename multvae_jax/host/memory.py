"""What the program asks the machine it runs on."""

from __future__ import annotations

import math
import os


def physical_memory() -> float:
    """Bytes of memory of the machine; infinite where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf

"""Messages and progress bars, on standard error."""

from __future__ import annotations

import sys


def say(words: str) -> None:
    """Tell whoever waits, on the standard error."""
    print(words, file=sys.stderr, flush=True)

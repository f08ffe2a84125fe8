"""Faster imports at the start of a command, and fewer collections of garbage."""

from __future__ import annotations

import contextlib
import gc
import importlib
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Turn garbage collection off in the block, and exempt what exists at its end from it.

    It is for the imports of a command: collections that scan all modules again take a tenth of the
    time of a short training. It acts only once per process, since garbage that exists by then is
    never freed.
    """
    if gc.get_freeze_count() or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


OBJECTS = 20_000
"""New objects after which `rare_collections` looks for garbage among them."""


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage in the block after more new objects than the 700 of Python.

    Tracing makes many objects that stay, which each collection looks through again: a twelfth of
    the processor time of a short training.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], OBJECTS), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def import_beside(*names: str) -> threading.Thread:
    """Import modules in a thread, so that a later import of them takes less time.

    The error of one that cannot be imported is left to that later import.
    """

    def import_all() -> None:
        for name in names:
            with contextlib.suppress(Exception):
                importlib.import_module(name)

    thread = threading.Thread(target=import_all, name="imports")
    thread.start()
    return thread

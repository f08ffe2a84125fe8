"""Imports that take long."""

from __future__ import annotations

import contextlib
import gc
import importlib
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Look for no garbage in the block, nor ever again among what there is at its end.

    It is for the imports of a command: to look through all modules again and again takes a tenth
    of the time of a short training. A process does so once, since garbage that is there is kept.
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


def import_beside(*names: str) -> threading.Thread:
    """Import modules in a thread, so that a later import of them has less to wait for.

    One that cannot be imported is left to the later import, which reports it.
    """

    def import_all() -> None:
        for name in names:
            with contextlib.suppress(Exception):
                importlib.import_module(name)

    thread = threading.Thread(target=import_all, name="imports")
    thread.start()
    return thread

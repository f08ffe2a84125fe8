"""Seconds of work on a device: loops in one program, as many runs as fit, sizes that fit."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from multvae_jax.errors import is_out_of_memory

Made = TypeVar("Made")

REPEATS = 4


def repeated(
    function: Callable[..., Any], carry: Any, *constants: Any, repeats: int = REPEATS
) -> Callable[[], float]:
    """A function that times `function(carry, *constants) -> carry`, looped in one program.

    It is compiled and run once beforehand. The carry is donated, so that no memory is allocated
    while the clock runs.

    Args:
        function: the work; each run must depend on the one before.
        carry: its first argument, a pytree of arrays, which are copied.
        constants: its other arguments.
        repeats: runs in the program; the time is that of one.
    """

    def loop(carry: Any, *constants: Any) -> Any:
        return jax.lax.fori_loop(0, repeats, lambda _, c: function(c, *constants), carry)

    run = jax.jit(loop, donate_argnums=0)
    held = jax.block_until_ready(run(jax.tree.map(jnp.copy, carry), *constants))

    def timed() -> float:
        nonlocal held
        began = time.perf_counter()
        held = jax.block_until_ready(run(held, *constants))
        return (time.perf_counter() - began) / repeats

    return timed


def samples(
    timed: Callable[[], float], seconds: float, fewest: int = 3, most: int = 20
) -> list[float]:
    """Times of as many runs as fit into some seconds, but of at least and at most so many."""
    began = time.perf_counter()
    taken: list[float] = []
    while len(taken) < fewest or (len(taken) < most and time.perf_counter() - began < seconds):
        taken.append(timed())
    return taken


def largest_that_fits(make: Callable[[int], Made], size: int, least: int = 1) -> tuple[int, Made]:
    """Make something of a size, or of half of it, and so on, until its memory suffices.

    Args:
        make: makes it, and uses it once, so that all of its memory has been allocated.
        size: the size to begin with.
        least: the smallest size to try.

    Returns:
        The size, and what was made.

    Raises:
        Exception: that of the smallest size, or any other than that memory is exhausted.
    """
    while True:
        try:
            return size, make(size)
        except Exception as error:
            if size // 2 < least or not is_out_of_memory(error):
                raise
        # The arrays of the failed try are free only now that its traceback is.
        gc.collect()
        size //= 2

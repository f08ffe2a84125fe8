"""Bytes of memory at each stage of a training, and the most of them."""

from __future__ import annotations

from typing import NamedTuple

from multvae_jax.estimating.programs import Programs

LARGE = 2**25
"""Bytes from which the C library returns an array to the system as soon as it is freed."""


class Base(NamedTuple):
    """Bytes that a process takes beside the arrays of a training.

    Attributes:
        training: while it trains: the interpreter, libraries, and compiled programs.
        writing: while it tests and writes the run, with the libraries and programs for that.
        compiling: what a first run takes more, which compiles all programs.
        copies: what checkpoints and the run take while they are written, as a multiple of the
            bytes of the parameters, the optimizer's state and the best parameters.
        copies_of_large: the same if the largest parameter has `LARGE` bytes or more.
    """

    training: int = 0
    writing: int = 0
    compiling: int = 0
    copies: float = 1.0
    copies_of_large: float = 1.0


class Memory(NamedTuple):
    """Bytes of memory on one device, or in the process for a CPU.

    Attributes:
        base: the process without arrays; 0 on an accelerator.
        params: the parameters.
        opt_state: the state of the optimizer.
        best: the parameters of the best epoch.
        histories: the data.
        temporaries: the gradients, logits and activations of an update.
        compiling: what a run takes more that finds no compiled programs in the cache folder.
        stages: the bytes of each stage of the training, by name, of which the largest is the peak.
    """

    base: int
    params: int
    opt_state: int
    best: int
    histories: int
    temporaries: int
    compiling: int
    stages: dict[str, int]

    @property
    def peak(self) -> int:
        """The most bytes at any time."""
        return max(self.stages.values())


def memory_of(
    programs: Programs, base: Base, shared: int = 1, *, is_written: bool = False
) -> Memory:
    """The memory of a training.

    Args:
        programs: its programs, of one device.
        base: what a process takes beside it.
        shared: number of devices that share the memory.
        is_written: whether checkpoints are copied in the same memory, as they are on a CPU.
    """
    params, opt_state = shared * programs.params, shared * programs.opt_state
    best = 0 if programs.ranking is None else params
    data = shared * programs.histories
    temporaries = shared * (programs.epoch.temporaries + programs.epoch.results)
    kept = params + opt_state + best + data
    stages = {
        "drawing the parameters": base.training + params + shared * programs.init.temporaries,
        "updates": base.training + kept + temporaries,
    }
    if programs.ranking is not None:
        stages["validation"] = base.training + kept + shared * programs.ranking.temporaries
    if is_written:
        written = params + opt_state + best
        is_large = shared * programs.largest >= LARGE
        copies = base.copies_of_large if is_large else base.copies
        stages["writing the run"] = base.writing + kept + round(copies * written)
    return Memory(base.training, params, opt_state, best, data, temporaries, base.compiling, stages)

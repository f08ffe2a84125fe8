"""Bytes of memory at each stage of a training, and the most of them."""

from __future__ import annotations

from typing import NamedTuple

from multvae_jax.estimating.lengths import Lengths, bytes_on_host
from multvae_jax.estimating.programs import Programs


class Base(NamedTuple):
    """Bytes that a process takes beside the arrays of a training.

    Attributes:
        process: the interpreter and the libraries.
        per_letter: the compiled programs, per letter of their texts.
        compiling: what a first run takes more, which compiles all programs.
        reading: the process before it reads data.
        per_interaction: what reading takes at most, per interaction of a file.
    """

    process: int = 0
    per_letter: float = 0.0
    compiling: int = 0
    reading: int = 0
    per_interaction: float = 0.0

    def of(self, programs: Programs) -> int:
        """Bytes of a process with the programs of a training."""
        return self.process + self.of_text(programs.text)

    def of_text(self, letters: int) -> int:
        """Bytes of compiled programs."""
        return round(self.per_letter * letters)

    def reading_of(self, lengths: Lengths) -> int:
        """Bytes of a process that reads data."""
        return self.reading + round(self.per_interaction * lengths.n_interactions)


class Memory(NamedTuple):
    """Bytes of memory on one device, or in the process for a CPU.

    Attributes:
        base: the process without arrays; 0 on an accelerator.
        params: the parameters.
        opt_state: the state of the optimizer.
        best: the parameters of the best epoch.
        histories: the data, on the device and on its host.
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
    programs: Programs,
    base: Base,
    shared: int = 1,
    *,
    read: Lengths | None = None,
    is_saved: bool = False,
) -> Memory:
    """The memory of a training.

    Args:
        programs: its programs, of one device.
        base: what a process takes beside it.
        shared: number of devices that share the memory.
        read: the data, where the host that reads it and keeps it has the same memory.
        is_saved: whether checkpoints are written from the same memory while it goes on, as those of
            a long training on a CPU. Until one is written, it holds the state that it is of.
    """
    process = base.of(programs)
    params, opt_state = shared * programs.params, shared * programs.opt_state
    best = 0 if programs.ranking is None else params
    host = 0 if read is None else bytes_on_host(read)
    data = host + shared * programs.histories
    temporaries = shared * (programs.epoch.temporaries + programs.epoch.results)
    # The best epoch is copied before the one before is freed, and the C library keeps small arrays.
    freed = 0 if programs.ranking is None else shared * programs.small
    kept = process + params + opt_state + best + freed + data
    stages = {} if read is None else {"reading": base.reading_of(read)}
    stages |= {
        "drawing the parameters": process + host + params + shared * programs.init.temporaries,
        "updates": kept + temporaries,
    }
    if is_saved:
        stages["updates beside a checkpoint"] = kept + temporaries + params + opt_state
    for name, ranking in {"validation": programs.ranking, "test": programs.testing}.items():
        if ranking is not None:
            stages[name] = kept + shared * ranking.temporaries
    if programs.testing is not None:
        stages["test"] += base.of_text(programs.text_of_test)
    return Memory(process, params, opt_state, best, data, temporaries, base.compiling, stages)

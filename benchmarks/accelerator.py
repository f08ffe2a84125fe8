"""How fast is this program on the GPU or TPU of this machine?

    python -m benchmarks accelerator [--minutes 5]

One run that needs nothing but the package: device and versions; speed of matrix products and of
the memory; users per second in training, by batch size and precision of the products, each as a
share of its roofline; the whole recipe of the paper at ML-20M's size, reckoned from a few epochs;
whether every operation with a form per platform computes what a CPU computes; the kernels of an
update; ranking and metrics; sixteen members of a sweep side by side; a million items in blocks;
and plain PyTorch, compiled and not, where it is installed.

Every section has a share of the minutes, after which it is stopped. What does not fit the memory is
tried at half the size. The file of results is written after each section.

    JAX_PLATFORMS=cpu python -m benchmarks accelerator --size small --minutes 2

On two cores of an AMD EPYC, about 2 minutes for this rehearsal.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import msgspec

from benchmarks.contestants.accelerator.sizes import SIZES, as_words
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.sections import Outcome, Row, Section, run_sections

SHARES = {
    "device": ("ours", 20),
    "speed": ("ours", 20),
    "training": ("ours", 80),
    "recipe": ("ours", 40),
    "forms": ("ours", 25),
    "profile": ("ours", 15),
    "ranking": ("ours", 20),
    "members": ("ours", 25),
    "blocks": ("ours", 35),
    "PyTorch": ("pytorch", 50),
}
"""Section -> the module that has it, and its part of the time: seconds, if there are 5 minutes."""

ASIDE = 0.03
"""Part of the minutes for the start and the end of this process, which serves no section."""


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks accelerator`."""

    minutes: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    """Minutes after which the run has ended."""
    size: Literal["ml-20m", "small"] = "ml-20m"
    """Sizes of all sections: ML-20M's, or small ones, a rehearsal on a CPU."""
    peer_python: str | None = None
    """Interpreter that has PyTorch. By default, the one that runs this."""


def sections(options: Options, sizes: str) -> list[Section]:
    """All sections, in their order.

    Args:
        options: the interpreter of PyTorch.
        sizes: the sizes as a word.
    """
    python = {"ours": sys.executable, "pytorch": options.peer_python or sys.executable}
    return [
        Section(
            name,
            (python[module], "-m", "benchmarks.contestants.accelerator.serve", module, sizes),
            share,
        )
        for name, (module, share) in SHARES.items()
    ]


def cell(value: Any) -> str:
    """A value in a table; numbers with three digits, or without decimals."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table_of(rows: Sequence[Row]) -> str:
    """The rows as a table, without what only the record holds."""
    shown = [
        {name: value for name, value in row.items() if not isinstance(value, list | dict)}
        for row in rows
    ]
    heading = list(dict.fromkeys(name for row in shown for name in row))
    return markdown(heading, [[cell(row.get(name)) for name in heading] for row in shown])


def text_of(outcome: Outcome) -> str:
    """Format the results of a section for the terminal."""
    lines = [f"{outcome.name}, {outcome.seconds:.0f} s"]
    lines += [f"\n{table_of(outcome.rows)}"] if outcome.rows else []
    # A section that failed is one line.
    lines += [f"{outcome.name}: {outcome.problem}"] if outcome.problem else []
    return "\n".join(lines)


def name_of(device: str, size: str) -> str:
    """The stem of the file of results."""
    stem = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return stem if size == "ml-20m" else f"{stem}-{size}"


def measure(options: Options) -> Iterator[Report]:
    """A report after each section, with all sections so far."""
    sizes = SIZES[options.size]
    done: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    device = "unknown"
    seconds = (1 - ASIDE) * 60 * options.minutes
    for outcome in run_sections(sections(options, as_words(sizes)), seconds):
        rows = outcome.rows
        if outcome.name == "device" and rows:
            machine, device = rows[0].pop("machine"), rows[0]["device"]
        done[outcome.name] = {
            "seconds": outcome.seconds,
            "problem": outcome.problem,
            "rows": outcome.rows,
        }
        record = {
            "machine": machine,
            "options": asdict(options),
            "sizes": sizes._asdict(),
            "sections": dict(done),
        }
        yield Report(name_of(device, options.size), text_of(outcome), record)

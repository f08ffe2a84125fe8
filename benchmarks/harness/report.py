"""Reports: a table for the output, and a record with the raw samples and the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax
from matplotlib.figure import Figure

from multvae_jax.host.files import atomic_write

RESULTS = Path(__file__).parents[1] / "results"
"""Holds a folder for each question."""


class Report(NamedTuple):
    """An answer to a question.

    Attributes:
        name: stem of its files.
        table: Markdown tables and the lines around them.
        record: contents of the JSON file, to which the machine is added unless it is there; None:
            no files are written.
        figure: a picture to write beside the JSON file.
    """

    name: str
    table: str
    record: dict[str, Any] | None
    figure: Figure | None = None


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write the record, with the machine, and the figure; return the paths of the files."""
    if report.record is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.name}.json"
    # A program whose work is done by others leaves the devices to them.
    record = report.record if "machine" in report.record else {"machine": machine()}
    with atomic_write(path) as file:
        file.write(json.dumps({**record, **report.record}, indent=2) + "\n")
    if report.figure is None:
        return [path]
    picture = folder / f"{report.name}.png"
    report.figure.savefig(picture, dpi=120)
    return [path, picture]


def machine() -> dict[str, Any]:
    """Circumstances of a measurement: processor, devices, versions, commit."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "devices": [device.device_kind for device in jax.devices()],
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")},
        "commit": commit.stdout.strip() or None,
    }


def _processor() -> str:
    """Its name, and the vector instructions that limit the speed of matrix products."""
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor() or platform.machine()
    lines = dict(
        (part.strip() for part in line.split(":", 1))
        for line in facts.read_text().split("\n\n")[0].splitlines()
        if ":" in line
    )
    flags = set(lines.get("flags", "").split())
    notable = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    return f"{lines.get('model name', platform.machine())} ({', '.join(notable)})"


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return "\n".join(map(line, [heading, ["-" * width for width in widths], *rows]))

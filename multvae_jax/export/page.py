"""A recommender as one HTML file, which works without a network."""

from __future__ import annotations

import base64
import html
import json
import zlib
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, Int8

from multvae_jax.errors import InputError
from multvae_jax.export.item_map import FEWEST, item_table, positions
from multvae_jax.export.program import Program
from multvae_jax.export.subject import subject_of
from multvae_jax.host.files import atomic_write
from multvae_jax.models import Blend
from multvae_jax.runs.run import Run, described

TEMPLATE = Path(__file__).parent / "page.html"
LEVELS = 127
MOST_NUMBERS = 60_000_000
"""Weights of a page at most: about as many bytes, which a browser unpacks in a few seconds."""

ALIGNMENT = 4
"""Bytes to whose multiples the arrays of the page start."""


def write_page(run: Run, path: Path, title: str) -> None:
    """Write the page of a run to a new file.

    Args:
        run: the run.
        path: the file.
        title: heading of the page.

    Raises:
        InputError: the file is there already or cannot be written, or the page cannot compute the
            model's score.
    """
    if path.exists():
        raise InputError(f"{path}: already exists; name another file with --to")
    text = page(run, title)
    with atomic_write(path) as file:
        file.write(text)


def page(run: Run, title: str) -> str:
    """The page of a run, with its weights as int8.

    Raises:
        InputError: the page cannot compute the model's score.
    """
    subject = subject_of(run)
    if subject.features is not None:
        raise InputError("--page: the model reads features of users, which a page does not know")
    try:
        program = subject.program()
    except InputError as error:
        raise InputError(f"--page: {error}") from None
    _check_size(program)
    ids, titles = run.catalogue.ids, run.catalogue.titles
    data, arrays = _packed(_arrays(program, np.asarray(run.catalogue.counts)))
    meta = {
        "model": _name_of(run),
        "titles": [titles.get(item, item) for item in ids],
        "counts": np.asarray(run.catalogue.counts).tolist(),
        "steps": program.as_json()["steps"],
        "scores": program.scores,
        "arrays": arrays,
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        # Nothing in a title can end the script that holds it.
        meta=json.dumps(meta, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        data=data,
    )


def _check_size(program: Program) -> None:
    """Refuse weights that are too many for a page.

    Raises:
        InputError: naming the largest matrix.
    """
    sizes = {name: array.size for name, array in program.weights.items()}
    total = sum(sizes.values())
    if total <= MOST_NUMBERS:
        return
    largest = max(sizes, key=lambda name: sizes[name])
    shape = " x ".join(f"{size:,}" for size in program.weights[largest].shape)
    raise InputError(
        f"--page: {total / 1e6:,.0f} million weights, and a page has up to "
        f"{MOST_NUMBERS / 1e6:.0f}; the largest matrix is {largest}, {shape}. Train without "
        "--blend, or export the files (--to without --page)"
    )


def _name_of(run: Run) -> str:
    try:
        options = described(run)
    except InputError:
        return "a model of its own"
    blend = f" blended with {options.blend}" if isinstance(run.model, Blend) else ""
    return f"{options.name}{blend}"


# --- arrays ---------------------------------------------------------------------------------------


def quantized(
    matrix: Float32[np.ndarray, "inputs outputs"],
) -> tuple[Int8[np.ndarray, "inputs outputs"], Float32[np.ndarray, " scales"], str]:
    """A matrix as 8-bit integers times a scale per row or column, whichever are more.

    These are the items in the first and in the last layer, whose rows differ in size.
    """
    by = "rows" if matrix.shape[0] >= matrix.shape[1] else "columns"
    axis = 1 if by == "rows" else 0
    scales = np.abs(matrix).max(axis=axis, initial=0.0) / np.float32(LEVELS)
    divisors = np.expand_dims(np.where(scales > 0, scales, 1.0), axis)
    return np.rint(matrix / divisors).astype(np.int8), scales.astype(np.float32), by


def _arrays(
    program: Program, counts: Int[np.ndarray, " items"]
) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Array and description of each weight, of each matrix's scales, and of the map."""
    found: dict[str, tuple[np.ndarray, dict[str, Any]]] = {}
    n_items = len(counts)
    for name, array in program.weights.items():
        if array.ndim < 2:
            found[name] = (array, {})
            continue
        integers, scales, by = quantized(array)
        found[f"{name}/scales"] = (scales, {})
        found[name] = (integers, {"by": by, "scales": f"{name}/scales"})
    table = item_table(program, n_items)
    if table is not None and n_items >= FEWEST:
        places = positions(table, counts)
        for name, column in zip(("map_x", "map_y"), places.T, strict=True):
            found[name] = (column, {})
    return found


def _packed(arrays: dict[str, tuple[np.ndarray, dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    """All arrays as one text, and where each of them is."""
    parts, places, start = [], {}, 0
    for name, (array, more) in arrays.items():
        content = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        shape = list(array.shape)
        places[name] = {"kind": array.dtype.name, "start": start, "shape": shape, **more}
        content += b"\0" * (-len(content) % ALIGNMENT)
        parts.append(content)
        start += len(content)
    return base64.b64encode(zlib.compress(b"".join(parts), 9)).decode(), places

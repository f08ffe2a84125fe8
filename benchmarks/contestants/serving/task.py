"""The model that all servers of `benchmarks.serving` have, and the requests to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.sparse as sp

HIDDEN, LATENT = 600, 200
K = 20
"""Items in an answer."""

LAYERS = ("encoder.0", "encoder.2", "decoder.0", "decoder.2")
"""The layers, as PyTorch counts those of I-600-200-600-I."""


def write_task(folder: Path, histories: sp.csr_array, seed: int = 0) -> None:
    """Write random weights of the network, and a request for each history.

    Args:
        folder: where to write.
        histories: users x items.
        seed: of the weights.
    """
    n_items = histories.shape[1]
    random = np.random.default_rng(seed)
    widths = [(n_items, HIDDEN), (HIDDEN, 2 * LATENT), (LATENT, HIDDEN), (HIDDEN, n_items)]
    weights = {}
    for name, (inputs, outputs) in zip(LAYERS, widths, strict=True):
        scale = np.sqrt(2 / (inputs + outputs))
        weights[f"{name}.kernel"] = scale * random.standard_normal((inputs, outputs), np.float32)
        weights[f"{name}.bias"] = np.zeros(outputs, np.float32)
    np.savez(folder / "weights.npz", **{name: np.float32(w) for name, w in weights.items()})
    for name, lines in (
        ("requests", ({"history": mine, "k": K} for mine in _ids(histories))),
        ("varied", varied(histories, random)),
    ):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def varied(histories: sp.csr_array, random: np.random.Generator) -> Iterator[dict[str, object]]:
    """Requests of all lengths and options."""
    for number, mine in enumerate(_ids(histories)):
        request: dict[str, object] = {"history": mine, "k": int(random.integers(1, 101))}
        if number % 4 == 1:
            request["exclude"] = mine[: len(mine) // 2]
            request["history"] = mine[len(mine) // 2 :]
        if number % 4 == 2:
            request["include_seen"] = True
        if number % 4 == 3:
            request = {"histories": [mine, mine[:1], []], "k": 5}
        yield request


def _ids(histories: sp.csr_array) -> Iterator[list[str]]:
    for start, end in zip(histories.indptr[:-1], histories.indptr[1:], strict=True):
        yield [str(item) for item in histories.indices[start:end]]

"""Depth and latent size: 0, 1 and 2 hidden layers on either side, and codes of four sizes.

    python -m experiments.depth --dataset ml-100k --hidden 200 --latent 64 --seeds 3

On two cores of an AMD EPYC that were shared with other work, 374 s; NDCG@100 on 93 test users
with 0, 1 and 2 hidden layers:

    Mult-VAE .4563 .4558 .4404   Mult-DAE .4692 .4589 .4362

The intervals and the other data sets stand in the README beside this file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.common import (
    SELECT_BY,
    Options,
    circumstances,
    command,
    heading,
    markdown_table,
    summarize,
    trained_row,
    write,
)
from multvae_jax.config.load_data import load_split
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluator import prepare_users
from multvae_jax.models import mult_dae, mult_vae

MODELS = {"Mult-VAE": mult_vae, "Mult-DAE": mult_dae}
DEPTHS = (0, 1, 2)
PAPER_DEPTH = {"Mult-VAE": 1, "Mult-DAE": 0}


class Shape(NamedTuple):
    """A network of the table."""

    model: str
    depth: int
    latent: int

    def named(self, width: int) -> str:
        """What its row is called."""
        hidden = f"{self.depth} hidden of {width}" if self.depth else "none hidden"
        return f"{self.model}, {hidden}, code {self.latent}"


def latents(latent: int) -> tuple[int, ...]:
    """The sizes of the code that are tried: from a quarter of the usual one to twice of it."""
    return tuple(sorted({max(1, latent // 4), max(1, latent // 2), latent, 2 * latent}))


def shapes(latent: int, quick: bool) -> list[Shape]:
    """Every depth with the usual code, and at the paper's depth every code; each once."""
    depths = (DEPTHS[0], DEPTHS[-1]) if quick else DEPTHS
    sizes = (latents(latent)[0], latent) if quick else latents(latent)
    tried = [
        shape
        for model in MODELS
        for shape in (
            *(Shape(model, depth, latent) for depth in depths),
            *(Shape(model, PAPER_DEPTH[model], size) for size in sizes),
        )
    ]
    return list(dict.fromkeys(tried))


def draw(found: Mapping[Shape, Mapping[str, Any]], latent: int, title: str) -> Figure:
    """The metric against the depth, and against the size of the code."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_depth, by_size = figure.subplots(1, 2, sharey=True)
    for model in MODELS:
        of_model = {shape: numbers for shape, numbers in found.items() if shape.model == model}
        deep = {
            shape.depth: numbers for shape, numbers in of_model.items() if shape.latent == latent
        }
        wide = {
            shape.latent: numbers
            for shape, numbers in of_model.items()
            if shape.depth == PAPER_DEPTH[model]
        }
        _line(by_depth, deep, model)
        _line(by_size, wide, f"{model}, {PAPER_DEPTH[model]} hidden")
    by_depth.set(xlabel=f"hidden layers on either side, code {latent}", ylabel=heading(SELECT_BY))
    by_depth.set_xticks(DEPTHS)
    by_size.set_xscale("log", base=2)
    sizes = sorted({shape.latent for shape in found})
    by_size.set_xticks(sizes, [str(size) for size in sizes])
    by_size.set(xlabel="dimensions of the code")
    for axes in (by_depth, by_size):
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    figure.suptitle(f"{title}: 95% interval over seeds")
    return figure


def _line(axes: Axes, numbers: Mapping[int, Mapping[str, Any]], label: str) -> None:
    places = sorted(numbers)
    axes.errorbar(
        places,
        [numbers[place]["mean"] for place in places],
        yerr=[numbers[place]["interval"] or 0.0 for place in places],
        marker="o",
        capsize=3,
        label=label,
    )


def depth(options: Options) -> None:
    """Run the experiment and write its files."""
    began = time.perf_counter()
    if not options.hidden:
        raise InputError("--hidden: takes the width that every hidden layer has")
    split = load_split(options.data)
    test = prepare_users(split.test)
    width, *_ = options.hidden
    tried: Sequence[Shape] = shapes(options.latent, options.quick)
    rows = {
        shape.named(width): trained_row(
            shape.named(width),
            MODELS[shape.model]((width,) * shape.depth, shape.latent),
            split,
            options,
            test,
        )
        for shape in tried
    }
    summary = summarize(rows)
    found = {shape: row["metrics"][SELECT_BY] for shape, row in zip(tried, summary, strict=True)}
    seconds = time.perf_counter() - began
    record = {**circumstances(split, options, seconds), "rows": summary}
    figure = draw(found, options.latent, options.source)
    write(options.folder("depth"), record, markdown_table(summary), figure)


if __name__ == "__main__":
    sys.exit(command(depth, "How deep the networks should be, and how large the code."))

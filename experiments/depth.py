"""Depth and latent size: 0, 1 and 2 hidden layers on either side, and codes of four sizes.

    python -m experiments.depth --dataset ml-100k --hidden 200 --latent 64 --seeds 3

374 s on two shared cores of an AMD EPYC; NDCG@100 on 93 test users with 0, 1 and 2 hidden layers:

    Mult-VAE .4563 .4558 .4404   Mult-DAE .4692 .4589 .4362

Intervals and other data sets: results/depth/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_split
from experiments.shared.tables import markdown_table, summarize
from experiments.shared.training import train_and_test
from multvae_jax.evaluation import prepare_users
from multvae_jax.evaluation.metrics import heading
from multvae_jax.recipe import SELECT_BY

MODELS = {"Mult-VAE": mv.mult_vae, "Mult-DAE": mv.mult_dae}
DEPTHS = (0, 1, 2)
PAPER_DEPTH = {"Mult-VAE": 1, "Mult-DAE": 0}


class Architecture(NamedTuple):
    """A network of the table.

    Attributes:
        model: key of `MODELS`.
        depth: hidden layers on either side of the code.
        latent: dimensions of the code.
    """

    model: str
    depth: int
    latent: int

    def row_name(self, width: int) -> str:
        """Name of its row, for hidden layers of this width."""
        hidden = f"{self.depth} hidden of {width}" if self.depth else "none hidden"
        return f"{self.model}, {hidden}, code {self.latent}"


def latents(latent: int) -> tuple[int, ...]:
    """Sizes of the code to try, from a quarter of the usual size to twice that size."""
    return tuple(sorted({max(1, latent // 4), max(1, latent // 2), latent, 2 * latent}))


def architectures(latent: int, quick: bool) -> list[Architecture]:
    """Every depth with the usual code, and every code at the paper's depth; each network once."""
    depths = (DEPTHS[0], DEPTHS[-1]) if quick else DEPTHS
    sizes = (latents(latent)[0], latent) if quick else latents(latent)
    every = [
        architecture
        for model in MODELS
        for architecture in (
            *(Architecture(model, depth, latent) for depth in depths),
            *(Architecture(model, PAPER_DEPTH[model], size) for size in sizes),
        )
    ]
    return list(dict.fromkeys(every))


def draw(found: Mapping[Architecture, Mapping[str, Any]], latent: int, title: str) -> Figure:
    """Draw the metric against the depth, and against the size of the code."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_depth, by_size = figure.subplots(1, 2, sharey=True)
    for model, paper_depth in PAPER_DEPTH.items():
        of_model = {tried: numbers for tried, numbers in found.items() if tried.model == model}
        usual_size = {
            tried.depth: numbers for tried, numbers in of_model.items() if tried.latent == latent
        }
        usual_depth = {
            tried.latent: numbers
            for tried, numbers in of_model.items()
            if tried.depth == paper_depth
        }
        _line(by_depth, usual_size, model)
        _line(by_size, usual_depth, f"{model}, {paper_depth} hidden")
    by_depth.set(xlabel=f"hidden layers on either side, code {latent}", ylabel=heading(SELECT_BY))
    by_depth.set_xticks(DEPTHS)
    by_size.set_xscale("log", base=2)
    sizes = sorted({tried.latent for tried in found})
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


def depth(options: Options) -> Report:
    """Depth of the networks, and size of the code."""
    if not options.hidden:
        raise mv.InputError("--hidden none: give the width that every hidden layer has")
    split = load_split(options)
    test = prepare_users(split.test)
    width, *_ = options.hidden
    tried = architectures(options.latent, options.quick)
    models = {
        each.row_name(width): MODELS[each.model]((width,) * each.depth, each.latent)
        for each in tried
    }
    rows = {
        name: train_and_test(name, model, split, options, test) for name, model in models.items()
    }
    summary = summarize(rows)
    found = {each: row["metrics"][SELECT_BY] for each, row in zip(tried, summary, strict=True)}
    figure = draw(found, options.latent, options.data_name)
    return Report(split, {"rows": summary}, markdown_table(summary), figure)


if __name__ == "__main__":
    sys.exit(main(depth))

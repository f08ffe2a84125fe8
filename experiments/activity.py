"""User activity (paper, figure 3): where the VAE and the DAE differ, by fold-in items.

    python -m experiments.activity --dataset ml-1m --hidden 200 --latent 64 --seeds 3

On two cores of an AMD EPYC that were shared with other work, 192 s; NDCG@100 of Mult-VAE less
Mult-DAE by fifth of the 600 test users, from the fewest fold-in items to the most:

    +.0094   +.0111   -.0052   -.0067   -.0086

The intervals and the other data sets stand in the README beside this file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from experiments.common import (
    SELECT_BY,
    Options,
    Row,
    cell,
    circumstances,
    command,
    half_width,
    heading,
    trained_row,
    write,
)
from multvae_jax.config.load_data import load_split
from multvae_jax.data.types import HeldOut
from multvae_jax.evaluation.evaluator import prepare_users
from multvae_jax.evaluation.significance import mean_over_runs
from multvae_jax.models import mult_dae, mult_vae

CAPTION = f"""
{heading(SELECT_BY)}: mean ± half of its 95% interval over seeds (standard error over users).
Difference: Mult-VAE less Mult-DAE, of each user's means over seeds, ± half of its 95% interval
over users.
"""


def fold_in_counts(held_out: HeldOut) -> Int[np.ndarray, " users"]:
    """How many items are shown of each user that has a target, in the order of an evaluation."""
    has_target = held_out.targets.count_nonzero(axis=1) > 0
    return held_out.history.count_nonzero(axis=1)[has_target]


def quintiles(counts: Int[np.ndarray, " users"]) -> Int[np.ndarray, " users"]:
    """The fifth that each user is in, from 0, the least active, to 4; equal counts together."""
    return np.searchsorted(np.quantile(counts, [0.2, 0.4, 0.6, 0.8]), counts, side="left")


def by_activity(rows: Mapping[str, Row], counts: Int[np.ndarray, " users"]) -> list[dict[str, Any]]:
    """What the table and the plot say of each fifth of the users.

    Args:
        rows: Mult-VAE and Mult-DAE, in this order.
        counts: fold-in items of each user.
    """
    group_of = quintiles(counts)
    values = {
        name: np.stack([evaluation.values[SELECT_BY] for evaluation in row.evaluations])
        for name, row in rows.items()
    }
    means = {name: mean_over_runs(row.evaluations).values[SELECT_BY] for name, row in rows.items()}
    one, other = means.values()

    def of_group(group: int) -> dict[str, Any]:
        mine = group_of == group

        def of_model(name: str) -> dict[str, Any]:
            by_seed = values[name][:, mine].mean(axis=1).tolist()
            return {
                "mean": float(np.mean(by_seed)),
                "interval": half_width(by_seed),
                "standard_error": float(means[name][mine].std() / np.sqrt(mine.sum())),
                "by_seed": by_seed,
            }

        difference = (one - other)[mine]
        return {
            "fewest": int(counts[mine].min()),
            "most": int(counts[mine].max()),
            "users": int(mine.sum()),
            "models": {name: of_model(name) for name in rows},
            "difference": float(difference.mean()),
            "difference_interval": half_width(difference.tolist()),
        }

    return [of_group(group) for group in np.unique(group_of)]


def markdown(groups: Sequence[Mapping[str, Any]]) -> str:
    """One row a fifth of the users."""
    names = list(groups[0]["models"])
    lines = [
        ["fold-in items", "users", *names, "difference"],
        ["---", *["---:"] * (len(names) + 2)],
    ]
    for group in groups:
        cells = [cell(group["models"][name]) for name in names]
        half = group["difference_interval"]
        difference = f"{group['difference']:+.4f}" + ("" if half is None else f" ± {half:.4f}")
        span = f"{group['fewest']} to {group['most']}"
        lines.append([span, str(group["users"]), *cells, difference])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines) + CAPTION


def draw(groups: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """The means by fifth, and their paired differences."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    levels, differences = figure.subplots(1, 2)
    places = np.arange(len(groups))
    for shift, name in zip((-0.06, 0.06), groups[0]["models"], strict=True):
        numbers = [group["models"][name] for group in groups]
        levels.errorbar(
            places + shift,
            [number["mean"] for number in numbers],
            yerr=[number["standard_error"] for number in numbers],
            marker="o",
            capsize=3,
            label=name,
        )
    levels.set(ylabel=heading(SELECT_BY), title="mean, standard error over users")
    levels.legend()
    differences.axhline(0, color="gray", linewidth=1)
    differences.errorbar(
        places,
        [group["difference"] for group in groups],
        yerr=[group["difference_interval"] or 0.0 for group in groups],
        marker="o",
        color="black",
        capsize=3,
    )
    differences.set(title=" less ".join(groups[0]["models"]) + ", 95% over users")
    spans = [f"{group['fewest']}\u2013{group['most']}" for group in groups]
    for axes in (levels, differences):
        axes.set_xticks(places, spans)
        axes.set_xlabel("fold-in items")
        axes.grid(visible=True, alpha=0.3)
    figure.suptitle(title)
    return figure


def activity(options: Options) -> None:
    """Run the experiment and write its files."""
    began = time.perf_counter()
    split = load_split(options.data)
    test = prepare_users(split.test)
    models = {
        "Mult-VAE": mult_vae(options.hidden, options.latent),
        "Mult-DAE": mult_dae((), options.latent),
    }
    rows = {name: trained_row(name, model, split, options, test) for name, model in models.items()}
    groups = by_activity(rows, fold_in_counts(split.test))
    seconds = time.perf_counter() - began
    record = {**circumstances(split, options, seconds), "groups": groups}
    figure = draw(groups, options.source)
    write(options.folder("activity"), record, markdown(groups), figure)


if __name__ == "__main__":
    sys.exit(command(activity, "Mult-VAE against Mult-DAE by how many items a user has shown."))

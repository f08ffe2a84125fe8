"""The main table (paper, table 2): Mult-VAE, Mult-DAE and the baselines on users never seen.

    python -m experiments.main_table --dataset ml-1m --seeds 3

On two cores of an AMD EPYC that were shared with other work, 945 s; NDCG@100 on 600 test users:

    WMF .4272   EASE .4245   Mult-DAE .4217   Mult-VAE .4017   item kNN .3382   popularity .2235

The intervals, the other metrics and the other data sets stand in the README beside this file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from experiments.common import (
    Grid,
    Options,
    Row,
    circumstances,
    command,
    draw_means,
    markdown_table,
    say,
    summarize,
    trained_row,
    tune,
    write,
)
from multvae_jax.baselines.ease import ease
from multvae_jax.baselines.item_knn import item_knn
from multvae_jax.baselines.popularity import popularity
from multvae_jax.baselines.wmf import wmf
from multvae_jax.config.load_data import load_split
from multvae_jax.data.types import Split
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.models import Model, mult_dae, mult_vae
from multvae_jax.schedules import constant
from multvae_jax.types import Scorer

EASE_GRID = {"regularization": (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)}
WMF_GRID = {
    "factors": (16, 32, 64, 128),
    "regularization": (0.1, 1.0, 10.0, 30.0, 100.0),
    "alpha": (1.5, 4.0, 10.0, 30.0),
}
KNN_GRID = {"neighbors": (10, 30, 100, 300, 1000)}

RowName = Literal["Mult-VAE", "Mult-DAE", "EASE", "WMF", "item kNN", "popularity"]
ROWS: tuple[RowName, ...] = get_args(RowName)


@dataclass(frozen=True)
class TableOptions(Options):
    """Options of the main table."""

    rows: tuple[RowName, ...] = ROWS
    """which recommenders it has"""


def table_rows(split: Split, options: TableOptions) -> dict[str, Row]:
    """Every recommender of the table, tuned, trained and tested."""
    test = prepare_users(split.test)

    def trained(name: str, model: Model, **chosen: Any) -> Row:
        return trained_row(name, model, split, options, test, **chosen)

    def tuned(name: str, build: Callable[..., Scorer], grid: Grid, random: bool = False) -> Row:
        setting, tried = tune(
            lambda **setting: build(split.train, **setting), grid, split.validation, options.quick
        )
        say(f"{name}: best of {len(tried)} settings: {setting}")
        seeds = [{"seed": seed} for seed in options.all_seeds] if random else [{}]
        scorers = (build(split.train, **setting, **seed) for seed in seeds)
        return Row([evaluate(score, test) for score in scorers], setting, tried)

    # First what can fail for want of a package or of validation users, before minutes of training.
    # Mult-DAE has no KL term to weigh, and nothing is to be searched for.
    made = {
        "EASE": lambda: tuned("EASE", ease, EASE_GRID),
        "WMF": lambda: tuned("WMF", wmf, WMF_GRID, random=True),
        "item kNN": lambda: tuned("item kNN", item_knn, KNN_GRID),
        "popularity": lambda: Row([evaluate(popularity(split.catalogue.counts), test)]),
        "Mult-VAE": lambda: trained("Mult-VAE", mult_vae(options.hidden, options.latent)),
        "Mult-DAE": lambda: trained("Mult-DAE", mult_dae((), options.latent), beta=constant(0.0)),
    }
    rows = {name: make() for name, make in made.items() if name in options.rows}
    return {name: rows[name] for name in ROWS if name in rows}


def main_table(options: TableOptions) -> None:
    """Run the experiment and write its files."""
    began = time.perf_counter()
    split = load_split(options.data)
    summary = summarize(table_rows(split, options))
    seconds = time.perf_counter() - began
    record = {**circumstances(split, options, seconds), "rows": summary}
    figure = draw_means(summary, options.source)
    write(options.folder("main_table"), record, markdown_table(summary), figure)


if __name__ == "__main__":
    sys.exit(command(main_table, "The main table of the paper, with baselines.", kind=TableOptions))

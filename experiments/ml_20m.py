"""The whole recipe of the paper's MovieLens 20M on one machine: every row is a run of `multvae`.

    python -m experiments.ml_20m --seeds 1

It downloads the data on first use, trains every row by `multvae train`, and writes the table of
`experiments.main_table` anew after each. The same command goes on where it was stopped: finished
runs are kept, and an unfinished one resumes from its checkpoint. `--fraction 0.01` takes a random
hundredth of the users, to try it on a small machine.

The table at full size has not been made yet. A quick run (two epochs, narrow networks) on three
tenths of the users of MovieLens latest-small takes 90 s on two shared cores of an AMD EPYC;
NDCG@100 of popularity .2171, of Mult-DAE .1765:

    python -m experiments.ml_20m --dataset ml-latest-small --quick --fraction 0.3
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
from msgspec import Meta

import multvae_jax as mv
from experiments.shared.main import Report, main, report_rows
from experiments.shared.options import (
    DataOptions,
    NamedDataset,
    Options,
    load_interactions,
    load_split,
    with_users_of,
    write_config,
)
from experiments.shared.tables import TableRow
from multvae_jax.baselines import BASELINES
from multvae_jax.cli.main import main as multvae
from multvae_jax.evaluation import prepare_users
from multvae_jax.host.console import say
from multvae_jax.host.files import atomic_write
from multvae_jax.runs.directory import is_resumable

RowName = Literal[
    "popularity", "EASE", "EDLAE", "Mult-VAE", "Mult-VAE, paper", "Mult-DAE", "RecVAE"
]
ROWS: tuple[RowName, ...] = get_args(RowName)

RUNS: Mapping[str, Mapping[str, str]] = {
    "popularity": {"model": "popularity"},
    "EASE": {"model": "ease"},
    "EDLAE": {"model": "edlae"},
    "Mult-VAE": {},
    "Mult-VAE, paper": {
        "recipe": "paper",
        "hidden": "600",
        "latent": "200",
        "batch-size": "500",
        "epochs": "200",
        "anneal-steps": "200000",
    },
    "Mult-DAE": {"model": "mult-dae", "recipe": "paper", "batch-size": "500", "epochs": "200"},
    # The authors' 50 cycles of three epochs of the encoder and one of the decoder.
    "RecVAE": {
        "model": "recvae",
        "hidden": "600",
        "latent": "200",
        "model-constants": "gamma 0.005",
        "batch-size": "500",
        "learning-rate": "5e-4",
        "epochs": "200",
    },
}
"""Options of `multvae train` by row; the data and the seed are those of the experiment."""

QUICK = {"epochs": "2", "hidden": "16", "latent": "8"}
"""Values of a quick run, for the options that a row sets, and the epochs of all."""


@dataclass(frozen=True)
class RecipeOptions(Options):
    """Options of the recipe."""

    data: DataOptions = field(default_factory=lambda: DataOptions(NamedDataset("ml-20m")))
    seeds: Annotated[int, Meta(ge=1)] = 1
    """number of training seeds; they are 0, 1, ..."""
    rows: tuple[RowName, ...] = ROWS
    """recommenders in the table"""
    fraction: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """share of the users, drawn at random with the seed of the split"""
    runs: str = "runs"
    """folder of the runs, which go to <data set>-recipe/<row>-<seed> below it"""

    def folder(self, experiment: str) -> Path:
        """Folder of the results, one per fraction."""
        whole = super().folder(experiment)
        return whole if self.fraction == 1 else whole.with_name(f"{whole.name}-{self.fraction:g}")


def ml_20m(options: RecipeOptions) -> Iterator[Report]:
    """The recipe of MovieLens 20M, resumable."""
    refuse_options_of_rows(options)
    folder = Path(options.runs) / f"{options.folder('').name}-recipe"
    write_config(options, folder / "recipe.json")
    if options.fraction < 1:
        path = folder / f"{options.data_name}-sample.csv"
        sample(options, path)
        options = with_users_of(options, path, options.fraction)
    write_config(options, folder / "config.json")
    split = load_split(options)
    test = prepare_users(split.test)
    rows: dict[str, TableRow] = {}
    for name in (name for name in ROWS if name in options.rows):
        seeds = range(1) if is_baseline(name) else options.all_seeds
        runs = (finished(name, options, folder, seed) for seed in seeds)
        rows[name] = TableRow([mv.evaluate(run.scorer, test) for run in runs], RUNS[name])
        # The files are written anew after each row: the next one may take hours.
        report = report_rows(split, rows, options.data_name)
        yield report._replace(record={"fraction": options.fraction, **report.record})


def is_baseline(name: str) -> bool:
    """Return whether nothing about a row is random, and it has no epochs."""
    return RUNS[name].get("model") in BASELINES


def refuse_options_of_rows(options: RecipeOptions) -> None:
    """Refuse options of other experiments, which each row has a value of its own for."""
    unset = RecipeOptions()
    for name in ("epochs", "batch_size", "beta", "anneal_steps", "hidden", "latent"):
        if getattr(options, name) != getattr(unset, name):
            raise mv.InputError(f"--{name.replace('_', '-')}: every row has its own, see RUNS")


def sample(options: RecipeOptions, path: Path) -> None:
    """Write the interactions of a random share of the users.

    The filter of the data set is applied before, so that users have as many interactions as in it.
    """
    data = load_interactions(options)
    number = max(3, round(options.fraction * data.n_users))
    chosen = np.random.default_rng(options.split_seed).choice(data.n_users, number, replace=False)
    rows = np.flatnonzero(np.isin(data.users, chosen))
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["user", "item"])
        writer.writerows(
            zip(data.user_ids[data.users[rows]], data.item_ids[data.items[rows]], strict=True)
        )
    say(f"{number:,} of {data.n_users:,} users: {path}")


def finished(name: str, options: RecipeOptions, folder: Path, seed: int) -> mv.Run:
    """The finished run of a row: from before, resumed, or trained now.

    Raises:
        InputError: if it was stopped, or cannot be trained.
    """
    directory = folder / f"{name.replace(', ', '-').lower()}-{seed}"
    status = 0
    if is_resumable(directory):
        status = multvae(["train", "--resume", str(directory)])
    elif not directory.exists():
        own = {**RUNS[name], "seed": str(seed)}
        if options.quick and not is_baseline(name):
            own |= {option: value for option, value in QUICK.items() if option in own}
            own["epochs"] = QUICK["epochs"]
        # EASE is a row of its own.
        own["baselines"] = "none"
        words = [word for option, value in own.items() for word in (f"--{option}", *value.split())]
        config = str(folder / "config.json")
        status = multvae(["train", "--config", config, *words, "--out", str(directory)])
    if status != 0 or is_resumable(directory):
        raise mv.InputError(f"{name}, seed {seed}: not finished; the same command goes on")
    return mv.load_run(directory)


if __name__ == "__main__":
    sys.exit(main(ml_20m, RecipeOptions))

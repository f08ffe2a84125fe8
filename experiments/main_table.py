"""The main table (paper, table 2): Mult-VAE, Mult-DAE and baselines on held-out users.

    python -m experiments.main_table --dataset ml-1m --seeds 5

A call that was stopped goes on with the same command.

4,200 s on one shared core of an AMD EPYC; NDCG@100 on 600 test users:

    Mult-VAE and EDLAE .4385   Mult-VAE, default recipe .4346   EDLAE .4306   WMF .4271
    EASE .4245   linear autoencoder .4230   RecVAE .4229   Mult-DAE .4195   SLIM .4177
    Mult-VAE .3974   VampPrior VAE .3848   RP3beta .3683   item kNN .3382   popularity .2235

On a split with the same users in training and test (`--dataset gowalla`), epochs and constants
are chosen on a part of each user's interactions. Intervals, other metrics and other data sets:
results/main_table/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

import multvae_jax as mv
from experiments.shared.finished import Rows, finished_or_made
from experiments.shared.main import Report, main, provenance, report_rows
from experiments.shared.options import Options, load_split
from experiments.shared.protocols import protocol_of
from experiments.shared.tables import TableRow
from experiments.shared.training import (
    fit_and_blend,
    selected_on_part,
    tested_by_seed,
    train_and_test,
)
from experiments.shared.tuning import Grid, tuned_baseline
from multvae_jax.baselines import BASELINES, popularity
from multvae_jax.evaluation import prepare_users
from multvae_jax.model_selection.blending import usual_baseline

RowName = Literal[
    "Mult-VAE",
    "Mult-VAE, default recipe",
    "Mult-VAE and EDLAE",
    "Mult-VAE and RP3beta",
    "Mult-DAE",
    "RecVAE",
    "VampPrior VAE",
    "EASE",
    "EDLAE",
    "SLIM",
    "linear autoencoder",
    "WMF",
    "item kNN",
    "RP3beta",
    "popularity",
]
ROWS: tuple[RowName, ...] = get_args(RowName)

TUNED: dict[RowName, str] = {
    "EASE": "ease",
    "WMF": "wmf",
    "item kNN": "item-knn",
    "EDLAE": "edlae",
    "linear autoencoder": "linear-autoencoder",
    "RP3beta": "rp3beta",
    "SLIM": "slim",
}
"""The rows whose constants are chosen on the validation users, and their baselines."""

BLENDS: dict[str, RowName] = {"edlae": "Mult-VAE and EDLAE", "rp3beta": "Mult-VAE and RP3beta"}
"""The row of the default recipe's blend, by the baseline that is usual on the data."""

LARGE: Mapping[str, Grid] = {
    "ease": {"regularization": (50.0, 100.0, 200.0)},
    "edlae": {"dropout": (0.5,), "regularization": (30.0, 100.0)},
    "slim": {"l1": (1.0,), "l2": (10.0, 30.0, 100.0)},
    "wmf": {"factors": (64, 128), "regularization": (1.0, 10.0, 30.0, 100.0)},
    "rp3beta": {"neighbors": (300,)},
}
"""Shorter grids for a catalogue where a setting of EASE takes minutes; it is in float32 there."""

SINGLE_PRECISION = ("ease", "edlae")
"""The baselines that invert a matrix."""

FEWER_PSEUDO_INPUTS = {"pseudo_inputs": 100}
"""Of the VampPrior for a large catalogue: each passes through the encoder in every update."""


@dataclass(frozen=True)
class TableOptions(Options):
    """Options of the main table."""

    rows: tuple[RowName, ...] = ROWS
    """recommenders in the table"""


def makers(split: mv.Split, options: TableOptions) -> dict[tuple[RowName, ...], Callable[[], Rows]]:
    """How each row is made; rows that share a training are made together."""
    test = prepare_users(split.test)
    metrics = protocol_of(split).metrics
    usual = usual_baseline(split).name
    is_large, blend = usual == "rp3beta", BLENDS[usual]

    def trained(name: RowName, model: mv.Model, **overrides: Any) -> Callable[[], Rows]:
        return lambda: {name: train_and_test(name, model, split, options, test, **overrides)}

    def tuned(name: RowName, baseline: mv.Baseline) -> Rows:
        seeds = options.all_seeds if "seed" in baseline.constants else [None]
        grid = None
        if is_large:
            grid = LARGE.get(baseline.name)
            if baseline.name in SINGLE_PRECISION:
                fit = partial(baseline.fit, dtype=np.float32)
                baseline = baseline._replace(fit=fit, fit_each=None)
        scorers, setting, tried = tuned_baseline(baseline, split, seeds, options.quick, grid)
        evaluations = [mv.evaluate(scorer, test, metrics) for scorer in scorers]
        return {name: TableRow(evaluations, setting, tried)}

    def by_default_recipe() -> Rows:
        seeds = options.all_seeds
        selected = selected_on_part(split, seeds[0], options.quick)
        tests = [fit_and_blend(split, seed, test, options.quick, selected) for seed in seeds]
        alone, blended = (tested_by_seed(each) for each in zip(*tests, strict=True))
        return {"Mult-VAE, default recipe": alone, blend: blended}

    # Only Mult-VAE can be without a hidden layer.
    width = options.hidden[:1] or (600,)
    no_beta = {"beta": mv.schedules.constant(0.0)}
    fewer = FEWER_PSEUDO_INPUTS if is_large else {}
    # The rows that fail without a package come first, before minutes of training. Mult-DAE and
    # RecVAE have no beta to search for.
    return {
        **{(name,): partial(tuned, name, BASELINES[kind]) for name, kind in TUNED.items()},
        ("popularity",): lambda: {
            "popularity": TableRow([mv.evaluate(popularity(split.catalogue.counts), test, metrics)])
        },
        ("Mult-VAE",): trained("Mult-VAE", mv.mult_vae(options.hidden, options.latent)),
        ("Mult-VAE, default recipe", blend): by_default_recipe,
        ("Mult-DAE",): trained("Mult-DAE", mv.mult_dae((), options.latent), **no_beta),
        ("RecVAE",): trained("RecVAE", mv.recvae(width, options.latent), **no_beta),
        ("VampPrior VAE",): trained("VampPrior VAE", mv.vamp_vae(width, options.latent, **fewer)),
    }


def main_table(options: TableOptions) -> Iterator[Report]:
    """The main table of the paper, with baselines."""
    split = load_split(options)
    folder = options.folder("main_table") / "finished"
    rows: dict[str, TableRow] = {}
    asked = {
        names: make
        for names, make in makers(split, options).items()
        if set(names) & set(options.rows)
    }
    if not asked:
        blend = BLENDS[usual_baseline(split).name]
        raise mv.InputError(f"--rows: on this data, the blend is that of {blend}")
    for names, make in asked.items():
        file = folder / f"{names[0].replace(' ', '-').lower()}.json"
        rows |= finished_or_made(file, provenance(split, options), make)
        kept = {name: rows[name] for name in ROWS if name in rows and name in options.rows}
        yield report_rows(split, kept, options.data_name, protocol_of(split).select_by)


if __name__ == "__main__":
    sys.exit(main(main_table, TableOptions))

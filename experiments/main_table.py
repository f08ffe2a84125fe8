"""The main table (paper, table 2): Mult-VAE, Mult-DAE and baselines on held-out users.

    python -m experiments.main_table --dataset ml-1m --seeds 3

945 s on two shared cores of an AMD EPYC; NDCG@100 on 600 test users:

    WMF .4272   EASE .4245   Mult-DAE .4217   Mult-VAE .4017   item kNN .3382   popularity .2235

Intervals, other metrics and other data sets: results/main_table/README.md.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal, get_args

import multvae_jax as mv
from experiments.shared.main import Report, main, report_rows
from experiments.shared.options import Options, load_split
from experiments.shared.tables import TableRow
from experiments.shared.training import train_and_test
from experiments.shared.tuning import tuned_baseline
from multvae_jax.baselines import BASELINES, popularity
from multvae_jax.evaluation import prepare_users

RowName = Literal[
    "Mult-VAE",
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


@dataclass(frozen=True)
class TableOptions(Options):
    """Options of the main table."""

    rows: tuple[RowName, ...] = ROWS
    """recommenders in the table"""


def table_rows(split: mv.Split, options: TableOptions) -> dict[str, TableRow]:
    """Every recommender of the table, tuned, trained and tested."""
    test = prepare_users(split.test)

    def trained(name: str, model: mv.Model, **overrides: Any) -> TableRow:
        return train_and_test(name, model, split, options, test, **overrides)

    def tuned(name: RowName) -> TableRow:
        baseline = BASELINES[TUNED[name]]
        seeds = options.all_seeds if "seed" in baseline.constants else [None]
        scorers, setting, tried = tuned_baseline(baseline, split, seeds, options.quick)
        return TableRow([mv.evaluate(scorer, test) for scorer in scorers], setting, tried)

    # Only Mult-VAE can be without a hidden layer.
    width = options.hidden[:1] or (600,)
    # The rows that fail without a package come first, before minutes of training. Mult-DAE and
    # RecVAE have no beta to search for.
    makers = {
        **{name: lambda name=name: tuned(name) for name in TUNED},
        "popularity": lambda: TableRow([mv.evaluate(popularity(split.catalogue.counts), test)]),
        "Mult-VAE": lambda: trained("Mult-VAE", mv.mult_vae(options.hidden, options.latent)),
        "Mult-DAE": lambda: trained(
            "Mult-DAE", mv.mult_dae((), options.latent), beta=mv.schedules.constant(0.0)
        ),
        "RecVAE": lambda: trained(
            "RecVAE", mv.recvae(width, options.latent), beta=mv.schedules.constant(0.0)
        ),
        "VampPrior VAE": lambda: trained("VampPrior VAE", mv.vamp_vae(width, options.latent)),
    }
    rows = {name: make() for name, make in makers.items() if name in options.rows}
    return {name: rows[name] for name in ROWS if name in rows}


def main_table(options: TableOptions) -> Report:
    """The main table of the paper, with baselines."""
    split = load_split(options)
    return report_rows(split, table_rows(split, options), options.data_name)


if __name__ == "__main__":
    sys.exit(main(main_table, TableOptions))

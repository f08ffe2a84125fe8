"""The likelihoods (paper, table 4): multinomial, logistic, Gaussian and Poisson, VAE and DAE.

    python -m experiments.likelihoods --dataset ml-100k --hidden 200 --latent 64 --seeds 3

713 s on two shared cores of an AMD EPYC; NDCG@100 on 93 test users:

    VAE   Gaussian .4748   logistic .4559   multinomial .4535   Poisson .4312
    DAE   Gaussian .4814   multinomial .4764   logistic .4585   Poisson .4529

Intervals and other data sets: results/likelihoods/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import optax

import multvae_jax as mv
from experiments.shared.main import Report, main, report_rows
from experiments.shared.options import Options, beta_schedule, load_split
from experiments.shared.tables import TableRow
from experiments.shared.training import train
from experiments.shared.tuning import Grid, tune
from multvae_jax.evaluation import prepare_users
from multvae_jax.host.console import say
from multvae_jax.likelihoods import gaussian, logistic, multinomial, poisson

BETAS = (0.05, 0.2, 0.8)
"""Caps of the VAE's beta, for every likelihood."""

PENALTIES = (2e-5, 2e-3, 2e-2)
"""Weight penalties of the DAE; the first is the paper's."""

LEARNING_RATES = (1e-3, 3e-3)
"""Of Adam; the first is the paper's. Without a softmax a model has to learn how rare clicks are."""


def scaled_gaussian(ratio: float) -> mv.Likelihood:
    """The Gaussian with c0 / c1 = `ratio`, about as large as the multinomial.

    Adam is invariant to the scale of a loss, so with beta or the penalty only the ratio remains to
    be tuned; c1 = 10 lets one grid of betas serve all likelihoods.
    """
    return gaussian(c1=10.0, c0=10.0 * ratio)


LIKELIHOODS: Mapping[str, tuple[Callable[..., mv.Likelihood], Grid]] = {
    "multinomial": (multinomial, {}),
    "logistic": (logistic, {}),
    "gaussian": (scaled_gaussian, {"ratio": (0.03, 0.1, 0.3)}),
    "poisson": (poisson, {}),
}


def train_vae(
    likelihood: Callable[..., mv.Likelihood],
    split: mv.Split,
    options: Options,
    seed: int,
    beta: float,
    learning_rate: float,
    **constants: float,
) -> mv.Run:
    """Train a VAE with a likelihood; its beta rises to `beta`."""
    model = mv.mult_vae(options.hidden, options.latent, likelihood=likelihood(**constants))
    schedule = beta_schedule(options, split, cap=beta)
    return train(model, split, options, seed, beta=schedule, optimizer=optax.adam(learning_rate))


def train_dae(
    likelihood: Callable[..., mv.Likelihood],
    split: mv.Split,
    options: Options,
    seed: int,
    weight_penalty: float,
    learning_rate: float,
    **constants: float,
) -> mv.Run:
    """Train a DAE with a likelihood."""
    model = mv.mult_dae(
        (), options.latent, likelihood=likelihood(**constants), weight_penalty=weight_penalty
    )
    return train(model, split, options, seed, optimizer=optax.adam(learning_rate))


NETWORKS: Mapping[str, tuple[Callable[..., mv.Run], Grid]] = {
    "VAE": (train_vae, {"beta": BETAS, "learning_rate": LEARNING_RATES}),
    "DAE": (train_dae, {"weight_penalty": PENALTIES, "learning_rate": LEARNING_RATES}),
}


def table_rows(split: mv.Split, options: Options) -> dict[str, TableRow]:
    """Every network with every likelihood: tuned with the first seed, tested with all seeds."""
    test = prepare_users(split.test)

    def tuned(name: str, build: Callable[..., mv.Run], grid: Grid) -> TableRow:
        say(name)
        # The best setting is not trained again with the first seed.
        trained: Callable[..., mv.Run] = cache(build)

        def with_first_seed(**setting: Any) -> mv.Scorer:
            return trained(seed=options.all_seeds[0], **setting).scorer

        setting, tried = tune(with_first_seed, grid, split.validation, options.quick)
        say(f"{name}: best of {len(tried)} settings: {setting}")
        runs = (trained(seed=seed, **setting) for seed in options.all_seeds)
        return TableRow([mv.evaluate(run.scorer, test) for run in runs], setting, tried)

    return {
        f"{network}, {name}": tuned(
            f"{network}, {name}",
            partial(train_network, likelihood, split, options),
            {**grid, **constants},
        )
        for network, (train_network, grid) in NETWORKS.items()
        for name, (likelihood, constants) in LIKELIHOODS.items()
    }


def likelihoods(options: Options) -> Report:
    """The likelihoods of the paper, each tuned on the validation users."""
    split = load_split(options)
    return report_rows(split, table_rows(split, options), options.data_name)


if __name__ == "__main__":
    sys.exit(main(likelihoods))

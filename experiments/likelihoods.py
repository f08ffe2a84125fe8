"""The likelihoods (paper, table 4): multinomial, logistic, gaussian and poisson, VAE and DAE.

    python -m experiments.likelihoods --dataset ml-100k --hidden 200 --latent 64 --seeds 3

On two cores of an AMD EPYC that were shared with other work, 713 s; NDCG@100 on 93 test users:

    VAE   gaussian .4748   logistic .4559   multinomial .4535   Poisson .4312
    DAE   gaussian .4814   multinomial .4764   logistic .4585   Poisson .4529

The intervals and the other data sets stand in the README beside this file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

import optax

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
    train,
    tune,
    write,
)
from multvae_jax.config.build import build_beta
from multvae_jax.config.load_data import load_split
from multvae_jax.data.types import Split
from multvae_jax.evaluation.evaluator import evaluate, prepare_users
from multvae_jax.fitting import Run
from multvae_jax.likelihoods import Likelihood, gaussian, logistic, multinomial, poisson
from multvae_jax.models import mult_dae, mult_vae

BETAS = (0.05, 0.2, 0.8)
"""The VAE's caps of beta, for every likelihood."""

PENALTIES = (2e-5, 2e-3, 2e-2)
"""The DAE's weight penalties; the first is the paper's."""

LEARNING_RATES = (1e-3, 3e-3)
"""Of Adam; the first is the paper's. What is no softmax has to learn how rare a click is."""


def scaled_gaussian(ratio: float) -> Likelihood:
    """The gaussian with c0 / c1 = `ratio`, about as large as the multinomial.

    Adam does not see the scale of a loss: with beta or the penalty, the ratio is all there is to
    tune, and c1 = 10 lets one grid of betas serve all likelihoods.
    """
    return gaussian(c1=10.0, c0=10.0 * ratio)


LIKELIHOODS: Mapping[str, tuple[Callable[..., Likelihood], Grid]] = {
    "multinomial": (multinomial, {}),
    "logistic": (logistic, {}),
    "gaussian": (scaled_gaussian, {"ratio": (0.03, 0.1, 0.3)}),
    "poisson": (poisson, {}),
}


def train_vae(
    likelihood: Callable[..., Likelihood],
    split: Split,
    options: Options,
    seed: int,
    beta: float,
    learning_rate: float,
    **constants: float,
) -> Run:
    """A VAE with a likelihood, its beta rising to `beta`."""
    model = mult_vae(options.hidden, options.latent, likelihood=likelihood(**constants))
    training = replace(options.training, beta_cap=beta)
    schedule = build_beta(training, split.train.shape[0])
    return train(model, split, options, seed, beta=schedule, optimizer=optax.adam(learning_rate))


def train_dae(
    likelihood: Callable[..., Likelihood],
    split: Split,
    options: Options,
    seed: int,
    weight_penalty: float,
    learning_rate: float,
    **constants: float,
) -> Run:
    """A DAE with a likelihood."""
    model = mult_dae(
        (), options.latent, likelihood=likelihood(**constants), weight_penalty=weight_penalty
    )
    return train(model, split, options, seed, optimizer=optax.adam(learning_rate))


NETWORKS: Mapping[str, tuple[Callable[..., Run], Grid]] = {
    "VAE": (train_vae, {"beta": BETAS, "learning_rate": LEARNING_RATES}),
    "DAE": (train_dae, {"weight_penalty": PENALTIES, "learning_rate": LEARNING_RATES}),
}


def table_rows(split: Split, options: Options) -> dict[str, Row]:
    """Every network with every likelihood: tuned with the first seed, tested with all."""
    test = prepare_users(split.test)

    def tuned(name: str, build: Callable[..., Run], grid: Grid) -> Row:
        say(name)
        trained: Callable[..., Run] = cache(build)

        def first(**setting: Any) -> Any:
            return trained(seed=options.all_seeds[0], **setting).score

        setting, tried = tune(first, grid, split.validation, options.quick)
        say(f"{name}: best of {len(tried)} settings: {setting}")
        runs = (trained(seed=seed, **setting) for seed in options.all_seeds)
        return Row([evaluate(run.scorer, test) for run in runs], setting, tried)

    return {
        f"{network}, {name}": tuned(
            f"{network}, {name}", partial(train_it, likelihood, split, options), {**grid, **more}
        )
        for network, (train_it, grid) in NETWORKS.items()
        for name, (likelihood, more) in LIKELIHOODS.items()
    }


def likelihoods(options: Options) -> None:
    """Run the experiment and write its files."""
    began = time.perf_counter()
    split = load_split(options.data)
    summary = summarize(table_rows(split, options))
    seconds = time.perf_counter() - began
    record = {**circumstances(split, options, seconds), "rows": summary}
    figure = draw_means(summary, options.source)
    write(options.folder("likelihoods"), record, markdown_table(summary), figure)


if __name__ == "__main__":
    sys.exit(command(likelihoods, "The likelihoods of the paper, each tuned on validation users."))

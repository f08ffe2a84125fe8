"""What is trained for each extension: models, with the arguments of `fit` that are their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import tyro
from msgspec import Meta

import multvae_jax as mv
from experiments.common import Options
from experiments.extensions import beta, focal, genres, ranking, recvae, vamp
from multvae_jax.config.build import batch_size, n_epochs
from multvae_jax.datasets import registry

REFERENCE = "Mult-VAE"


@dataclass(frozen=True)
class ExtensionOptions(Options):
    """Options of this experiment."""

    name: tyro.conf.Positional[
        Literal["recvae", "vamp", "focal", "ranking", "beta", "genres", "mult-vae", "all"]
    ] = "all"
    """which extension; with mult-vae none"""
    learning_rate: Annotated[float, Meta(gt=0)] = 2e-3
    """of Adam, for every row; the paper's is 1e-3, for twenty times as many updates"""
    constants: dict[str, float] = field(default_factory=dict)
    """constants of one extension instead of its own, such as gamma 0.002: to tune it"""


class Trial(NamedTuple):
    """What is trained.

    Attributes:
        model: as it is given to `fit`.
        chosen: other arguments of `fit` that are its own.
        constants: what it was made with, for the record.
    """

    model: mv.Model
    chosen: Mapping[str, Any] = {}
    constants: Mapping[str, float] = {}


def updates_per_epoch(split: mv.Split, options: Options) -> int:
    """Updates that an epoch takes."""
    n_users = split.train.shape[0]
    return -(-n_users // batch_size(options.training, n_users))


def of_mult_vae(split: mv.Split, options: ExtensionOptions, cap: float = 0.2) -> dict[str, Trial]:
    """What all are held against."""
    rise = 0.5 * n_epochs(options.training) * updates_per_epoch(split, options)
    model = mv.mult_vae(options.hidden, options.latent)
    return {
        REFERENCE: Trial(model, {"beta": mv.schedules.linear_annealing(cap, rise)}, {"cap": cap})
    }


def _recvae(split: mv.Split, options: ExtensionOptions, gamma: float = 0.001) -> dict[str, Trial]:
    epoch = updates_per_epoch(split, options)
    turns = recvae.Turns(encoder=3 * epoch, decoder=epoch)
    model = recvae.recvae(turns, options.hidden[0], options.latent, gamma)
    optimizer = recvae.in_turns(turns, options.learning_rate)
    return {"RecVAE": Trial(model, {"optimizer": optimizer}, {"gamma": gamma})}


def _vamp(
    split: mv.Split, options: ExtensionOptions, pseudo_inputs: float = 100
) -> dict[str, Trial]:
    del split
    model = vamp.vamp(options.hidden[0], options.latent, int(pseudo_inputs))
    return {"VampPrior, gated": Trial(model, {}, {"pseudo_inputs": pseudo_inputs})}


def _focal(split: mv.Split, options: ExtensionOptions, gamma: float = 10.0) -> dict[str, Trial]:
    del split
    model = mv.mult_vae(options.hidden, options.latent, likelihood=focal.focal(gamma))
    return {"focal multinomial": Trial(model, {}, {"gamma": gamma})}


def _ranking(
    split: mv.Split, options: ExtensionOptions, weight: float = 1.0, multinomial: float = 1.0
) -> dict[str, Trial]:
    del split
    likelihood = ranking.lambda_ndcg(weight, multinomial)
    model = mv.mult_vae(options.hidden, options.latent, likelihood=likelihood)
    return {"LambdaNDCG": Trial(model, {}, {"weight": weight, "multinomial": multinomial})}


def _beta(
    split: mv.Split,
    options: ExtensionOptions,
    cap: float = 0.2,
    small_cap: float = 0.05,
    cycles: float = 4,
    bits: float = 0.1,
) -> dict[str, Trial]:
    updates = n_epochs(options.training) * updates_per_epoch(split, options)
    plain = mv.mult_vae(options.hidden, options.latent)
    freed = mv.mult_vae(options.hidden, options.latent, prior=beta.free_bits(bits))
    schedule = beta.cyclical_annealing(cap, updates / cycles)
    small = mv.schedules.linear_annealing(small_cap, 0.5 * updates)
    return {
        f"beta to {small_cap:g}": Trial(plain, {"beta": small}, {"small_cap": small_cap}),
        "cyclical annealing": Trial(plain, {"beta": schedule}, {"cap": cap, "cycles": cycles}),
        "free bits": Trial(freed, {}, {"bits": bits}),
    }


def _genres(split: mv.Split, options: ExtensionOptions) -> dict[str, Trial]:
    table, _ = genres.read_genres(movies(options), split.catalogue.ids)
    network = genres.with_genres(mv.mlp.variational_mlp(options.hidden, options.latent), table)
    model = mv.vae(network, mv.likelihoods.multinomial(), mv.priors.standard_normal())
    return {"Mult-VAE with genres": Trial(model)}


def movies(options: Options) -> Path:
    """MovieLens's file of movies: the one named, or the one beside the data."""
    data = options.data
    if data.titles is not None:
        return Path(data.titles)
    folder = (
        registry.find_dataset(data.dataset).folder if data.data is None else Path(data.data).parent
    )
    return next(iter(sorted(folder.glob("movies.*"))), folder / "movies.dat")


EXTENSIONS: dict[str, Callable[..., dict[str, Trial]]] = {
    "recvae": _recvae,
    "vamp": _vamp,
    "focal": _focal,
    "ranking": _ranking,
    "beta": _beta,
    "genres": _genres,
}
"""By name: `(split, options, **constants) -> models by the name of their row`."""

"""The variants that each extension trains: models, with the arguments of `fit` that they need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import optax
import tyro
from jaxtyping import Float
from msgspec import Meta

import multvae_jax as mv
from experiments.extensions import (
    beta,
    conditional,
    contrastive,
    dispersion,
    focal,
    genres,
    iwae,
    ladder,
    power_spherical,
    ranking,
    sam,
    sampled,
    smoothing,
)
from experiments.shared.options import Options, fit_options, movies_file
from multvae_jax import recipe

REFERENCE = "Mult-VAE"


ExtensionName = Literal[
    "recvae",
    "vamp",
    "focal",
    "ranking",
    "smoothing",
    "dispersion",
    "sampled",
    "bpr",
    "beta",
    "genres",
    "power-spherical",
    "ladder",
    "conditional",
    "iwae",
    "contrastive",
    "sam",
    "averages",
    "mult-vae",
    "all",
]


@dataclass(frozen=True)
class ExtensionOptions(Options):
    """Options of the extensions."""

    names: tyro.conf.Positional[tuple[ExtensionName, ...]] = ("all",)
    """extensions to train; "mult-vae" trains only the reference"""
    learning_rate: Annotated[float, Meta(gt=0)] = 2e-3
    """learning rate of Adam in every row; the paper's is 1e-3, for twenty times as many updates"""
    constants: dict[str, float] = field(default_factory=dict)
    """constants of one extension that replace its defaults, such as gamma 0.002"""

    def folder(self, experiment: str) -> Path:
        """Folder of the results, named after the extensions."""
        return super().folder(f"{experiment}/{'-'.join(self.names)}")

    @property
    def all_names(self) -> tuple[str, ...]:
        """The extensions to train beside the reference."""
        if "all" in self.names:
            return tuple(EXTENSIONS)
        return tuple(name for name in self.names if name != "mult-vae")


class Variant(NamedTuple):
    """A model to train.

    Attributes:
        model: the model.
        fit_options: arguments of `fit` that differ from those of the other rows.
        constants: constants of the model, for the record.
    """

    model: mv.Model
    fit_options: Mapping[str, Any] = {}
    constants: Mapping[str, float] = {}


def n_updates(split: mv.Split, options: Options) -> int:
    """Updates in the whole run."""
    return recipe.n_updates(split.train.shape[0], **fit_options(options, split))


def reference(
    split: mv.Split, options: ExtensionOptions, cap: float = recipe.BETA_CAP
) -> dict[str, Variant]:
    """Mult-VAE, to which all others are compared."""
    rise = recipe.ANNEALED_SHARE * n_updates(split, options)
    model = mv.mult_vae(options.hidden, options.latent)
    return {
        REFERENCE: Variant(model, {"beta": mv.schedules.linear_annealing(cap, rise)}, {"cap": cap})
    }


def _recvae(split: mv.Split, options: ExtensionOptions, gamma: float = 0.001) -> dict[str, Variant]:
    del split
    model = mv.recvae(options.hidden[0], options.latent, gamma=gamma)
    return {"RecVAE": Variant(model, {}, {"gamma": gamma})}


def _vamp(
    split: mv.Split, options: ExtensionOptions, pseudo_inputs: float = 100
) -> dict[str, Variant]:
    del split
    model = mv.vamp_vae(options.hidden[0], options.latent, pseudo_inputs=pseudo_inputs)
    return {"VampPrior, gated": Variant(model, {}, {"pseudo_inputs": pseudo_inputs})}


def _focal(split: mv.Split, options: ExtensionOptions, gamma: float = 10.0) -> dict[str, Variant]:
    del split
    model = mv.mult_vae(options.hidden, options.latent, likelihood=focal.focal(gamma))
    return {"focal multinomial": Variant(model, {}, {"gamma": gamma})}


def _ranking(
    split: mv.Split, options: ExtensionOptions, weight: float = 1.0, multinomial: float = 1.0
) -> dict[str, Variant]:
    del split
    likelihood = ranking.lambda_ndcg(weight, multinomial)
    model = mv.mult_vae(options.hidden, options.latent, likelihood=likelihood)
    return {"LambdaNDCG": Variant(model, {}, {"weight": weight, "multinomial": multinomial})}


def _smoothing(
    split: mv.Split, options: ExtensionOptions, share: float = 0.05
) -> dict[str, Variant]:
    del split
    model = mv.mult_vae(options.hidden, options.latent, likelihood=smoothing.smoothed(share))
    return {"label smoothing": Variant(model, {}, {"share": share})}


def _dispersion(
    split: mv.Split, options: ExtensionOptions, start: float = 1.0
) -> dict[str, Variant]:
    del split
    likelihood = dispersion.negative_binomial(start)
    model = mv.mult_vae(options.hidden, options.latent, likelihood=likelihood)
    return {"negative binomial": Variant(model, {}, {"start": start})}


def _sampled(
    split: mv.Split, options: ExtensionOptions, negatives: float = 200, power: float = 0.5
) -> dict[str, Variant]:
    likelihood = sampled.sampled_softmax(negatives, _counts(split) ** power)
    model = mv.mult_vae(options.hidden, options.latent, likelihood=likelihood)
    return {"sampled softmax": Variant(model, {}, {"negatives": negatives, "power": power})}


def _bpr(
    split: mv.Split, options: ExtensionOptions, negatives: float = 20, power: float = 0.5
) -> dict[str, Variant]:
    likelihood = sampled.bpr(negatives, _counts(split) ** power)
    model = mv.mult_vae(options.hidden, options.latent, likelihood=likelihood)
    return {"BPR": Variant(model, {}, {"negatives": negatives, "power": power})}


def _counts(split: mv.Split) -> Float[np.ndarray, " items"]:
    """Interactions of each item, one more than there are, so that every item is drawn."""
    return np.asarray(split.train.sum(axis=0), np.float64).ravel() + 1.0


def _beta(
    split: mv.Split,
    options: ExtensionOptions,
    cap: float = recipe.BETA_CAP,
    small_cap: float = 0.05,
    cycles: float = 4,
    bits: float = 0.1,
) -> dict[str, Variant]:
    updates = n_updates(split, options)
    plain = mv.mult_vae(options.hidden, options.latent)
    with_free_bits = mv.mult_vae(options.hidden, options.latent, prior=beta.free_bits(bits))
    cyclical = beta.cyclical_annealing(cap, updates / cycles)
    by_activity = mv.mult_vae(
        options.hidden, options.latent, objective=beta.beta_by_activity(split)
    )
    small = mv.schedules.linear_annealing(small_cap, recipe.ANNEALED_SHARE * updates)
    return {
        f"beta to {small_cap:g}": Variant(plain, {"beta": small}, {"small_cap": small_cap}),
        "cyclical annealing": Variant(plain, {"beta": cyclical}, {"cap": cap, "cycles": cycles}),
        "free bits": Variant(with_free_bits, {}, {"bits": bits}),
        "beta by activity": Variant(by_activity),
    }


def _genres(split: mv.Split, options: ExtensionOptions) -> dict[str, Variant]:
    table = mv.data.read_item_features(movies_file(options), split.catalogue).values
    network = genres.with_genres(mv.mlp.variational_mlp(options.hidden, options.latent), table)
    model = mv.vae(network, mv.likelihoods.multinomial(), mv.priors.standard_normal())
    return {"Mult-VAE with genres": Variant(model)}


def _power_spherical(split: mv.Split, options: ExtensionOptions) -> dict[str, Variant]:
    del split
    network = power_spherical.on_sphere(_plain_network(options))
    prior = power_spherical.uniform_on_sphere()
    return {"power spherical": Variant(mv.vae(network, mv.likelihoods.multinomial(), prior))}


def _ladder(split: mv.Split, options: ExtensionOptions, top: float = 0.5) -> dict[str, Variant]:
    del split
    n_top = max(1, round(top * options.latent))
    network = ladder.with_second_layer(_plain_network(options), options.latent, n_top)
    model = mv.vae(network, mv.likelihoods.multinomial(), ladder.ladder_prior())
    return {"ladder of two layers": Variant(model, {}, {"top": top})}


def _conditional(split: mv.Split, options: ExtensionOptions) -> dict[str, Variant]:
    if split.user_encoder is None:
        return {}
    network = conditional.conditional(_plain_network(options), split.user_encoder.width)
    prior = conditional.standard_normal_of_z()
    return {"conditional VAE": Variant(mv.vae(network, mv.likelihoods.multinomial(), prior))}


def _iwae(split: mv.Split, options: ExtensionOptions, samples: float = 5) -> dict[str, Variant]:
    del split
    model = mv.mult_vae(
        options.hidden,
        options.latent,
        prior=iwae.sampled_standard_normal(),
        objective=partial(iwae.importance_weighted, samples=int(samples)),
    )
    return {"IWAE": Variant(model, {}, {"samples": samples})}


def _contrastive(
    split: mv.Split, options: ExtensionOptions, weight: float = 1.0, temperature: float = 0.2
) -> dict[str, Variant]:
    del split
    constants = {"weight": weight, "temperature": temperature}
    objective = partial(contrastive.contrastive, **constants)
    model = mv.mult_vae(options.hidden, options.latent, objective=objective)
    return {"contrastive term": Variant(model, {}, constants)}


def _sam(split: mv.Split, options: ExtensionOptions, rho: float = 0.05) -> dict[str, Variant]:
    del split
    plain = mv.mult_vae(options.hidden, options.latent)
    return {"SAM": Variant(sam.sharpness_aware(plain, rho), {}, {"rho": rho})}


def _averages(
    split: mv.Split,
    options: ExtensionOptions,
    decay: float = 0.95,
    start: float = 0.75,
    b1: float = 0.9,
) -> dict[str, Variant]:
    """Averages of the parameters, which `fit` validates and keeps instead of the parameters."""
    updates, rate = n_updates(split, options), options.learning_rate
    model, adam = mv.mult_vae(options.hidden, options.latent), optax.adam(rate)
    free = optax.contrib.schedule_free_adamw(rate, b1=b1, weight_decay=0.0)
    optimizers = {
        "EMA": (mv.averages.ema(adam, decay), {"decay": decay}),
        "SWA": (mv.averages.swa(adam, start * updates), {"start": start}),
        "schedule-free Adam": (free, {"b1": b1}),
    }
    return {
        name: Variant(model, {"optimizer": optimizer}, constants)
        for name, (optimizer, constants) in optimizers.items()
    }


def _plain_network(options: ExtensionOptions) -> mv.Network:
    return mv.mlp.variational_mlp(options.hidden, options.latent)


EXTENSIONS: dict[str, Callable[..., dict[str, Variant]]] = {
    "recvae": _recvae,
    "vamp": _vamp,
    "focal": _focal,
    "ranking": _ranking,
    "smoothing": _smoothing,
    "dispersion": _dispersion,
    "sampled": _sampled,
    "bpr": _bpr,
    "beta": _beta,
    "genres": _genres,
    "power-spherical": _power_spherical,
    "ladder": _ladder,
    "conditional": _conditional,
    "iwae": _iwae,
    "contrastive": _contrastive,
    "sam": _sam,
    "averages": _averages,
}
"""Name -> function of `(split, options, **constants)`, which returns variants by name of row."""

"""The ingredients that were tried for the default recipe.

Each is a change of a recipe, built from the public parts of the package. `STEPS` lead from the
paper's recipe to the default one; `EXTRAS` were tried beside the default and left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse.linalg
from jaxtyping import Array, PRNGKeyArray

import multvae_jax as mv
from multvae_jax import mlp, recipe
from multvae_jax.ops import logsumexp


class Trial(NamedTuple):
    """A model and the arguments with which `fit` trains it.

    Attributes:
        numbers: the recipe.
        model: arguments of `mult_vae` besides those of the recipe.
        fit: arguments of `fit` besides those of the recipe.
        make: makes the model, from all its arguments.
    """

    numbers: recipe.Recipe
    model: Mapping[str, Any] = {}
    fit: Mapping[str, Any] = {}
    make: Callable[..., mv.Model] = mv.mult_vae

    def built(self) -> mv.Model:
        """The model."""
        given = {
            "hidden": self.numbers.hidden,
            "latent": self.numbers.latent,
            "network": getattr(mlp, self.numbers.network),
            "dropout": self.numbers.dropout,
        }
        return self.make(**{**given, **self.model})


Change = Callable[[Trial, mv.Split], Trial]
"""A trial with an ingredient more."""


def of_recipe(**numbers: Any) -> Change:
    """Change numbers of the recipe."""

    def change(trial: Trial, split: mv.Split) -> Trial:
        del split
        return trial._replace(numbers=trial.numbers._replace(**numbers))

    return change


def of_model(**arguments: Any) -> Change:
    """Change arguments of the model."""

    def change(trial: Trial, split: mv.Split) -> Trial:
        del split
        return trial._replace(model={**trial.model, **arguments})

    return change


def decay(schedule: Callable[..., optax.Schedule], warmup: float = 0.0) -> Change:
    """Let the learning rate fall over the updates of all epochs, or rise at first."""

    def change(trial: Trial, split: mv.Split) -> Trial:
        n_users = split.train.shape[0]
        updates = recipe.n_updates(n_users, recipe.batch_size(n_users), trial.numbers.epochs)
        rate = schedule(trial.numbers.learning_rate, updates, warmup=warmup)
        return trial._replace(fit={**trial.fit, "optimizer": optax.adam(rate)})

    return change


def more_updates(trial: Trial, split: mv.Split) -> Trial:
    """Twice as many updates in an epoch, of half as many users."""
    half = math.ceil(recipe.batch_size(split.train.shape[0]) / 2)
    return trial._replace(fit={**trial.fit, "batch_size": half})


def smoothed(share: float) -> mv.Likelihood:
    """The multinomial with a share of each user's clicks spread over all items."""

    def click(f: Array, x: Array, theta: mv.types.Theta) -> Array:
        return (1.0 - theta["share"]) * x * f

    def normalizer(f: Array, total: Array, theta: mv.types.Theta) -> Array:
        return total * (logsumexp(f) - theta["share"] * f.mean())

    return mv.Likelihood(click, normalizer, constants={"share": share})


def from_popularity(trial: Trial, split: mv.Split) -> Trial:
    """The bias of each item starts at the logarithm of its share of the clicks."""
    counts = np.asarray(split.train.sum(axis=0)).ravel()
    bias = np.log((counts + 1) / counts.sum()).astype(np.float32)
    return _started(trial, lambda params: _with_last(params, bias=jnp.array(bias)))


def from_svd(trial: Trial, split: mv.Split) -> Trial:
    """Encoder and decoder start from the singular vectors of the normalized rows.

    Only for a network without hidden layers; the scale is that of the usual initialization.
    """
    lengths = np.sqrt(np.maximum(np.diff(split.train.indptr), 1))
    rows = split.train.multiply(1 / lengths[:, None]).tocsr()
    latent = min(trial.numbers.latent, min(rows.shape) - 1)
    _, _, directions = scipy.sparse.linalg.svds(rows.astype(np.float32), k=latent, random_state=0)

    unit = jnp.asarray(directions / directions.std(), jnp.float32)

    def start(params: Any) -> Any:
        first, last = (params[part]["layers_0"]["kernel"] for part in ("encoder", "decoder"))
        n = len(unit)
        encoder = {
            **params["encoder"]["layers_0"],
            "kernel": first.at[:, :n].set(unit.T * first.std()),
        }
        decoder = last.at[:n].set(unit * last.std())
        return _with_last({**params, "encoder": {"layers_0": encoder}}, kernel=decoder)

    return _started(trial, start)


def _with_last(params: Any, **arrays: Array) -> Any:
    """The parameters of a network with other arrays in its last layer."""
    name = max(params["decoder"], key=lambda name: int(name.rpartition("_")[2]))
    return {**params, "decoder": {**params["decoder"], name: {**params["decoder"][name], **arrays}}}


def _started(trial: Trial, start: Callable[[Any], Any]) -> Trial:
    """Let the network of a trial start from other parameters."""

    def make(**arguments: Any) -> mv.Model:
        model = trial.make(**arguments)

        def init(key: PRNGKeyArray, n_items: int) -> Any:
            params = model.init(key, n_items)
            return {**params, "network": start(params["network"])}

        return model._replace(init=init)

    return trial._replace(make=make)


def tied(trial: Trial, split: mv.Split) -> Trial:
    """The decoder's kernel is that of the encoder's mean; only without hidden layers."""
    del split

    def factory(hidden: Any, latent: int, activation: Any) -> mv.Network:
        plain = getattr(mlp, trial.numbers.network)(hidden, latent, activation)

        def decode(params: Any, z: Array) -> Array:
            kernel = params["encoder"]["layers_0"]["kernel"][:, :latent].T
            return plain.decode(_with_last(params, kernel=kernel), z)

        return mv.Network(plain.init, plain.encode, decode)

    return trial._replace(model={**trial.model, "network": factory})


def denoising(trial: Trial, split: mv.Split) -> Trial:
    """Mult-DAE in place of Mult-VAE."""
    del split

    def make(hidden: Any, latent: int, network: Any, dropout: float, **others: Any) -> mv.Model:
        del network
        return mv.mult_dae(hidden, latent, dropout=dropout, **others)

    return trial._replace(make=make)


STEPS: Mapping[str, Change] = {
    "no hidden layer": of_recipe(hidden=()),
    "bounded mean": of_recipe(network="bounded_mlp"),
    "rate 3e-3": of_recipe(learning_rate=3e-3),
    "beta to 0.05": of_recipe(beta_cap=0.05),
    "patience 10 of 80 epochs": of_recipe(epochs=80, patience=10),
}
"""The differences between the paper's recipe and the default one."""

EXTRAS: Mapping[str, Change] = {
    "linear decay": decay(mv.schedules.linear_decay),
    "cosine decay": decay(mv.schedules.cosine_decay),
    "step decay": decay(mv.schedules.step_decay),
    "warm-up over a tenth": decay(mv.schedules.constant_rate, warmup=0.1),
    "20 updates an epoch": more_updates,
    "code of 400": of_recipe(latent=400),
    "dropout 0.3": of_recipe(dropout=0.3),
    "dropout 0.7": of_recipe(dropout=0.7),
    "no KL term": of_recipe(beta_cap=0.0),
    "weight penalty 2e-5": of_model(weight_penalty=2e-5),
    "label smoothing 0.05": of_model(likelihood=smoothed(0.05)),
    "Gaussian, c1 10, c0 3": of_model(likelihood=mv.likelihoods.gaussian(10.0, 3.0)),
    "bias from popularity": from_popularity,
    "start from the SVD": from_svd,
    "tied weights": tied,
    "Mult-DAE": denoising,
}
"""Changes of the default recipe that were tried and not adopted."""


def trials(split: mv.Split) -> dict[str, Trial]:
    """Every trial by the name of its row: steps alone and left out, and extras."""
    data = recipe.DataShape(*split.train.shape, split.train.nnz)
    paper, default = Trial(recipe.paper(data)), Trial(recipe.adaptive(data))
    found = {"paper": paper}
    for name, step in STEPS.items():
        found[f"paper + {name}"] = step(paper, split)
    found["default"] = default
    for name, step in STEPS.items():
        changed = step(paper, split).numbers
        fields = [
            field
            for field, old, new in zip(recipe.Recipe._fields, paper.numbers, changed, strict=True)
            if old != new
        ]
        before = {field: getattr(paper.numbers, field) for field in fields}
        found[f"default - {name}"] = of_recipe(**before)(default, split)
    for name, extra in EXTRAS.items():
        found[f"default + {name}"] = extra(default, split)
    return found

"""The ingredients that were tried for the default recipe.

Each is a change of a recipe, built from the public parts of the package. `STEPS` lead from the
paper's recipe to the default one. Its gravity and the size of its code were found last: the other
steps are left out, and `EXTRAS` were tried, beside the default without gravity, with the paper's
code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse.linalg
from jaxtyping import Array, PRNGKeyArray

import multvae_jax as mv
from experiments.extensions.ranking import lambda_ndcg
from experiments.extensions.smoothing import smoothed
from experiments.recipe import losses
from multvae_jax import mlp, recipe
from multvae_jax.baselines.ease import EASE, item_weights


class Trial(NamedTuple):
    """A model and the arguments with which `fit` trains it.

    Attributes:
        numbers: the recipe.
        model: arguments of `mult_vae` besides those of the recipe.
        fit: arguments of `fit` besides those of the recipe.
        make: makes the model, from all its arguments.
        n_averaged: number of trainings whose log probabilities are averaged.
    """

    numbers: recipe.Recipe
    model: Mapping[str, Any] = {}
    fit: Mapping[str, Any] = {}
    make: Callable[..., mv.Model] = mv.mult_vae
    n_averaged: int = 1

    def built(self) -> mv.Model:
        """The model."""
        given: dict[str, Any] = {
            "hidden": self.numbers.hidden,
            "latent": self.numbers.latent,
            "network": getattr(mlp, self.numbers.network),
            "dropout": self.numbers.dropout,
        }
        if self.numbers.gravity is not None:
            given["likelihood"] = mv.likelihoods.multinomial(self.numbers.gravity)
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


def ema(decay: float) -> Change:
    """Validate and keep an exponential moving average of the parameters."""

    def change(trial: Trial, split: mv.Split) -> Trial:
        del split
        optimizer = mv.averages.ema(optax.adam(trial.numbers.learning_rate), decay)
        return trial._replace(fit={**trial.fit, "optimizer": optimizer})

    return change


def more_updates(trial: Trial, split: mv.Split) -> Trial:
    """Twice as many updates in an epoch, of half as many users."""
    half = math.ceil(recipe.batch_size(split.train.shape[0]) / 2)
    return trial._replace(fit={**trial.fit, "batch_size": half})


def from_popularity(trial: Trial, split: mv.Split) -> Trial:
    """The bias of each item starts at the logarithm of its share of the clicks."""
    counts = np.asarray(split.train.sum(axis=0)).ravel()
    bias = np.log((counts + 1) / counts.sum()).astype(np.float32)
    return _started(trial, lambda params: _with_last(params, bias=jnp.array(bias)))


def from_svd(trial: Trial, split: mv.Split) -> Trial:
    """Encoder and decoder start from the singular vectors of the normalized rows."""
    lengths = np.sqrt(np.maximum(np.diff(split.train.indptr), 1))
    rows = split.train.multiply(1 / lengths[:, None]).tocsr().astype(np.float32)
    _, _, directions = scipy.sparse.linalg.svds(rows, k=_rank(trial, rows), random_state=0)
    return _started(trial, _with_product(directions.T, directions))


def from_ease(trial: Trial, split: mv.Split) -> Trial:
    """Encoder and decoder start from the factors of EASE's weights, of the rank of the code."""
    weights = item_weights(split.train, EASE.constants["regularization"], np.float32)
    left, sizes, right = scipy.sparse.linalg.svds(weights, k=_rank(trial, weights), random_state=0)
    roots = np.sqrt(sizes)
    return _started(trial, _with_product(left * roots, roots[:, None] * right))


def _rank(trial: Trial, matrix: Any) -> int:
    return min(trial.numbers.latent, min(matrix.shape) - 1)


def _with_product(first: np.ndarray, last: np.ndarray) -> Callable[[Any], Any]:
    """Start the mean of the encoder and the decoder from the two factors of a matrix.

    Only for a network without hidden layers; the scale is that of the usual initialization.
    """

    def start(params: Any) -> Any:
        of_code = params["encoder"]["layers_0"]
        kernels = of_code["kernel"], params["decoder"]["layers_0"]["kernel"]
        into, out = (
            jnp.asarray(factor / factor.std() * kernel.std(), jnp.float32)
            for factor, kernel in zip((first, last), kernels, strict=True)
        )
        encoder = {**of_code, "kernel": kernels[0].at[:, : len(out)].set(into)}
        decoder = kernels[1].at[: len(out)].set(out)
        return _with_last({**params, "encoder": {"layers_0": encoder}}, kernel=decoder)

    return start


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
    """Mult-DAE instead of Mult-VAE."""
    del split

    def make(hidden: Any, latent: int, network: Any, dropout: float, **others: Any) -> mv.Model:
        del network
        return mv.mult_dae(hidden, latent, dropout=dropout, **others)

    return trial._replace(make=make)


def averaged(n: int) -> Change:
    """Average the log probabilities of several trainings, from keys of their own."""

    def change(trial: Trial, split: mv.Split) -> Trial:
        del split
        return trial._replace(n_averaged=n)

    return change


def with_skip(trial: Trial, split: mv.Split) -> Trial:
    """A linear layer from the input to the output beside the autoencoder."""
    del split
    return trial._replace(make=losses.with_skip)


def gravity(times: float = 1.0) -> Change:
    """The gravity of the default recipe, or a multiple of it."""

    def change(trial: Trial, split: mv.Split) -> Trial:
        of_default = recipe.adaptive(recipe.DataShape(*split.train.shape, split.train.nnz))
        return of_recipe(gravity=times * (of_default.gravity or 0.0))(trial, split)

    return change


STEPS: Mapping[str, Change] = {
    "no hidden layer": of_recipe(hidden=()),
    "bounded mean": of_recipe(network="bounded_mlp"),
    "rate 3e-3": of_recipe(learning_rate=3e-3),
    "beta to 0.05": of_recipe(beta_cap=0.05),
    "patience 10 of 80 epochs": of_recipe(epochs=80, patience=10),
    "gravity": gravity(),
}
"""The differences between the paper's recipe and the default one."""

EXTRAS: Mapping[str, Change] = {
    "linear decay": decay(mv.schedules.linear_decay),
    "cosine decay": decay(mv.schedules.cosine_decay),
    "step decay": decay(mv.schedules.step_decay),
    "warm-up over a tenth": decay(mv.schedules.constant_rate, warmup=0.1),
    "EMA of the parameters, 0.99": ema(0.99),
    "20 updates an epoch": more_updates,
    "code of 400": of_recipe(latent=400),
    "dropout 0.3": of_recipe(dropout=0.3),
    "dropout 0.7": of_recipe(dropout=0.7),
    "no KL term": of_recipe(beta_cap=0.0),
    "weight penalty 2e-5": of_model(weight_penalty=2e-5),
    "label smoothing 0.05": of_model(likelihood=smoothed(0.05)),
    "label smoothing 0.005": of_model(likelihood=smoothed(0.005)),
    "label smoothing 0.0005": of_model(likelihood=smoothed(0.0005)),
    "Gaussian, c1 10, c0 3": of_model(likelihood=mv.likelihoods.gaussian(10.0, 3.0)),
    "Gaussian, c1 10, c0 1": of_model(likelihood=mv.likelihoods.gaussian(10.0, 1.0)),
    "Gaussian, c1 30, c0 10": of_model(likelihood=mv.likelihoods.gaussian(30.0, 10.0)),
    "LambdaNDCG": of_model(likelihood=lambda_ndcg()),
    "bias from popularity": from_popularity,
    "start from the SVD": from_svd,
    "start from EASE": from_ease,
    "tied weights": tied,
    "linear skip": with_skip,
    "beta by interactions": of_model(
        objective=partial(mv.objectives.negative_elbo, user_beta=losses.mean_interactions)
    ),
    "mixed dropout": of_model(objective=partial(losses.elbo, corrupt=losses.mixed_dropout)),
    "user dropout 0.1": of_model(objective=partial(losses.elbo, corrupt=losses.user_dropout)),
    "Mult-DAE": denoising,
    "average of three": averaged(3),
}
"""Changes of the default recipe without gravity that were tried and not adopted."""

VARIANTS: Mapping[str, Change] = {
    "half the gravity": gravity(0.5),
    "twice the gravity": gravity(2.0),
    "code of 200": of_recipe(latent=200),
    "code of 400": of_recipe(latent=400),
    "code of 800": of_recipe(latent=800),
}
"""Other weights of the gravity and sizes of the code than those of the default recipe."""


def trials(split: mv.Split) -> dict[str, Trial]:
    """Every trial by the name of its row: steps alone and left out, and extras."""
    data = recipe.DataShape(*split.train.shape, split.train.nnz)
    paper, default = Trial(recipe.paper(data)), Trial(recipe.adaptive(data))
    found = {"paper": paper}
    for name, step in STEPS.items():
        found[f"paper + {name}"] = step(paper, split)
    smaller = of_recipe(latent=paper.numbers.latent)(default, split)
    without = _left_out("gravity", smaller, paper, split)
    found[WITHOUT] = without
    for name in STEPS:
        if name != "gravity":
            found[f"{WITHOUT} - {name}"] = _left_out(name, without, paper, split)
    for name, extra in EXTRAS.items():
        found[f"{WITHOUT} + {name}"] = extra(without, split)
    found["default"] = default
    for name, change in VARIANTS.items():
        varied = change(default, split)
        if varied.numbers != default.numbers:
            found[f"default, {name}"] = varied
    return found


WITHOUT = "without gravity"
"""Name of the default recipe without gravity."""


def _left_out(name: str, trial: Trial, paper: Trial, split: mv.Split) -> Trial:
    """A trial with the numbers of the paper where a step changes them."""
    changed = STEPS[name](paper, split).numbers
    before = {
        field: old
        for field, old, new in zip(recipe.Recipe._fields, paper.numbers, changed, strict=True)
        if old != new
    }
    return of_recipe(**before)(trial, split)

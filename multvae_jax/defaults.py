"""Defaults that a recipe gives a training: numbers, beta and model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from multvae_jax import mlp
from multvae_jax import recipe as recipes
from multvae_jax.checks.bounds import check_function, check_kind
from multvae_jax.checks.signatures import cannot_take, has_parameter
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import multinomial
from multvae_jax.models import Model, mult_vae
from multvae_jax.recipe import DataShape, Recipe
from multvae_jax.schedules import linear_annealing


def shape_of(split: Split) -> DataShape:
    """The size of the training data of a split."""
    n_users, n_items = split.train.shape
    return DataShape(n_users, n_items, split.train.nnz)


def recipe_numbers(recipe: Callable[[DataShape], Recipe], split: Any) -> Recipe:
    """The numbers of a recipe for a split.

    Raises:
        InputError: if the recipe is not one, or the split is none.
    """
    check_kind("split", split, Split, "hold_out_users(data)")
    check_function("recipe", recipe, "a function such as multvae_jax.recipe.paper")
    if cannot_take(recipe, 1):
        raise InputError("recipe: it must take one argument, the size of the data")
    numbers = recipe(shape_of(split))
    check_kind("recipe: its result", numbers, Recipe, "that of multvae_jax.recipe.paper")
    return numbers


def recipe_epochs(
    numbers: Recipe, epochs: int | None, patience: int | None
) -> tuple[int, int | None]:
    """Epochs and patience of a training: the given ones, or those of the recipe without epochs."""
    if epochs is not None:
        return epochs, patience
    return numbers.epochs, numbers.patience if patience is None else patience


def recipe_beta(numbers: Recipe, n_users: int, batch_size: int, epochs: int) -> optax.Schedule:
    """Beta of a recipe: it rises to its cap over a share of the updates."""
    updates = recipes.n_updates(n_users, batch_size, epochs)
    return linear_annealing(numbers.beta_cap, numbers.annealed_share * updates)


def recipe_model(
    model: Model | Callable[..., Model], numbers: Recipe, catalogue: Catalogue | None = None
) -> Model:
    """A model as it is, or the one that a function makes.

    `mult_vae` receives the widths, the network, the likelihood and the dropout of the recipe; any
    other function
    receives the catalogue if it has a parameter of this name, and nothing else.
    """
    if isinstance(model, Model) or not callable(model):
        return model
    if model is not mult_vae:
        if has_parameter(model, "catalogue"):
            return model(catalogue=catalogue)
        if cannot_take(model, 0):
            name = getattr(model, "__name__", type(model).__name__)
            raise InputError(f"model: {name} needs arguments; call it, and give the model")
        return model()
    network = getattr(mlp, numbers.network)
    likelihood = multinomial(numbers.gravity)
    return mult_vae(
        numbers.hidden,
        numbers.latent,
        network=network,
        likelihood=likelihood,
        dropout=numbers.dropout,
    )
